"""What Google's SDK sends for a call, and a form in which its requests, recorded ones and ours can be compared."""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any, ClassVar

import httpx2
from google import genai
from google.genai import types

from exllm.providers.gemini_generate import WIRE
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.providers.gemini_recordings import MODEL, spec_of

_ANSWER = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
_BYTES = frozenset({"data", "thoughtSignature", "continuationToken"})
_FREE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema", "labels"}
)
"""Fields whose content is the caller's own: its names are left as they are."""


class Sent:
    """One request: where it goes, and its body in comparable form."""

    def __init__(self, path: str, body: dict[str, Any], warnings: tuple[str, ...] = ()) -> None:
        self.path = path
        self.body = comparable(body)
        self.warnings = warnings


def sent_by_us(
    messages: Any,
    provider: str = "gemini",
    model: str = MODEL,
    *,
    stream: bool = False,
    extra: Any = None,
    **options: Any,
) -> Sent:
    messages = (Message("user", messages),) if isinstance(messages, str) else tuple(messages)
    request = Request(provider, model, messages, check_options(options), extra or {}, stream=stream)
    http = WIRE.build(request, spec_of(provider))
    return Sent(http.path, json.loads(http.body), http.warnings)


class _Transport(httpx2.BaseTransport):
    """Keeps what it was asked."""

    seen: ClassVar[list[httpx2.Request]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if "alt=sse" in str(request.url):
            return httpx2.Response(200, content=b"data: %b\r\n\r\n" % json.dumps(_ANSWER).encode())
        return httpx2.Response(200, json=_ANSWER)


@functools.cache
def _client(vertex: bool) -> genai.Client:
    # The documentation and all recordings say v1beta, which has all fields; the SDK's own default is v1 since 3.0.
    options = types.HttpOptions(
        httpx_client=httpx2.Client(transport=_Transport()), api_version=None if vertex else "v1beta"
    )
    return genai.Client(api_key="none", vertexai=vertex, http_options=options)


def sent_by_sdk(
    contents: Any, config: Any = None, *, vertex: bool = False, model: str = MODEL, stream: bool = False
) -> Sent:
    """The path is below the base URL of ours."""
    _Transport.seen.clear()
    models = _client(vertex).models
    if stream:
        list(models.generate_content_stream(model=model, contents=contents, config=config))
    else:
        models.generate_content(model=model, contents=contents, config=config)
    (request,) = _Transport.seen
    path = request.url.raw_path.decode()
    return Sent(path.removeprefix("/v1beta1") if vertex else path, json.loads(request.content))


def comparable(value: Any, name: str = "") -> Any:
    """Names as the reference spells them, bytes in one alphabet, nothing that is empty or the default."""
    if name in _BYTES and isinstance(value, str):
        return base64.b64encode(base64.urlsafe_b64decode(value.replace("+", "-").replace("/", "_"))).decode()
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict) or name in _FREE:
        return value
    fields = {_camel(key): inner for key, inner in value.items() if inner is not None}
    made = {key: comparable(inner, key) for key, inner in fields.items()}
    if "contents" in made or name in ("generationConfig", "toolConfig"):
        made = {key: inner for key, inner in made.items() if inner not in ({}, [])}
    if name == "systemInstruction":
        made.pop("role", None)  # it says nothing
    return made


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
