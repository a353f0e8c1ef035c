"""Requests of the `openai_chat` wire, and what OpenAI's SDK sends for the same call."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import httpx
import openai

from exllm.providers.openai_chat import WIRE
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request

PNG, PDF, WAV = b"\x89PNG", b"%PDF", b"RIFF"
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PDF_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HI = (Message("user", "Hi"),)
USER = [{"role": "user", "content": "Hi"}]


def spec(*quirks: str, **fields: Any) -> ProviderSpec:
    return ProviderSpec("acme", "openai_chat", "https://api.acme.example/v1", quirks=frozenset(quirks), **fields)


def build(
    messages: Sequence[Message] = HI,
    options: dict[str, Any] | None = None,
    *quirks: str,
    stream: bool = False,
    extra: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
) -> HttpRequest:
    request = Request("acme", "big", tuple(messages), check_options(options or {}), extra or {}, stream)
    return WIRE.build(request, spec(*quirks, **(fields or {})))


def body(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return json.loads(build(*args, **kwargs).body)


def sent_by_sdk(**arguments: Any) -> dict[str, Any]:
    """The JSON that OpenAI's SDK sends for this call."""
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, text="data: [DONE]\n\n" if arguments.get("stream") else "{}")

    http_client = httpx.Client(transport=httpx.MockTransport(answer))
    with openai.OpenAI(api_key="none", http_client=http_client, max_retries=0) as client:
        answered = client.chat.completions.create(**arguments)
        if arguments.get("stream"):
            answered.close()
    return bodies[0]
