"""Models that speak Chat Completions on InvokeModel: Jamba, Palmyra, gpt-oss, DeepSeek V3, newer Mistral models.

Sources, below https://docs.aws.amazon.com/bedrock/latest/userguide/: model-parameters-jamba.html,
model-parameters-palmyra-x5.html, model-parameters-openai.html, model-parameters-mistral-large-2407.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.providers.bedrock_invoke_family import NativeRequest
from exllm.providers.openai_chat import WIRE as CHAT
from exllm.providers.openai_chat_decode import OpenAIChatDecoder, decode_answer
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.request import Request

_BASIC = frozenset({"temperature", "max_tokens", "top_p", "stop"})
_PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})
_TOOLS = frozenset({"tools", "tool_choice"})


class ChatModel(msgspec.Struct, frozen=True):
    """See `Family`.

    Attributes:
        options: what the model takes.
        quirks: how it differs from OpenAI, see `openai_chat_quirks`.
        is_mistral: answers have ``stop_reason`` for ``finish_reason``, and `message` for `delta` in streams.
    """

    options: frozenset[str]
    quirks: frozenset[str] = frozenset()
    is_mistral: bool = False

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        """See `Family.build`."""
        options = msgspec.structs.replace(request.options, service_tier=None, metadata=None)
        whole = msgspec.structs.replace(request, options=options, stream=False)
        http = CHAT.build(whole, msgspec.structs.replace(spec, quirks=self.quirks, parameters={}))
        body = msgspec.json.decode(http.body)
        del body["model"]
        return NativeRequest(body, http.warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> OpenAIChatDecoder:
        """See `Family.decoder`."""
        return MistralDecoder(request) if self.is_mistral else OpenAIChatDecoder(request)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Family.decode_body`."""
        return decode_answer(_as_openai(body) if self.is_mistral else body, request)


class MistralDecoder(OpenAIChatDecoder):
    """Mistral's way of saying the same."""

    __slots__ = ()

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        return super().feed([Frame(_as_openai(frame.data, "delta"), frame.event) for frame in frames])


def _as_openai(data: bytes, message: str = "message") -> bytes:
    """A document of Mistral's in OpenAI's words. What is none stays as it is: the decoder tells what is wrong."""
    try:
        document: Any = msgspec.json.decode(data)
        for choice in document["choices"]:
            if choice.get("stop_reason") is not None:
                choice.setdefault("finish_reason", choice.pop("stop_reason"))
            if message not in choice and "message" in choice:
                choice[message] = choice.pop("message")
        return msgspec.json.encode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, KeyError, TypeError):
        return data


_STRICT = frozenset({"max_tokens_field", "no_developer_role", "no_message_name", "text_content_only"})

JAMBA = ChatModel(_BASIC | _PENALTIES | {"n"} | _TOOLS | {"response_format"}, _STRICT | {"no_json_schema"})
PALMYRA = ChatModel(_BASIC | _PENALTIES | {"seed"} | _TOOLS, _STRICT)
GPT_OSS = ChatModel(
    _BASIC | _PENALTIES | _TOOLS | {"seed", "reasoning_effort", "parallel_tool_calls", "response_format"},
    frozenset({"no_message_name"}),
)
MISTRAL_CHAT = ChatModel(
    _BASIC | _TOOLS, frozenset({"max_tokens_field", "no_developer_role", "no_message_name", "tool_choice_any"}), True
)
DEEPSEEK_CHAT = ChatModel(_BASIC, _STRICT)
