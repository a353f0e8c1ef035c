"""What a listed model is for, chatting, embedding or something else, and what it can do.

Each service says it in its own field, if at all. Sources: the references of Together, Google, Cohere, Mistral, Bedrock,
OpenRouter, Azure, LM Studio, Vercel and Fireworks, each under "list models".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Together, Vercel, LM Studio, Hugging Face: one word in `type`. The kinds are those of the catalog.
_TYPES: dict[str, tuple[str, ...]] = {
    "chat": ("chat",),
    "language": ("chat",),
    "llm": ("chat",),
    "vlm": ("chat",),
    "text": ("chat",),
    "code": ("completion",),
    "base": ("completion",),
    "embedding": ("embedding",),
    "embeddings": ("embedding",),
    "image": ("image",),
    "video": ("video",),
    "audio": ("speech",),
    "speech": ("speech",),
    "transcribe": ("transcription",),
    "moderation": ("moderation",),
    "rerank": ("rerank",),
    "reranker": ("rerank",),
    "reranking": ("rerank",),
}
# Gemini's `supportedGenerationMethods`; Cohere's `endpoints`. What is not here says nothing about the kind.
_METHODS: dict[str, str] = {
    "generateContent": "chat",
    "embedContent": "embedding",
    "predict": "image",
    "predictLongRunning": "video",
    "bidiGenerateContent": "realtime",
    "chat": "chat",
    "generate": "completion",
    "embed": "embedding",
    "rerank": "rerank",
    "transcriptions": "transcription",
}
# Flags in `capabilities` (Mistral, Azure), or in the row itself (Fireworks).
_FLAGS: dict[str, str] = {
    "completion_chat": "chat",
    "chat_completion": "chat",
    "supports_chat": "chat",
    "completion_fim": "completion",
    "completion": "completion",
    "embeddings": "embedding",
    "ocr": "ocr",
    "moderation": "moderation",
    "audio_transcription": "transcription",
    "audio_speech": "speech",
}
# Words in `capabilities` as a list: Ollama.
_WORDS: dict[str, str] = {"completion": "chat", "chat": "chat", "embedding": "embedding", "embeddings": "embedding"}

_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"embed|(?:^|[/_-])(?:bge|e5|gte|minilm)(?:[-_]|$)", "embedding"),
        (r"rerank", "rerank"),
        (r"moderation|prompt-guard", "moderation"),
        (r"whisper|transcribe|(?:^|[-/])asr(?:$|-)|voxtral.*transcri", "transcription"),
        (r"(?:^|[-_/])tts(?:$|[-_:])|playai|orpheus", "speech"),
        (r"realtime|(?:^|-)live(?:$|-)", "realtime"),
        (r"dall-e|gpt-image|chatgpt-image|imagen|stable-diffusion|flux|imagine-image|(?:^|[-/])image-", "image"),
        (r"(?:^|[-/])sora|(?:^|[-/])veo-|imagine-video", "video"),
        (r"(?:^|[-/])ocr(?:$|-)", "ocr"),
        (r"^(?:babbage|davinci)-|-instruct-0914$|3\.5-turbo-instruct", "completion"),
        (r"(?:^|[/.])(?:gpt-\d|gpt-oss|chatgpt-|o\d|claude|gemini-|gemma|grok-|mistral-|ministral|magistral|llama-?\d"
         r"|deepseek|qwen|kimi-|glm-|command-|sonar|minimax|nemotron)", "chat"),
    )
)  # fmt: skip


def kinds_of(row: Mapping[str, Any], model: str) -> tuple[str, ...]:
    """The kinds of a row of a model list; none where neither it nor the model's name tells."""
    told = kinds_told(row)
    if told:
        return told
    kind = next((kind for pattern, kind in _NAMES if pattern.search(model)), None)
    return () if kind is None else (kind,)


def kinds_told(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that the row itself tells."""
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower() in _TYPES:
        return _TYPES[kind.lower()]
    for field in ("supportedGenerationMethods", "endpoints"):
        methods = _of(_METHODS, row.get(field))
        if methods:
            return methods
    capabilities = row.get("capabilities")
    if isinstance(capabilities, list) and (words := _of(_WORDS, capabilities)):
        return words
    flags = capabilities if isinstance(capabilities, dict) else row
    flagged = _of(_FLAGS, [name for name, value in flags.items() if value is True])
    return flagged or _by_output(row)


def _by_output(row: Mapping[str, Any]) -> tuple[str, ...]:
    """By what comes out of it: Bedrock's `outputModalities`, OpenRouter's `architecture.output_modalities`."""
    outputs = modalities_of(row, "output")
    if "embedding" in outputs or "embeddings" in outputs:
        return ("embedding",)
    if "text" in outputs:
        return ("chat",)
    return tuple(kind for kind in ("image", "video", "speech") if kind in outputs)


def capabilities_told(row: Mapping[str, Any]) -> dict[str, bool]:
    """Whether the model has each capability that the row speaks of, in the words of the catalog's vocabulary."""
    from exllm.model_catalog.vocabulary import known_capability

    words: dict[str, bool] = {}
    for field in _CAPABILITY_LISTS:
        if isinstance(listed := row.get(field), list):
            words |= {word: True for word in listed if isinstance(word, str)}
    if isinstance(flags := row.get("capabilities"), dict):  # Mistral says true, Anthropic {"supported": true}
        for word, flag in flags.items():
            has = flag.get("supported") if isinstance(flag, dict) else flag
            if isinstance(has, bool):
                words[word] = has
    words |= {word: has for word, has in row.items() if word.startswith("supports_") and isinstance(has, bool)}
    told: dict[str, bool] = {}
    for word, has in words.items():
        if (capability := known_capability(word)) is not None:  # of two words for the same thing, one yes will do
            told[capability] = has or told.get(capability, False)
    return told


# Ollama and LM Studio; OpenRouter; Vercel. What is not listed may still be so.
_CAPABILITY_LISTS = ("capabilities", "supported_parameters", "tags")


def modalities_of(row: Mapping[str, Any], direction: str) -> tuple[str, ...]:
    """What goes ``input`` or comes ``output``, in lower case."""
    architecture = row.get("architecture")
    nested = architecture.get(f"{direction}_modalities") if isinstance(architecture, dict) else None
    for found in (nested, row.get(f"{direction}Modalities"), row.get(f"{direction}_modalities")):
        if isinstance(found, list):
            return tuple(word.lower() for word in found if isinstance(word, str))
    return ()


def _of(table: Mapping[str, str], words: object) -> tuple[str, ...]:
    """The kinds that `words` stand for, each once, in their order."""
    if not isinstance(words, list):
        return ()
    return tuple(dict.fromkeys(table[word] for word in words if isinstance(word, str) and word in table))
