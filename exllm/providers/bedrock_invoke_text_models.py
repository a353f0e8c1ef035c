"""The prompts, fields and answers of the models that complete a text.

Sources, below https://docs.aws.amazon.com/bedrock/latest/userguide/: model-parameters-meta.html,
model-parameters-titan-text.html, model-parameters-mistral-text-completion.html, model-parameters-deepseek.html; the
recorded exchanges in the tests; https://www.llama.com/docs/model-cards-and-prompt-formats/ for the templates of Llama.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.providers.bedrock_invoke_text import Piece, TextModel, Turn


def llama_3(turns: Sequence[Turn]) -> str:
    said = "".join(f"<|start_header_id|>{turn.role}<|end_header_id|>\n\n{turn.text}<|eot_id|>" for turn in turns)
    return f"<|begin_of_text|>{said}<|start_header_id|>assistant<|end_header_id|>\n\n"


def _llama_4(turns: Sequence[Turn]) -> str:
    said = "".join(f"<|header_start|>{turn.role}<|header_end|>\n\n{turn.text}<|eot|>" for turn in turns)
    return f"<|begin_of_text|>{said}<|header_start|>assistant<|header_end|>\n\n"


def _mistral(turns: Sequence[Turn]) -> str:
    """The system's words stand before the first of the user."""
    system, turns = _apart(turns)
    said = "<s>"
    for at, turn in enumerate(turns):
        if turn.role == "assistant":
            said += f" {turn.text}</s>"
        else:
            text = f"{system}\n\n{turn.text}" if system and at == 0 else turn.text
            said += f"[INST] {text} [/INST]" if at == 0 else f" [INST] {text} [/INST]"
    return said


def _titan(turns: Sequence[Turn]) -> str:
    """A single question goes as it is; a conversation with its speakers named."""
    system, turns = _apart(turns)
    head = f"{system}\n\n" if system else ""
    if len(turns) == 1:
        return f"{head}{turns[0].text}"
    said = "\n".join(f"{'Bot' if turn.role == 'assistant' else 'User'}: {turn.text}" for turn in turns)
    return f"{head}{said}\nBot:"


def _deepseek_r1(turns: Sequence[Turn]) -> str:
    system, turns = _apart(turns)
    said = "".join(
        f"<｜Assistant｜>{turn.text}<｜end▁of▁sentence｜>" if turn.role == "assistant" else f"<｜User｜>{turn.text}"
        for turn in turns
    )
    return f"<｜begin▁of▁sentence｜>{system}{said}<｜Assistant｜><think>\n"


def _apart(turns: Sequence[Turn]) -> tuple[str, Sequence[Turn]]:
    return (turns[0].text, turns[1:]) if turns[0].role == "system" else ("", turns)


def _read_llama(document: dict[str, Any]) -> Piece:
    return Piece(
        document["generation"] or "", document.get("stop_reason"),
        document.get("prompt_token_count"), document.get("generation_token_count"),
    ) if document.get("stop_reason") else Piece(document["generation"] or "")  # fmt: skip


def _read_mistral(document: dict[str, Any]) -> Piece:
    (output,) = document["outputs"]
    return Piece(output["text"] or "", output.get("stop_reason"))


def _read_titan(document: dict[str, Any]) -> Piece:
    """A document of a stream has the text itself, a whole answer has it in `results`."""
    given = document.get("inputTextTokenCount")
    if "results" in document:
        (result,) = document["results"]
        return Piece(result["outputText"] or "", result.get("completionReason"), given, result.get("tokenCount"), True)
    made = document.get("totalOutputTextTokenCount")  # only with the last piece
    reason = document.get("completionReason")
    return Piece(document["outputText"] or "", reason, given, made, is_last=made is not None)


def _read_completion(document: dict[str, Any]) -> Piece:
    """OpenAI's completions, and DeepSeek's, which calls the reason otherwise."""
    usage = document.get("usage") or {}
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not document["choices"]:
        return Piece("", None, given, made)
    (choice,) = document["choices"]
    return Piece(choice["text"] or "", choice.get("stop_reason") or choice.get("finish_reason"), given, made)


_COMPLETION_FIELDS = {"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop"}
_LLAMA_FIELDS = {"max_tokens": "max_gen_len", "temperature": "temperature", "top_p": "top_p"}

LLAMA_3 = TextModel("prompt", llama_3, _LLAMA_FIELDS, _read_llama)
LLAMA_4 = TextModel("prompt", _llama_4, _LLAMA_FIELDS, _read_llama)
MISTRAL = TextModel("prompt", _mistral, {**_COMPLETION_FIELDS, "top_k": "top_k"}, _read_mistral)
TITAN = TextModel(
    "inputText",
    _titan,
    {
        "max_tokens": "textGenerationConfig.maxTokenCount",
        "temperature": "textGenerationConfig.temperature",
        "top_p": "textGenerationConfig.topP",
        "stop": "textGenerationConfig.stopSequences",
    },
    _read_titan,
)
DEEPSEEK_R1 = TextModel("prompt", _deepseek_r1, _COMPLETION_FIELDS, _read_completion, thinks=True)
COMPLETIONS = TextModel("prompt", _titan, _COMPLETION_FIELDS, _read_completion)
"""Imported models behind a server with OpenAI's completions; no template is known."""
