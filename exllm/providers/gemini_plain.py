"""The short way for most unstreamed answers: one candidate of one text, and nothing beside it.

It gives the chunks that `AnswerDecoder` gives, at a third of the cost; the tests hold the two against each other.
"""

from __future__ import annotations

from exllm.providers.gemini_decode import UNREADABLE, unix_time
from exllm.providers.gemini_events import Answer, Candidate, Content, Part, decode_answer, decode_usage, is_there, plain
from exllm.providers.gemini_finish import FINISH_REASONS
from exllm.providers.gemini_usage import says_more, usage_of
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, TextDelta, UsageUpdate

_REASONS = ("STOP", "MAX_TOKENS")


def plain_answer(body: bytes, provider: str) -> list[Chunk] | None:
    """The chunks of `body`, or None when there is more to it than text."""
    try:
        answer = decode_answer(body)
        candidates = answer.candidates
        if candidates is None or len(candidates) != 1:
            return None
        candidate = candidates[0]
        content, reason = candidate.content, candidate.finish_reason
        if reason not in _REASONS or candidate.index or content is None or not content.parts:
            return None
        text = content.parts[0].text
        # Built from what is read here, so that it is equal only where nothing else is there.
        expected = Answer(
            [Candidate(Content([Part(text)]), candidate.index, reason, avg_logprobs=candidate.avg_logprobs)],
            answer.usage_metadata,
            answer.model_version,
            answer.response_id,
            answer.create_time,
        )
        if not text or answer != expected or not is_there(answer.usage_metadata):
            return None
        counts = decode_usage(answer.usage_metadata)
        if says_more(counts):
            return None
        usage = usage_of(counts, "reported", 0)
    except UNREADABLE:
        return None
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    chunks: list[Chunk] = [
        StreamStart(answer.response_id, answer.model_version, unix_time(answer.create_time)),
        TextDelta(text),
    ]
    if is_there(candidate.avg_logprobs):
        chunks.append(ProviderEvent("avgLogprobs", plain(candidate.avg_logprobs), provider))
    chunks += (UsageUpdate(usage), Finish(FINISH_REASONS[str(reason)], raw=str(reason)))
    return chunks
