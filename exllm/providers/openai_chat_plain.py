"""The short way for most unstreamed answers: one choice of text and nothing else but what Azure's filters say.

It gives the chunks that `OpenAIChatDecoder` gives, at a third of the cost; the tests hold the two against each other.
"""

from __future__ import annotations

from exllm.providers.openai_chat_events import Body, Delta
from exllm.providers.openai_chat_finish import failure_code, finish_reason
from exllm.providers.openai_chat_usage import usage_of
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, TextDelta, UsageUpdate

_SILENT = (Delta(), Delta(annotations=[]))


def plain_answer(body: Body, provider: str) -> list[Chunk] | None:
    """The chunks of `body`, or None when there is more to it than text."""
    choices, usage = body.choices, body.usage
    if choices is None or len(choices) != 1 or usage is None:
        return None
    choice = choices[0]
    message, reason = choice.message, choice.finish_reason
    if message is None or not reason or failure_code(reason) is not None:
        return None
    text = message.content
    if type(text) is not str or not text:
        return None
    # With the text taken out the message must say nothing: one comparison looks at every field there is.
    message.content = None
    says_more = message not in _SILENT
    message.content = text
    if (
        says_more
        or choice.index
        or choice.logprobs is not None
        or choice.error is not None
        or body.error is not None
        or body.x_groq is not None
        or body.citations is not None
        or body.search_results is not None
        or body.images is not None
        or body.related_questions is not None
        or body.moderation is not None
    ):
        return None
    started = int(body.created) if body.created else None
    chunks: list[Chunk] = [StreamStart(body.id or None, body.model or None, started), TextDelta(text)]
    if choice.content_filter_results:
        chunks.append(ProviderEvent("content_filter_results", choice.content_filter_results, provider))
    chunks.append(Finish(finish_reason(reason), 0, reason))
    if body.prompt_filter_results:
        chunks.append(ProviderEvent("prompt_filter_results", body.prompt_filter_results, provider))
    chunks.append(UsageUpdate(usage_of(usage, body.service_tier)))
    return chunks
