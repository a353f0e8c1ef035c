"""Conversations of plain texts are written in the short way as in the long one, for every provider."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.providers import anthropic_request, openai_chat_request, registry
from exllm.providers.plain_turns import plain_turns
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import Text
from exllm.types.request import Request

SPECS = [
    spec
    for name in sorted(registry._built_in_names())
    if isinstance(spec := registry.get(name), ProviderSpec) and spec.wire in ("openai_chat", "anthropic_messages")
]
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["user", "assistant", "user", "assistant", "system"]),
        st.sampled_from(["Hi.", "  ", "", "What is it?"]) | st.just((Text("Hi."),)),
        st.none() | st.just("ann"),
    ),
    min_size=1,
    max_size=5,
)


def built(spec: ProviderSpec, messages: list[Message]) -> Any:
    try:
        return registry.wire(spec.wire).build(Request(spec.name, "some-model", tuple(messages)), spec)
    except ExLLMError as error:
        return type(error), error.message


@given(st.sampled_from(SPECS), MESSAGES)
def test_a_conversation_is_written_alike_in_both_ways(spec: ProviderSpec, messages: list[Message]) -> None:
    short = built(spec, messages)
    with pytest.MonkeyPatch.context() as patch:
        for module in (openai_chat_request, anthropic_request):
            patch.setattr(module, "plain_turns", lambda messages: None)
        assert built(spec, messages) == short


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_turns_of_text_are_written_alike_for_every_provider(spec: ProviderSpec) -> None:
    messages = [Message("user", "Hi."), Message("assistant", "Hello."), Message("user", "Who are you?")]
    assert plain_turns(messages) is not None
    short = built(spec, messages)
    with pytest.MonkeyPatch.context() as patch:
        for module in (openai_chat_request, anthropic_request):
            patch.setattr(module, "plain_turns", lambda messages: None)
        assert built(spec, messages) == short
