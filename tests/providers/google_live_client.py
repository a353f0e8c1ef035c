"""What Google's own client sends for a session, for the Gemini API and for Vertex AI: an oracle for what we send."""

from __future__ import annotations

import asyncio
import json
import re
import warnings
from typing import Any

from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import _common, _live_converters
from google.genai import live as google_live
from google.genai import types as google

CLIENTS = {
    "gemini": genai.Client(api_key="none"),
    "vertex": genai.Client(vertexai=True, project="p", location="l", credentials=AnonymousCredentials()),
}
_INTO = {
    "gemini": _live_converters._LiveConnectParameters_to_mldev,
    "vertex": _live_converters._LiveConnectParameters_to_vertex,
}


def google_setup(provider: str, model: str, config: dict[str, Any]) -> dict[str, Any]:
    """The content of its ``setup``. Raises ValueError for what it does not say to this service."""
    client: Any = CLIENTS[provider]._api_client
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checked = asyncio.run(google_live._t_live_connect_config(client, google.LiveConnectConfig(**config)))
    asked = google.LiveConnectParameters(model=model, config=checked).model_dump(exclude_none=True)
    converted: Any = _common.convert_to_dict(_INTO[provider](api_client=client, from_object=asked))
    return in_camel_case(_common.encode_unserializable_types(converted)["setup"])


class _Socket:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, message: str) -> None:
        self.sent.append(in_camel_case(json.loads(message)))


def google_message(provider: str, method: str, **arguments: Any) -> dict[str, Any]:
    """What one of its session's methods sends."""
    socket: Any = _Socket()
    session: Any = google_live.AsyncSession(CLIENTS[provider]._api_client, socket)
    asyncio.run(getattr(session, method)(**arguments))
    (message,) = socket.sent
    return message


def in_camel_case(value: Any) -> Any:
    """The same with names and base64 as the API's reference has them; the service takes both (protobuf's JSON)."""
    if isinstance(value, dict):
        return {
            re.sub(r"_(\w)", lambda found: found[1].upper(), name): inner.replace("-", "+").replace("_", "/")
            if name == "data" and isinstance(inner, str)
            else in_camel_case(inner)
            for name, inner in value.items()
        }
    return [in_camel_case(each) for each in value] if isinstance(value, list) else value
