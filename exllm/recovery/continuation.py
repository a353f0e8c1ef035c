"""What to ask a provider for, to have an answer gone on with."""

from __future__ import annotations

from typing import Literal

import msgspec

from exllm.errors import InvalidRequest
from exllm.recovery.seam import Seam
from exllm.types.cursor import Cursor, ResumeStrategy
from exllm.types.message import Message
from exllm.types.options import Options

CONTINUE = (
    "Your answer was cut off. Continue it from the very character where it stopped: write only what comes next, repeat "
    "nothing, add no remark."
)
CONTINUE_FROM_SUMMARY = (
    "Your answer was cut off. So far it said, in short:\n\n{summary}\n\nGo on with what is still missing. Repeat "
    "nothing, add no remark."
)
SUMMARIZE = "Say in a few sentences what this part of an answer has covered, and where it stopped:\n\n{text}"
_END_OF_PARAGRAPH = "\n\n"

ResumedBy = Literal["stream", "prefill", "continuation", "summary", "again"]


class Continuation(msgspec.Struct, frozen=True):
    """One request that goes on with an answer.

    Attributes:
        messages: of the request.
        kept: the text of the answer that stays; what is shorter than the text that had arrived was given up.
        by: how it goes on. ``stream``: the provider keeps it, and gives the very rest. ``again``: nothing had arrived
            that counts, so it is asked for anew.
        seam: what joins the new text to the kept one.
        separator: what stands between them.
    """

    messages: tuple[Message, ...]
    kept: str
    by: ResumedBy
    seam: Seam
    separator: str = ""


def continuation(cursor: Cursor, strategy: ResumeStrategy, *, prefills: bool, summary: str = "") -> Continuation:
    """The request for the rest of ``cursor``'s answer.

    Args:
        prefills: the model continues an assistant's message at the end of the conversation.
        summary: of the text so far, for the strategy ``summarize``.

    Raises: InvalidRequest for an answer that cannot be gone on with.
    """
    if (obstacle := cursor.obstacle) is not None:
        raise InvalidRequest(f"this answer cannot be gone on with: {obstacle}")
    text = cursor.text
    if strategy == "paragraph":
        text = text[: text.rfind(_END_OF_PARAGRAPH) + len(_END_OF_PARAGRAPH)] if _END_OF_PARAGRAPH in text else ""
    if not text.strip():
        return Continuation(cursor.messages, "", "again", Seam(""))
    if strategy == "summarize":
        ask = Message("user", CONTINUE_FROM_SUMMARY.format(summary=summary))
        return Continuation((*cursor.messages, ask), text, "summary", Seam(""), _END_OF_PARAGRAPH)
    # Spaces at the end are kept here: some providers refuse them, and models repeat them or not.
    said = Message("assistant", text.rstrip())
    if prefills:
        return Continuation((*cursor.messages, said), text, "prefill", Seam(text[len(text.rstrip()) :], is_asked=False))
    return Continuation((*cursor.messages, said, Message("user", CONTINUE)), text, "continuation", Seam(text))


def summary_request(cursor: Cursor) -> str:
    """What to ask for a summary with."""
    return SUMMARIZE.format(text=cursor.text)


def shortened(options: Options, cursor: Cursor) -> Options:
    """The options of the rest: with as many tokens less as had arrived, by count or by guess."""
    if options.max_tokens is None:
        return options
    return msgspec.structs.replace(options, max_tokens=max(1, options.max_tokens - cursor.output_tokens))
