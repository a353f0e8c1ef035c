"""Messages of a conversation to those of Cohere's `/v2/chat`, and the documents in them to its `documents`.

Documents of text that a user sends become documents to cite from, which the API takes beside the messages. Of an
answer of Cohere's everything goes back: thoughts, the plan for tools, calls, text and citations.
Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/tool-use-overview,
https://docs.cohere.com/docs/retrieval-augmented-generation-rag
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, first_open, or_words
from exllm.providers.call_ids import CallIds, spelt
from exllm.providers.cohere_citations import document_id
from exllm.providers.cohere_decode import PLAN_ID
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
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

_ROLES = {"developer": "system"}
_TEXT_TYPES = ("application/json", "application/xml")
_DETAILS = ("auto", "low", "high")

Block = dict[str, Any]

_IDS = spelt("(?!)", 64)


class MessageWriter:
    """Writes the messages of one request.

    Attributes:
        documents: of all messages, for the request's field of that name.
        warnings: what could not be sent, in words, each once.
    """

    def __init__(self, spec: ProviderSpec) -> None:
        self.documents: list[Block] = []
        self.warnings: list[str] = []
        self._is_open = True  # the message at hand is not answered yet
        self._ids = CallIds(_IDS)
        self._spec = spec

    def write(self, messages: Sequence[Message]) -> list[Block]:
        """The messages as JSON-like data. Raises `InvalidRequest` for what Cohere does not take."""
        out: list[Block] = []
        shown: list[Block] = []  # images of tool results, which follow the last result of the run
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._is_open = place >= open_from
            if message.name is not None:
                self.warn("takes no names of messages; they were not sent")
            results = [part for part in message.parts if type(part) is ToolResult]
            out.extend(self._result(result, shown) for result in results)
            rest = tuple(part for part in message.parts if type(part) is not ToolResult) if results else message.content
            if results and not rest:
                continue
            if shown:
                out.append({"role": "user", "content": shown})
                shown = []
            out.append(self._message(message.role, rest))
        if shown:
            out.append({"role": "user", "content": shown})
        return out

    def warn(self, words: str) -> None:
        """Say something about the provider, once."""
        self._say(f"{self._spec.label} {words}")

    def _say(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)

    def _message(self, role: str, content: str | tuple[Part, ...]) -> Block:
        if role == "tool":
            raise self.refusal("a message of the role 'tool' holds ToolResult parts, so that it names its call")
        written: Block = {"role": _ROLES.get(role, role)}
        if isinstance(content, str):
            written["content"] = content
        elif role == "assistant":
            self._assistant(written, content)
        else:
            written["content"] = [block for part in content if (block := self._asked(part, role)) is not None] or ""
        return written

    def _asked(self, part: Part, role: str) -> Block | None:
        """A part of a user's or system message; None for what goes elsewhere."""
        self._note_breakpoint(part)
        match part:
            case Text():
                return {"type": "text", "text": part.text}
            case Image() | Document() | Audio() | FileRef() if role == "user":
                if self._is_open:
                    return self._media(part)
                return or_words(lambda: self._media(part), part, _words, self._say)
            case ProviderPart():
                self.warn(f"knows nothing of the parts of {part.provider}'s answers; they were left out")
                return None
        raise self.refusal(f"a {role} message of {self._spec.label} cannot hold a {type(part).__name__}")

    def _media(self, part: Media) -> Block | None:
        match part:
            case Image():
                return self._image(part)
            case Document():
                data = self._document_data(part)
                self.documents.append({"id": document_id(len(self.documents)), "data": data})
                return None
        raise self.refusal(f"a user message of {self._spec.label} cannot hold a {type(part).__name__}")

    def _image(self, image: Image) -> Block:
        if image.url is not None:
            place: Block = {"url": image.url}
        else:
            place = {"url": f"data:{image.media_type};base64,{base64.b64encode(image.data or b'').decode()}"}
        if image.detail in _DETAILS:
            place["detail"] = image.detail
        elif image.detail is not None:
            self.warn(f"knows no image detail {image.detail!r}; it was not sent")
        return {"type": "image_url", "image_url": place}

    def _document_data(self, document: Document) -> Block:
        kind = (document.media_type or "").partition(";")[0].strip().lower()
        if document.data is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
            raise self.refusal(
                f"{self._spec.label} takes documents of text as data, got {document.media_type or 'a URL'}"
            )
        if document.citations is False:
            self.warn("cites from any document; extra={'citation_options': {'mode': 'OFF'}} turns citations off")
        try:
            text = document.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.refusal(f"the document {document.title or kind!r} is not UTF-8 text") from error
        data: Block = {"text": text}
        if document.title is not None:
            data["title"] = document.title
        if document.context is not None:
            data["context"] = document.context
        return data

    def _result(self, result: ToolResult, shown: list[Block]) -> Block:
        """Documents among the results can be cited one by one."""
        self._note_breakpoint(result)
        call_id = self._ids.of_result(result.call_id)
        written: Block = {"role": "tool", "tool_call_id": call_id, "content": result.content}
        if isinstance(result.content, str):
            return written
        content: list[Block] = []
        for part in result.content:
            self._note_breakpoint(part)
            match part:
                case Text():
                    content.append({"type": "text", "text": part.text})
                case Document():
                    content.append(self._found(part))
                case Image():
                    shown.append(self._image(part))
                    self.warn(
                        "takes no images from tools; those of tool results were sent in a user message after them"
                    )
        written["content"] = content or ""
        return written

    def _found(self, document: Document) -> Block:
        def write() -> Block:
            return {"type": "document", "document": {"data": self._document_data(document)}}

        return or_words(write, document, _words, self._say)

    # -- the assistant's turn

    def _assistant(self, written: Block, parts: Iterable[Part]) -> None:
        content: list[Block] = []
        calls: list[Block] = []
        citations: list[Block] = []
        plan = ""
        for part in parts:
            self._note_breakpoint(part)
            match part:
                case Text():
                    citations.extend(_sent_back(part.citations, len(content)))
                    if part.text:
                        content.append({"type": "text", "text": part.text})
                case Refusal():
                    content.append({"type": "text", "text": part.text})
                case Audio(transcript=str(transcript)):
                    content.append({"type": "text", "text": transcript})
                case Reasoning(id="tool_plan"):
                    plan += part.text
                case Reasoning(text=str(thought), signature=None, redacted=None, id=None) if thought:
                    content.append({"type": "thinking", "thinking": thought})
                case Reasoning():
                    self.warn("cannot read thoughts that another provider signed; they were left out")
                case ToolCall(provider_executed=False):
                    calls.append(_call(part, self._ids.of_call(part.id)))
                case ToolCall():
                    self.warn("has no tools that a provider runs; such calls were left out")
                case ProviderPart() if part.provider == self._spec.name:
                    content.append(part.data)
                case Image() | Audio() | Document() | FileRef() | ProviderPart():
                    self.warn(f"has no place for a {type(part).__name__} of the assistant; it was left out")
        if content or not (calls or plan):
            written["content"] = content or ""
        if plan:
            written[PLAN_ID] = plan
        if calls:
            written["tool_calls"] = calls
        if citations:
            written["citations"] = citations

    def _note_breakpoint(self, part: Part) -> None:
        if getattr(part, "cache_control", None) is not None:
            self.warn("takes no cache_control; the breakpoints were not sent")

    def refusal(self, words: str) -> InvalidRequest:
        """The error for what cannot be sent."""
        return InvalidRequest(words, provider=self._spec.name)


def _sent_back(citations: Iterable[Citation], index: int) -> Iterator[Block]:
    """Cohere's own citations, of the content block `index`: blocks without text are left out, so it may be another."""
    for citation in citations:
        source = citation.source
        if source is not None and "sources" in source:
            yield {**source, "content_index": index} if "content_index" in source else source


def _words(text: str) -> Block:
    return {"type": "text", "text": text}


def _call(call: ToolCall, id_: str) -> Block:
    arguments = call.arguments if call.arguments.strip() else "{}"
    return {"id": id_, "type": "function", "function": {"name": call.name, "arguments": arguments}}
