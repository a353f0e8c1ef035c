"""One word for each thing that a model can do, and what others call it."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from exllm.errors import ConfigurationError

CAPABILITIES: dict[str, str] = {
    "adaptive_thinking": "decides by itself how long to reason",
    "assistant_prefill": "continues an assistant message that you began",
    "audio_input": "hears audio",
    "audio_output": "speaks",
    "computer_use": "operates a screen, mouse and keyboard",
    "embedding_image_input": "embeds images, not only text",
    "function_calling": "calls tools that you define",
    "image_output": "makes images",
    "interleaved_reasoning": "reasons between tool calls",
    "parallel_function_calling": "asks for several tool calls in one turn",
    "pdf_input": "reads PDF files",
    "prompt_caching": "bills a repeated prefix at a lower price",
    "reasoning": "thinks before it answers",
    "sampling_parameters": "takes temperature and its kind",
    "streaming": "answers piece by piece",
    "structured_output": "answers in JSON, by a schema",
    "system_messages": "takes a system message",
    "tool_choice": "can be told which tool to call",
    "tool_search": "looks tools up among many",
    "url_context": "reads pages that you name",
    "video_input": "watches video",
    "video_output": "makes video",
    "vision": "sees images",
    "web_search": "searches the web on the provider's side",
}
"""Capability to what it means; the whole vocabulary."""

CAPABILITY_SYNONYMS: dict[str, str] = {
    "attachments": "vision",
    "audio": "audio_input",
    "audio_generation": "audio_output",
    "cache_control": "prompt_caching",
    "caching": "prompt_caching",
    "citations_search": "web_search",
    "computer_tool": "computer_use",
    "context_caching": "prompt_caching",
    "document_input": "pdf_input",
    "documents": "pdf_input",
    "extended_thinking": "reasoning",
    "forced_tool_use": "tool_choice",
    "function_call": "function_calling",
    "functions": "function_calling",
    "grounding": "web_search",
    "image_generation": "image_output",
    "image_input": "vision",
    "images": "vision",
    "internet": "web_search",
    "json": "structured_output",
    "json_mode": "structured_output",
    "json_object": "structured_output",
    "json_output": "structured_output",
    "json_schema": "structured_output",
    "multimodal": "vision",
    "native_streaming": "streaming",
    "native_structured_output": "structured_output",
    "parallel_tool_calls": "parallel_function_calling",
    "parallel_tool_use": "parallel_function_calling",
    "pdf": "pdf_input",
    "prefill": "assistant_prefill",
    "response_format": "structured_output",
    "response_schema": "structured_output",
    "sampling_params": "sampling_parameters",
    "search": "web_search",
    "search_grounding": "web_search",
    "speech_output": "audio_output",
    "stream": "streaming",
    "structured_outputs": "structured_output",
    "system_instruction": "system_messages",
    "system_message": "system_messages",
    "system_prompt": "system_messages",
    "temperature": "sampling_parameters",
    "thinking": "reasoning",
    "tool_call": "function_calling",
    "tool_calling": "function_calling",
    "tool_calls": "function_calling",
    "tool_use": "function_calling",
    "tools": "function_calling",
    "video": "video_input",
    "video_generation": "video_output",
    "vision_input": "vision",
}
"""What providers, the sources of the catalog and older libraries call it, to our word."""

MODES = (
    "chat", "completion", "embedding", "rerank", "image", "video", "transcription", "speech", "moderation", "realtime",
    "ocr", "search", "other",
)  # fmt: skip

MODE_SYNONYMS: dict[str, tuple[str, ...]] = {
    "audio": ("transcription", "speech"),
    "audio_speech": ("speech",),
    "audio_transcription": ("transcription",),
    "embeddings": ("embedding",),
    "image_edit": ("image",),
    "image_generation": ("image",),
    "reranking": ("rerank",),
    "responses": ("chat",),
    "text_to_speech": ("speech",),
    "tts": ("speech",),
    "stt": ("transcription",),
    "video_generation": ("video",),
}

MODALITIES = ("text", "image", "audio", "video", "pdf", "embedding")
MODALITY_SYNONYMS = {"file": "pdf", "document": "pdf", "images": "image", "code": "text", "vector": "embedding"}

CAPABILITY_OF_INPUT = {"image": "vision", "pdf": "pdf_input", "audio": "audio_input", "video": "video_input"}
CAPABILITY_OF_OUTPUT = {"image": "image_output", "audio": "audio_output", "video": "video_output"}

TIERS = {
    "": "standard", "auto": "standard", "default": "standard", "on_demand": "standard", "on-demand": "standard",
    "ondemand": "standard", "performance": "standard", "regular": "standard", "standard": "standard",
    "service_tier_unspecified": "standard", "traffic_type_unspecified": "standard", "unspecified": "standard",
    "batches": "batch",
}  # fmt: skip
"""What services call their normal tier, and other words for the same tier. Any other word is its own tier."""


def capability(word: str) -> str:
    """Our word for `word`, a synonym in any case, with spaces or hyphens, with ``supports_`` before it or not.

    Raises: ConfigurationError for a word that nobody uses, with near ones.
    """
    found = known_capability(word)
    if found is None:
        near = difflib.get_close_matches(_plain(word), [*CAPABILITIES, *CAPABILITY_SYNONYMS], n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ConfigurationError(f"unknown capability {word!r}{hint} (exllm.model_catalog.list_features() lists all)")
    return found


def known_capability(word: str) -> str | None:
    """As `capability`, but None for an unknown word."""
    plain = _plain(word)
    return plain if plain in CAPABILITIES else CAPABILITY_SYNONYMS.get(plain)


class Ability(NamedTuple):
    """What is asked for: a capability, or to be called in one of some modes."""

    capability: str | None
    modes: tuple[str, ...] = ()


def ability(word: str) -> Ability:
    """What `word` asks for: ``vision`` a capability, ``embeddings`` a mode.

    Raises: ConfigurationError for a word that is neither.
    """
    found = known_capability(word)
    if found is not None:
        return Ability(found)
    plain = _plain(word)
    if plain in MODES or plain in MODE_SYNONYMS:
        return Ability(None, modes(word))
    return Ability(capability(word))  # raises


def modes(word: str) -> tuple[str, ...]:
    """The modes that `word` stands for; ``audio`` is two. Raises `ConfigurationError` for an unknown one."""
    plain = _plain(word)
    found = (plain,) if plain in MODES else MODE_SYNONYMS.get(plain)
    if found is None:
        raise ConfigurationError(f"unknown mode {word!r}; there are {', '.join(MODES)}")
    return found


def modality(word: str) -> str:
    """Our word for a modality. Raises `ConfigurationError` for an unknown one."""
    plain = _plain(word)
    plain = MODALITY_SYNONYMS.get(plain, plain)
    if plain not in MODALITIES:
        raise ConfigurationError(f"unknown modality {word!r}; there are {', '.join(MODALITIES)}")
    return plain


def tier(word: str | None) -> str:
    """The price tier that a provider's `service_tier` means; ``standard`` for None."""
    if word is None:
        return "standard"
    lower = word.lower()
    return TIERS.get(lower, lower)


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_").removeprefix("supports_")
