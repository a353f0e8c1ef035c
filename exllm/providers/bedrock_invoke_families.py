"""Which native protocol a model speaks on InvokeModel."""

from __future__ import annotations

import re

from exllm.errors import ConfigurationError
from exllm.providers.bedrock_invoke_anthropic import Claude
from exllm.providers.bedrock_invoke_chat import DEEPSEEK_CHAT, GPT_OSS, JAMBA, MISTRAL_CHAT, PALMYRA
from exllm.providers.bedrock_invoke_cohere import CommandR
from exllm.providers.bedrock_invoke_family import Family
from exllm.providers.bedrock_invoke_nova import Nova
from exllm.providers.bedrock_invoke_text_models import (
    COMPLETIONS,
    DEEPSEEK_R1,
    LLAMA_3,
    LLAMA_4,
    MISTRAL,
    TITAN,
)
from exllm.providers.bedrock_models import family_of
from exllm.providers.spec import ProviderSpec

_CLAUDE, _NOVA, _COMMAND_R = Claude(), Nova(), CommandR()

# The vendor's name, what the id must hold, and the protocol; the first that fits counts.
_FAMILIES: list[tuple[str, re.Pattern[str], Family]] = [
    ("anthropic", re.compile(""), _CLAUDE),
    ("nova-2", re.compile(""), _NOVA),
    ("nova", re.compile(""), _NOVA),
    ("titan", re.compile(""), TITAN),
    ("meta", re.compile("llama4"), LLAMA_4),
    ("meta", re.compile("llama3"), LLAMA_3),
    ("mistral", re.compile("mistral-7b|mixtral-8x7b|mistral-(large|small)-2402"), MISTRAL),
    ("mistral", re.compile(""), MISTRAL_CHAT),
    ("cohere", re.compile("command-r"), _COMMAND_R),
    ("ai21", re.compile("jamba"), JAMBA),
    ("deepseek", re.compile(r"\.r1"), DEEPSEEK_R1),
    ("deepseek", re.compile(""), DEEPSEEK_CHAT),
    ("writer", re.compile("palmyra"), PALMYRA),
    ("openai", re.compile("gpt-oss"), GPT_OSS),
]

_BY_QUIRK: dict[str, Family] = {
    "family_anthropic": _CLAUDE,
    "family_nova": _NOVA,
    "family_titan": TITAN,
    "family_llama3": LLAMA_3,
    "family_llama4": LLAMA_4,
    "family_mistral": MISTRAL,
    "family_command_r": _COMMAND_R,
    "family_deepseek_r1": DEEPSEEK_R1,
    "family_chat": GPT_OSS,
    "family_completions": COMPLETIONS,
}
QUIRKS: dict[str, str] = {
    name: f"models that an ARN does not name speak the protocol {name.removeprefix('family_')!r} (imported models, "
    f"provisioned throughput, application inference profiles)"
    for name in _BY_QUIRK
}


def protocol_of(model: str, spec: ProviderSpec) -> Family:
    """The protocol of a model. Raises `ConfigurationError` for one whose protocol is not known."""
    vendor = family_of(model)
    for name, pattern, family in _FAMILIES:
        if name == vendor and pattern.search(model):
            return family
    for quirk, family in _BY_QUIRK.items():
        if quirk in spec.quirks:
            return family
    raise ConfigurationError(
        f"the native protocol of {model!r} is not known. Call it through Converse ('bedrock/...'), or register a spec "
        f"of your own with one of the quirks {', '.join(_BY_QUIRK)}",
        provider=spec.name,
    )


def all_options() -> frozenset[str]:
    """The options that some protocol takes."""
    families = [family for _, _, family in _FAMILIES]
    return frozenset(option for family in families for option in family.options)
