"""What is public, pinned: a name that comes or goes is a decision, not an accident."""

from __future__ import annotations

import inspect

import pytest

import exllm
import exllm.config
import exllm.live
import exllm.providers
import exllm.streaming
import exllm.testing

PUBLIC = {
    exllm: """
        AnswerSoFar AskUser Audio AudioDelta AuthenticationError Budget BudgetExceeded CacheControl Choice Chunk
        Citation CitationDelta Client ConfigurationError ConnectTimeout ConnectionFailed ContextLengthExceeded
        Cost Deny Document EmbeddingRequest EmbeddingResponse ExLLMError FileRef Finish FinishReason
        FirstChunkTimeout FrameTooLarge Halt IdleTimeout Image ImageDelta InvalidRequest Message MissingExtra
        NotFound Options Overloaded Part Pending PermissionDenied ProtocolError ProviderEvent ProviderPart
        QuotaExceeded RateLimited Reasoning ReasoningDelta Refusal RefusalDelta Request RequestTimeout Response
        RetryPolicy Role Run RunEvent RunFinished RunStream RunSuspended ServerError ServerTool Session
        SessionConflict SessionLost SessionStateError
        Stream StreamClosed StreamInterrupted StreamStart StreamStats Structured StructuredOutputError
        StructuredOutputInvalid StructuredOutputRefused StructuredOutputTruncated Text TextDelta Timeouts
        TokenCount TokenLogprob Tool ToolCall ToolCallDelta ToolContext ToolFinished ToolProgress ToolResult
        ToolStarted TotalTimeout TurnFinished TurnStarted UnsupportedOption Usage UsageUpdate Vectors
        __version__ chat config context cost count_tokens embed live local mcp media model_catalog providers
        recovery run sessions similarity sse stream stream_run streaming structured testing tool tools
    """,
    exllm.config: "Chain ConfigSource Env File Static lookup",
    exllm.live: """
        AudioOut CitationOut CodeOut GenerationComplete GoAway InputCommitted InputTranscript Interrupted LiveEvent
        LiveSession LiveSettings LiveStats MediaOut OutputTranscript ProviderEvent RateLimit RateLimits ReasoningOut
        Reconnect Reconnected Reconnecting RemoteError ResumptionUpdate SessionStarted SessionUpdated SpeechStarted
        SpeechStopped TextOut ToolCall ToolCallCancelled ToolFinished ToolWaiting TurnComplete TurnDetection TurnStarted
        UsageReport audio
    """,
}


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_public_names_are_these(module: object) -> None:
    assert sorted(module.__all__) == PUBLIC[module].split()  # type: ignore[attr-defined, index]


@pytest.mark.parametrize("module", [exllm, exllm.config, exllm.live, exllm.providers, exllm.streaming, exllm.testing])
def test_every_public_class_and_function_has_a_docstring(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), f"{name} has no docstring"
            assert not (value.__doc__ or "").startswith(f"{name}("), f"{name} has only a generated docstring"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            exllm.Client,
            "aclose analyze_images chat configured conversation count_tokens default_model embed extract_text "
            "list_models live live_token resume run step stream stream_run stream_step",
        ),
        (exllm.Stream, "aclose batches collect cost cursor error events items partial response stats tee text to_sse"),
    ],
)
def test_public_methods_are_these_and_are_explained(owner: type, names: str) -> None:
    public = {
        name: value for kind in owner.__mro__[:-1] for name, value in vars(kind).items() if not name.startswith("_")
    }
    assert sorted(public) == names.split()
    assert all((value.__doc__ or "").strip() for value in public.values())


def test_blocks_named_in_the_design_are_there() -> None:
    wanted = "SSEDecoder NDJSONDecoder EventStreamDecoder RingBuffer FlowController ChunkBatcher"
    assert set(wanted.split()) <= set(exllm.streaming.__all__)
