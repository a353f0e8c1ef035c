"""What the language models on Replicate take: each model has an input of its own.

A model that is not known here gets its prompt in ``prompt``, as nearly all language models call it, and everything else
by `extra`.
Source: the input schema of each model, at ``https://replicate.com/<owner>/<name>/api/schema``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from exllm.providers.bedrock_invoke_text import Turn
from exllm.providers.bedrock_invoke_text_models import llama_3


class Inputs(msgspec.Struct, frozen=True):
    """The input of one family of models.

    Attributes:
        fields: option -> field.
        system: the field of the system prompt; None where it stands before the prompt.
        images: the field of the images; None for a model that sees none.
        is_one_image: it takes a single image, and not a list.
        messages: the field of a whole conversation, in OpenAI's words; None where there is none.
        template: writes a whole conversation as a prompt, for a model whose own ``prompt_template`` can be replaced.
        thinking_switch: the field that switches thinking on, where a budget alone does not.
    """

    fields: dict[str, str] = {}
    system: str | None = None
    images: str | None = None
    is_one_image: bool = False
    messages: str | None = None
    template: Callable[[Sequence[Turn]], str] | None = None
    thinking_switch: str | None = None


_SAMPLING = {"temperature": "temperature", "top_p": "top_p"}
_PENALTIES = {"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty"}
_OPENAI = {"max_tokens": "max_completion_tokens"}
_THINKS = {"reasoning_effort": "reasoning_effort"}
_LLAMA = {**_SAMPLING, "top_k": "top_k", "stop": "stop_sequences"}


def _openai(fields: dict[str, str]) -> Inputs:
    return Inputs({**_OPENAI, **fields}, "system_prompt", "image_input", messages="messages")


def _claude(fields: dict[str, str], thinking_switch: str | None = None) -> Inputs:
    fields = {"max_tokens": "max_tokens", **fields}
    return Inputs(fields, "system_prompt", "image", is_one_image=True, thinking_switch=thinking_switch)


_UNKNOWN = Inputs()
_GEMINI = {**_SAMPLING, "max_tokens": "max_output_tokens", "thinking": "thinking_budget"}
_LLAMA_2 = {**_LLAMA, "max_tokens": "max_new_tokens", "seed": "seed"}
_DEEPSEEK = {"temperature": "temperature", "max_tokens": "max_tokens"}
_LLAMA_3 = {**_LLAMA, **_PENALTIES, "max_tokens": "max_tokens"}

# The first pattern that fits the start of "owner/name" counts.
_FAMILIES: tuple[tuple[re.Pattern[str], Inputs], ...] = (
    (re.compile(r"openai/gpt-4"), _openai({**_SAMPLING, **_PENALTIES})),
    (re.compile(r"openai/o\d"), _openai(_THINKS)),  # these think, and take no temperature
    (re.compile(r"openai/gpt-5(?!-structured)"), _openai({**_THINKS, "verbosity": "verbosity"})),
    (re.compile(r"anthropic/claude-(?:3\.7|4)-"), _claude({"thinking": "thinking_budget_tokens"}, "extended_thinking")),
    (re.compile(r"anthropic/claude-"), _claude({})),
    (re.compile(r"google/gemini-2\.5-(?:flash|pro)(?!-image)"), Inputs(_GEMINI, "system_instruction", "images")),
    (re.compile(r"deepseek-ai/deepseek-(?:r1|v3)"), Inputs(_DEEPSEEK)),
    (re.compile(r"meta/llama-2-"), Inputs(_LLAMA_2, "system_prompt")),
    (re.compile(r"meta/meta-llama-3[^/]*-instruct"), Inputs(_LLAMA_3, "system_prompt", template=llama_3)),
)

ALL_OPTIONS = frozenset(option for _, inputs in _FAMILIES for option in inputs.fields)
"""The options that the input of some model has a field for."""


def inputs_of(model: str) -> Inputs:
    """The input of ``owner/name``, of whatever version."""
    return next((inputs for pattern, inputs in _FAMILIES if pattern.match(model)), _UNKNOWN)
