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
    SessionConflict,
    SessionLost,
    SessionStateError,
    StreamClosed,
    StreamInterrupted,
    StructuredOutputError,
    StructuredOutputInvalid,
    StructuredOutputRefused,
    StructuredOutputTruncated,
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
from exllm.types.response import Choice, Response, Structured
from exllm.types.stats import StreamStats
from exllm.types.tool import ServerTool, Tool
from exllm.types.usage import Cost, Usage
from exllm.version import __version__

if TYPE_CHECKING:
    from exllm import (
        config,
        context,
        cost,
        live,
        local,
        media,
        model_catalog,
        providers,
        recovery,
        sessions,
        similarity,
        sse,
        streaming,
        structured,
        testing,
        tools,
    )
    from exllm.client import Client
    from exllm.default_client import chat, count_tokens, embed, run, stream, stream_run
    from exllm.policies.budget import Budget
    from exllm.policies.retry import RetryPolicy
    from exllm.sessions.session import Session
    from exllm.streaming.stream import Stream
    from exllm.structured.answer_so_far import AnswerSoFar
    from exllm.tools import AskUser, Deny, Halt, RunStream, mcp
    from exllm.types.callable_tool import tool
    from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
    from exllm.types.run import Pending, Run
    from exllm.types.run_events import (
        RunEvent,
        RunFinished,
        RunSuspended,
        ToolFinished,
        ToolProgress,
        ToolStarted,
        TurnFinished,
        TurnStarted,
    )
    from exllm.types.token_count import TokenCount
    from exllm.types.tool_context import ToolContext
    from exllm.types.vectors import Vectors

_LAZY = {
    "AnswerSoFar": "exllm.structured.answer_so_far",
    "AskUser": "exllm.tools",
    "Budget": "exllm.policies.budget",
    "Client": "exllm.client",
    "Deny": "exllm.tools",
    "EmbeddingRequest": "exllm.types.embedding",
    "EmbeddingResponse": "exllm.types.embedding",
    "Halt": "exllm.tools",
    "Pending": "exllm.types.run",
    "RetryPolicy": "exllm.policies.retry",
    "Run": "exllm.types.run",
    "RunEvent": "exllm.types.run_events",
    "RunFinished": "exllm.types.run_events",
    "RunStream": "exllm.tools",
    "RunSuspended": "exllm.types.run_events",
    "Session": "exllm.sessions.session",
    "Stream": "exllm.streaming.stream",
    "TokenCount": "exllm.types.token_count",
    "ToolContext": "exllm.types.tool_context",
    "ToolFinished": "exllm.types.run_events",
    "ToolProgress": "exllm.types.run_events",
    "ToolStarted": "exllm.types.run_events",
    "TurnFinished": "exllm.types.run_events",
    "TurnStarted": "exllm.types.run_events",
    "Vectors": "exllm.types.vectors",
    "chat": "exllm.default_client",
    "count_tokens": "exllm.default_client",
    "embed": "exllm.default_client",
    "run": "exllm.default_client",
    "stream": "exllm.default_client",
    "stream_run": "exllm.default_client",
    "tool": "exllm.types.callable_tool",
}
_LAZY_MODULES = frozenset(
    {
        "config",
        "context",
        "cost",
        "live",
        "local",
        "media",
        "model_catalog",
        "providers",
        "recovery",
        "sessions",
        "similarity",
        "sse",
        "streaming",
        "structured",
        "testing",
        "tools",
    }
)

__all__ = [
    "AnswerSoFar",
    "AskUser",
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
    "Deny",
    "Document",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "ExLLMError",
    "FileRef",
    "Finish",
    "FinishReason",
    "FirstChunkTimeout",
    "FrameTooLarge",
    "Halt",
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
    "Pending",
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
    "Run",
    "RunEvent",
    "RunFinished",
    "RunStream",
    "RunSuspended",
    "ServerError",
    "ServerTool",
    "Session",
    "SessionConflict",
    "SessionLost",
    "SessionStateError",
    "Stream",
    "StreamClosed",
    "StreamInterrupted",
    "StreamStart",
    "StreamStats",
    "Structured",
    "StructuredOutputError",
    "StructuredOutputInvalid",
    "StructuredOutputRefused",
    "StructuredOutputTruncated",
    "Text",
    "TextDelta",
    "Timeouts",
    "TokenCount",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolContext",
    "ToolFinished",
    "ToolProgress",
    "ToolResult",
    "ToolStarted",
    "TotalTimeout",
    "TurnFinished",
    "TurnStarted",
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
    "live",
    "local",
    "mcp",
    "media",
    "model_catalog",
    "providers",
    "recovery",
    "run",
    "sessions",
    "similarity",
    "sse",
    "stream",
    "stream_run",
    "streaming",
    "structured",
    "testing",
    "tool",
    "tools",
]


def __getattr__(name: str) -> Any:
    # An absolute import would do, but `importlib` here keeps the table the only list of what is loaded late.
    import importlib

    if name in _LAZY_MODULES:
        return importlib.import_module(f"exllm.{name}")
    if name == "mcp":
        return importlib.import_module("exllm.tools.mcp")
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
