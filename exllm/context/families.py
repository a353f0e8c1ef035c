"""What families of models make of the same conversation: figures that were measured on recorded calls.

`tools/measure_token_estimates.py` computes them from `tests/recordings`; `tests/context/test_measured.py` checks that
the bands hold there. The recordings are mostly short conversations in English with small tools.
"""

from __future__ import annotations

import msgspec


class Family(msgspec.Struct, frozen=True):
    """How a family counts, and how far off that may be.

    Attributes:
        name: of the family.
        names: what its models' names hold.
        text: tokens for one of `text_tokens`.
        message, call: what is put around a message; around a tool call or its result.
        request: what is put around all of it.
        tools: what a call with tools has more, once: the provider's own words about tools.
        tool, tool_text: for each tool; for one of `text_tokens` of its name, description and schema.
        relative: the band's share of the estimate.
        request_band, tools_band: the band's tokens, without tools and with.
    """

    name: str
    names: tuple[str, ...] = ()
    text: float = 1.0
    message: float = 4.0
    call: float = 8.0
    request: float = 4.0
    tools: float = 0.0
    tool: float = 8.0
    tool_text: float = 0.8
    relative: float = 0.25
    request_band: float = 40.0
    tools_band: float = 200.0


FAMILIES = (
    Family(
        name="gpt-oss",
        names=("gpt-oss",),
        text=1.05,
        message=8,
        call=0,
        request=60,
        tools=0.0,
        tool=10,
        tool_text=0.8,
        request_band=5.0,
        tools_band=20.0,
    ),
    Family(
        name="anthropic",
        names=("claude",),
        text=1.0,
        message=3,
        call=40,
        request=4.0,
        tools=360,
        tool=5,
        tool_text=0.8,
        request_band=5.0,
        tools_band=80.0,
    ),
    Family(
        name="gemini",
        names=("gemini",),
        text=0.95,
        message=0,
        call=0,
        request=1,
        tools=0.0,
        tool=0,
        tool_text=0.3,
        request_band=5.0,
        tools_band=110.0,
    ),
    Family(
        name="openai",
        names=("gpt-", "chatgpt", "/o1", "/o3", "/o4", "computer-use"),
        text=0.9,
        message=3,
        call=8.0,
        request=5,
        tools=0.0,
        tool=0,
        tool_text=0.8,
        request_band=5.0,
        tools_band=55.0,
    ),
    Family(
        name="deepseek",
        names=("deepseek-chat", "deepseek-v", "deepseek-reasoner"),
        text=1.25,
        message=5,
        call=8.0,
        request=80,
        tools=140,
        tool=20,
        tool_text=0.9,
        request_band=60.0,
        tools_band=60.0,
    ),
    Family(
        name="xai",
        names=("grok",),
        text=1.2,
        message=3,
        call=0,
        request=180,
        tools=100,
        tool=10,
        tool_text=0.8,
        request_band=135.0,
        tools_band=135.0,
    ),
    Family(
        name="cohere",
        names=("command",),
        text=1.3,
        message=10,
        call=48,
        request=180,
        tools=1000,
        tool=60,
        tool_text=1.3,
        request_band=40.0,
        tools_band=735.0,
    ),
    Family(
        name="mistral",
        names=("mistral", "ministral", "codestral", "devstral", "pixtral"),
        text=1.15,
        message=0,
        call=16,
        request=4.0,
        tools=40,
        tool=0,
        tool_text=0.8,
        request_band=10.0,
        tools_band=200.0,
    ),
    Family(
        name="qwen",
        names=("qwen",),
        text=1.05,
        message=4.0,
        call=8.0,
        request=5,
        tools=160,
        tool=5,
        tool_text=0.8,
        request_band=5.0,
        tools_band=25.0,
    ),
    Family(
        name="glm",
        names=("glm-",),
        text=1.05,
        message=0,
        call=8.0,
        request=6,
        tools=120,
        tool=15,
        tool_text=0.8,
        request_band=270.0,
        tools_band=270.0,
    ),
    Family(
        name="kimi",
        names=("kimi",),
        text=0.9,
        message=3,
        call=12,
        request=5,
        tools=10,
        tool=20,
        tool_text=0.9,
        request_band=40.0,
        tools_band=5.0,
    ),
    Family(
        name="llama",
        names=("llama-", "llama3", "llama4"),
        text=1.15,
        message=8,
        call=8.0,
        request=25,
        tools=560,
        tool=0,
        tool_text=0.4,
        request_band=25.0,
        tools_band=275.0,
    ),
)

OTHER = Family(
    name="other",
    names=(),
    text=0.95,
    message=0,
    call=0,
    request=4.0,
    tools=120,
    tool=0,
    tool_text=1.3,
    request_band=30.0,
    tools_band=705.0,
)


def family_of(model: str) -> Family:
    """The family of a model, by its name: ``"openrouter/anthropic/claude-haiku-4.5"`` is one of Anthropic's."""
    name = model.lower()
    for family in FAMILIES:
        if any(part in name for part in family.names):
            return family
    return OTHER
