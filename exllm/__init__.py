"""exllm: an asyncio-native client for large language models, with streaming as the primitive.

    import exllm

    async with exllm.Client() as client:
        async with client.stream("anthropic/claude-sonnet-5-5", "Tell me a story") as stream:
            async for text in stream.text():
                print(text, end="")

Importing this module does no I/O and loads nothing heavy: the client and its transport are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exllm.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConfigurationError,
    ConnectionFailed,
    ConnectTimeout,
    ContextLengthExceeded,
    ExLLMError,
    FirstChunkTimeout,
    FrameTooLarge,
    IdleTimeout,
    InvalidRequest,
    MissingExtra,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
    ServerError,
    StreamClosed,
    StreamInterrupted,
    TotalTimeout,
    UnsupportedOption,
)
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    CitationDelta,
    Finish,
    FinishReason,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.message import Message, Role
from exllm.types.options import Options, Timeouts
from exllm.types.parts import (
    Audio,
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from exllm.types.response import Choice, Response
from exllm.types.stats import StreamStats
from exllm.types.tool import ServerTool, Tool
from exllm.types.usage import Cost, Usage
from exllm.version import __version__

if TYPE_CHECKING:
    from exllm import config, context, cost, local, model_catalog, providers, similarity, streaming, testing
    from exllm.client import Client
    from exllm.default_client import chat, count_tokens, embed, stream
    from exllm.policies.budget import Budget
    from exllm.policies.retry import RetryPolicy
    from exllm.streaming.stream import Stream
    from exllm.types.callable_tool import tool
    from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
    from exllm.types.token_count import TokenCount
    from exllm.types.vectors import Vectors

_LAZY = {
    "Budget": "exllm.policies.budget",
    "Client": "exllm.client",
    "EmbeddingRequest": "exllm.types.embedding",
    "EmbeddingResponse": "exllm.types.embedding",
    "RetryPolicy": "exllm.policies.retry",
    "Stream": "exllm.streaming.stream",
    "TokenCount": "exllm.types.token_count",
    "Vectors": "exllm.types.vectors",
    "chat": "exllm.default_client",
    "count_tokens": "exllm.default_client",
    "embed": "exllm.default_client",
    "stream": "exllm.default_client",
    "tool": "exllm.types.callable_tool",
}
_LAZY_MODULES = frozenset(
    {"config", "context", "cost", "local", "model_catalog", "providers", "similarity", "streaming", "testing"}
)

__all__ = [
    "Audio",
    "AudioDelta",
    "AuthenticationError",
    "Budget",
    "BudgetExceeded",
    "CacheControl",
    "Choice",
    "Chunk",
    "Citation",
    "CitationDelta",
    "Client",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContextLengthExceeded",
    "Cost",
    "Document",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "ExLLMError",
    "FileRef",
    "Finish",
    "FinishReason",
    "FirstChunkTimeout",
    "FrameTooLarge",
    "IdleTimeout",
    "Image",
    "ImageDelta",
    "InvalidRequest",
    "Message",
    "MissingExtra",
    "NotFound",
    "Options",
    "Overloaded",
    "Part",
    "PermissionDenied",
    "ProtocolError",
    "ProviderEvent",
    "ProviderPart",
    "QuotaExceeded",
    "RateLimited",
    "Reasoning",
    "ReasoningDelta",
    "Refusal",
    "RefusalDelta",
    "Request",
    "RequestTimeout",
    "Response",
    "RetryPolicy",
    "Role",
    "ServerError",
    "ServerTool",
    "Stream",
    "StreamClosed",
    "StreamInterrupted",
    "StreamStart",
    "StreamStats",
    "Text",
    "TextDelta",
    "Timeouts",
    "TokenCount",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "TotalTimeout",
    "UnsupportedOption",
    "Usage",
    "UsageUpdate",
    "Vectors",
    "__version__",
    "chat",
    "config",
    "context",
    "cost",
    "count_tokens",
    "embed",
    "local",
    "model_catalog",
    "providers",
    "similarity",
    "stream",
    "streaming",
    "testing",
    "tool",
]


def __getattr__(name: str) -> Any:
    # An absolute import would do, but `importlib` here keeps the table the only list of what is loaded late.
    import importlib

    if name in _LAZY_MODULES:
        return importlib.import_module(f"exllm.{name}")
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
