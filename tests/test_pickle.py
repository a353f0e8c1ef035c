"""Config sources, requests, responses, chunks and all exceptions survive `pickle` and `copy.deepcopy`."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import exllm
from exllm import errors
from exllm.config import Chain, Env, File, Static
from exllm.types.request import Request
from tests.types.test_chunks import EXAMPLES
from tests.types.test_parts import response

COPIES: list[Any] = [
    *(
        pytest.param(
            lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)), id=f"pickle{protocol}"
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
    pytest.param(copy.deepcopy, id="deepcopy"),
]
Copy = Callable[[Any], Any]
ERRORS = [getattr(errors, name) for name in errors.__all__]
FACTS: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4.1-mini",
    "status": 429,
    "code": "rate_limit_exceeded",
    "request_id": "req-1",
    "retry_after_s": 1.5,
    "retry_at": 1700000000.0,
    "body": '{"error": {}}',
    "retryable": False,
    "attempts": 3,
}


class Held(Exception):
    """An exception of another library, as some are: it holds what cannot be copied."""

    def __init__(self, lock: Any) -> None:
        super().__init__("held")
        self.lock = lock


class TwoArguments(Exception):
    """Another kind: it pickles, but cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_keeps_its_type_message_and_facts(kind: type[exllm.ExLLMError], copied: Copy) -> None:
    error = kind("it failed; try again", partial=response(), **FACTS)
    again = copied(error)
    assert type(again) is kind
    assert (str(again), again.args, again.message) == (str(error), error.args, error.message)
    assert {name: getattr(again, name) for name in FACTS} == FACTS
    assert again.partial == response()


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_without_facts_keeps_the_defaults_of_its_class(kind: type[exllm.ExLLMError], copied: Copy) -> None:
    again = copied(kind("no"))
    assert again.retryable is kind.retryable
    assert again.partial is None
    assert again.attempts == 1


@pytest.mark.parametrize("copied", COPIES)
def test_the_cause_comes_along_with_its_own_cause(copied: Copy) -> None:
    error = exllm.ConnectionFailed("refused")
    error.__cause__ = exllm.ServerError("deeper", status=500)
    error.__cause__.__cause__ = ConnectionRefusedError(111, "Connection refused")
    again = copied(error)
    assert isinstance(again.__cause__, exllm.ServerError)
    assert again.__cause__.status == 500
    assert isinstance(again.__cause__.__cause__, ConnectionRefusedError)
    assert again.__cause__.__cause__.errno == 111


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("cause", [Held(threading.Lock()), TwoArguments("a", "b")], ids=["held", "two arguments"])
def test_a_cause_that_cannot_be_copied_leaves_its_words(cause: Exception, copied: Copy) -> None:
    error = exllm.ConnectionFailed("refused", provider="openai")
    error.__cause__ = cause
    again = copied(error)
    assert again.provider == "openai"
    assert type(cause).__name__ in str(again.__cause__)
    assert str(cause) in str(again.__cause__)


async def test_the_error_of_a_real_refused_connection_survives() -> None:
    exllm.providers.register(
        {"name": "refuser", "wire": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "auth": {"required": False}}
    )
    try:
        async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
            with pytest.raises(exllm.ConnectionFailed) as caught:
                await client.chat("refuser/m", "Hi")
    finally:
        exllm.providers.unregister("refuser")
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.deepcopy(caught.value)):
        assert type(again) is exllm.ConnectionFailed
        assert again.provider == "refuser"
        assert again.__cause__ is not None


@pytest.mark.parametrize("copied", COPIES)
def test_notes_come_along(copied: Copy) -> None:
    error = exllm.InvalidRequest("no")
    error.add_note("while asking for the weather")
    assert copied(error).__notes__ == ["while asking for the weather"]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("chunk", EXAMPLES, ids=lambda chunk: type(chunk).__name__)
def test_chunks_survive(chunk: Any, copied: Copy) -> None:
    assert copied(chunk) == chunk


@pytest.mark.parametrize("copied", COPIES)
def test_responses_survive(copied: Copy) -> None:
    assert copied(response()) == response()


@pytest.mark.parametrize("copied", COPIES)
def test_requests_survive(copied: Copy) -> None:
    request = Request(
        "anthropic",
        "claude-sonnet-4-5",
        (
            exllm.Message("user", (exllm.Text("What?"), exllm.Image(data=b"\0", media_type="image/png"))),
            exllm.Message("assistant", (exllm.Reasoning("Hm.", "sig"), exllm.ToolCall("c", "f", "{}"))),
            exllm.Message("tool", (exllm.ToolResult("c", "42"),)),
        ),
        exllm.Options(temperature=0.5, tools=(exllm.Tool("f"), exllm.ServerTool({"type": "x"})), stop=("a",)),
        {"own": {"field": [1]}},
        timeouts=exllm.Timeouts(1, 2, 3, float("inf")),
    )
    assert copied(request) == request


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(
    "source", [Env(), Static({"a": {"api_key": "k"}}), File("keys.yaml"), Chain(Static({"a": {"api_key": "k"}}), Env())]
)
def test_config_sources_survive(source: Any, copied: Copy) -> None:
    again = copied(source)
    assert type(again) is type(source)
    assert repr(again) == repr(source)


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", ["openai", "anthropic", "mistral"])
def test_specs_survive(name: str, copied: Copy) -> None:
    spec = exllm.providers.get(name)
    assert copied(spec) == spec


def test_a_timeout_of_ours_is_a_timeout_error_of_python_too() -> None:
    assert issubclass(exllm.IdleTimeout, TimeoutError)
    assert issubclass(exllm.MissingExtra, ImportError)
    assert asyncio.TimeoutError is TimeoutError
