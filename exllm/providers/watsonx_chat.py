"""The wire of IBM watsonx.ai's text chat: Chat Completions with other names, and a path of its own for streams.

Calls count against a project or a space, which every body names. A model is a model's id, or ``deployments/<id>``.
Sources: https://cloud.ibm.com/apidocs/watsonx-ai#text-chat, https://cloud.ibm.com/apidocs/watsonx-ai#text-chat-stream,
https://cloud.ibm.com/apidocs/watsonx-ai#deployments-text-chat; IBM's package ``ibm-watsonx-ai``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from exllm.errors import ConfigurationError
from exllm.providers.openai_chat import OpenAIChatWire
from exllm.providers.openai_chat_quirks import QUIRKS
from exllm.providers.openai_chat_request import encode_body
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.request import Request

__all__ = ["QUIRKS", "WIRE", "WatsonxChatWire"]

_DEPLOYMENTS = "deployments/"
_OWNERS = ("project_id", "space_id")


class WatsonxChatWire(OpenAIChatWire):
    """See `Wire`. `extra` may hold `project_id` or `space_id` in place of the config's."""

    name = "watsonx_chat"
    texts_stand_apart = False  # the body is written again

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. Raises `ConfigurationError` where neither a project nor a space is told."""
        http = super().build(request, spec)
        given: dict[str, Any] = msgspec.json.decode(http.body)
        body = {name: value for name, value in given.items() if name not in ("stream", "stream_options", "model")}
        path = spec.paths.chat
        if request.model.startswith(_DEPLOYMENTS):  # which belong to a space already, and to a model
            path = path.replace(
                "/text/", f"/{_DEPLOYMENTS}{quote(request.model.removeprefix(_DEPLOYMENTS), safe='')}/text/"
            )
            owner = {}
        else:
            owner = {"model_id": request.model, **_owner(body, spec)}
        body = {**owner, **{name: value for name, value in body.items() if name not in _OWNERS}}
        if isinstance(body.get("tool_choice"), str):
            body["tool_choice_option"] = body.pop("tool_choice")
        if request.stream:
            path = path.replace("/chat?", "/chat_stream?")
        return msgspec.structs.replace(http, path=path, body=encode_body(body, spec))


def _owner(body: dict[str, Any], spec: ProviderSpec) -> dict[str, str]:
    """Whose call it is: the project, or else the space, as IBM's own package has it."""
    for name in _OWNERS:
        if body.get(name):
            return {name: body[name]}
    variables = " or ".join(spec.body_env.get(name, name) for name in _OWNERS)
    raise ConfigurationError(
        f"{spec.label} needs the id of a project or of a space: set {variables}, or put project_id or space_id into "
        f"the config or into extra={{...}}",
        provider=spec.name,
    )


WIRE = WatsonxChatWire()
