"""What was asked of the Messages API in the recorded exchanges, asked by us: the same body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exllm.providers import ProviderSpec, registry
from exllm.providers.anthropic_messages import WIRE
from exllm.providers.anthropic_request import OPTIONS
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.providers.anthropic_recordings import DIRECTORY

RENAMED = {"stop_sequences": "stop"}

# Said by others, not by us: who made the call, where it was the model itself, which is what no word means.
SAYS_THE_CALLER = {"anthropic__anthropic-messages__test-agent-loop-streaming__1"}


def recorded(name: str) -> dict[str, Any] | None:
    """The body of a recorded request; None where it was not recorded, or is that of another endpoint."""
    body = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))["request"].get("body")
    try:
        body = json.loads(body) if isinstance(body, str) else body
    except ValueError:
        return None
    return body if isinstance(body, dict) and {"model", "messages"} <= body.keys() else None


NAMES = [path.stem for path in sorted(DIRECTORY.glob("*__*.json")) if recorded(path.stem)]


def asked_by_us(body: dict[str, Any]) -> dict[str, Any]:
    fields = dict(body)
    model, messages = fields.pop("model"), fields.pop("messages")
    stream = bool(fields.pop("stream", False))
    if system := fields.pop("system", None):
        messages = [{"role": "system", "content": system}, *messages]
    fields = {RENAMED.get(name, name): value for name, value in fields.items()}
    options = check_options({name: value for name, value in fields.items() if name in OPTIONS})
    extra = {name: value for name, value in fields.items() if name not in OPTIONS}
    request = Request("anthropic", model, normalise_messages(messages), options, extra, stream)
    spec = registry.get("anthropic")
    assert isinstance(spec, ProviderSpec)
    sent: dict[str, Any] = json.loads(WIRE.build(request, spec).body)
    return sent


def plain(value: Any) -> Any:
    """`value` without what says nothing: nulls, empty text and lists, False, text wrapped in one block."""
    if isinstance(value, dict):
        kept = {name: plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, "", [], False)}
    if isinstance(value, list):
        items = [plain(item) for item in value]
        if len(items) == 1 and isinstance(items[0], dict) and items[0].keys() == {"type", "text"}:
            return items[0]["text"]
        return items
    return value


def test_most_recordings_tell_what_was_asked() -> None:
    assert len(NAMES) > 40
    assert set(NAMES) >= SAYS_THE_CALLER


@pytest.mark.parametrize("name", NAMES)
def test_we_would_have_asked_the_same(name: str) -> None:
    body = recorded(name)
    assert body is not None
    theirs = plain(body)
    if name in SAYS_THE_CALLER:
        calls = [block for message in theirs["messages"] for block in message["content"] if isinstance(block, dict)]
        assert [block.pop("caller") for block in calls if "caller" in block] == [{"type": "direct"}]
    assert plain(asked_by_us(body)) == theirs
