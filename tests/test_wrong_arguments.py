"""Wrong arguments are told at once, where they are made, and by name."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.config import Env, Static
from tests.faults.dialects import OPENAI
from tests.faults.server import FaultServer

KEY = "sk-test"
CLIENTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a plain dict as config": (
        {"config": {"openai": {"api_key": KEY}}},
        exllm.ConfigurationError,
        "dict is not a conf",
    ),
    "an empty dict as config": ({"config": {}}, exllm.ConfigurationError, "dict is not a config source"),
    "a path as config": ({"config": "keys.yaml"}, exllm.ConfigurationError, "str is not a config source"),
    "a class as config": ({"config": Env}, exllm.ConfigurationError, "Env is not a config source"),
    "text as timeout": ({"timeout": "5"}, TypeError, "timeout must be seconds or exllm.Timeouts, got '5'"),
    "no time": ({"timeout": 0}, ValueError, "timeout total must be above 0 seconds, got 0"),
    "text within timeouts": ({"timeout": exllm.Timeouts(idle="5")}, TypeError, "timeout must be seconds"),  # type: ignore[arg-type]
    "less than no time within timeouts": ({"timeout": exllm.Timeouts(idle=-1)}, ValueError, "timeout idle must be"),
    "a number as retry": ({"retry": 3}, TypeError, r"RetryPolicy\(attempts=3\), got 3"),
    "no room in the ring": ({"ring_capacity": 0}, ValueError, "ring_capacity must be at least 1, got 0"),
    "no room for a frame": ({"max_frame_bytes": 0}, ValueError, "max_frame_bytes must be at least 1, got 0"),
}
CALLS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "extra that is no dict": ({"extra": [1]}, TypeError, "extra must be a dict of the provider's own fields, got list"),
    "a key that is no text": ({"api_key": 5}, TypeError, "api_key must be text, got int"),
    "a key in bytes": ({"api_key": b"sk"}, TypeError, "api_key must be text, got bytes"),
    "an address that is no text": ({"base_url": 3}, TypeError, "base_url must be text, got int"),
    "a query": ({"base_url": "http://localhost/v1?version=1"}, exllm.ConfigurationError, "and nothing after it"),
    "a fragment": ({"base_url": "http://localhost/v1#top"}, exllm.ConfigurationError, "and nothing after it"),
    "the whole address": (
        {"base_url": "http://localhost/v1/chat/completions/"},
        exllm.ConfigurationError,
        "must end before /chat/completions",
    ),
}


@pytest.mark.parametrize("case", CLIENTS)
def test_a_client_refuses_wrong_arguments_when_it_is_made(case: str) -> None:
    arguments, kind, words = CLIENTS[case]
    with pytest.raises(kind, match=words):
        exllm.Client(**arguments)


@pytest.mark.parametrize("case", CALLS)
async def test_a_call_refuses_wrong_arguments_before_it_is_awaited(case: str) -> None:
    arguments, kind, words = CALLS[case]
    async with exllm.Client(config=Static({"openai": {"api_key": KEY}})) as client:
        with pytest.raises(kind, match=words):
            client.stream("openai/gpt-x", "Hi", **arguments)
        with pytest.raises(kind, match=words):
            await client.chat("openai/gpt-x", "Hi", **arguments)


async def test_an_unsupported_option_is_told_with_the_provider_by_its_name() -> None:
    async with exllm.Client(config=Static({"openai": {"api_key": KEY}})) as client:
        with pytest.raises(exllm.UnsupportedOption, match="OpenAI cannot take top_k") as caught:
            client.stream("openai/gpt-x", "Hi", top_k=1)
    assert caught.value.provider == "openai"


@pytest.mark.parametrize(
    ("attempts", "kind"), [(0, ValueError), (-1, ValueError), ("3", TypeError), (True, TypeError), (1.5, TypeError)]
)
def test_a_retry_policy_needs_a_whole_number_of_attempts(attempts: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="attempts must be"):
        exllm.RetryPolicy(attempts=attempts)


@pytest.mark.parametrize("field", ["base_s", "cap_s"])
def test_a_retry_policy_has_no_negative_waits(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be 0 seconds or more, got -1"):
        exllm.RetryPolicy(**{field: -1})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: exllm.Image(b"bytes"), r"Image\(url=...\) takes text, got bytes; it is url= for an address"),  # type: ignore[arg-type]
        (lambda: exllm.Image(data="aGk=", media_type="image/png"), r"Image\(data=...\) takes bytes, got str"),  # type: ignore[arg-type]
        (lambda: exllm.Image(Path("a.png")), r"Image\(url=...\) takes text, got PosixPath|WindowsPath"),  # type: ignore[arg-type]
        (lambda: exllm.Document(path=b"a.pdf"), r"Document\(path=...\) takes text, got bytes"),  # type: ignore[arg-type]
    ],
)
def test_media_in_the_wrong_field_say_which_field_is_for_what(make: Callable[[], object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make()


async def test_a_forgotten_client_in_a_reference_cycle_warns_and_names_where_it_was_made() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        client: Any = exllm.Client()
        await client.chat("openai/gpt-x", "Hi", api_key=KEY, base_url=server.url)
        client.itself = client
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
    said = [str(warning.message) for warning in caught if "exllm.Client" in str(warning.message)]
    assert len(said) == 1
    assert __file__ in said[0]
