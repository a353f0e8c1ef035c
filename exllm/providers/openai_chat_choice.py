"""One choice's deltas to chunks; the whole message of an unstreamed answer is one big delta.

Sources: platform.openai.com/docs/api-reference/chat/streaming; docs.mistral.ai/capabilities/reasoning (parts);
console.groq.com/docs/compound (``executed_tools``); openrouter.ai/docs/features/multimodal (``images``); the recorded
answers in the tests.
"""

from __future__ import annotations

import base64
from typing import Any, TypeVar

from exllm.errors import ProtocolError
from exllm.providers.gemini_signatures import OWN
from exllm.providers.openai_chat_calls import Calls
from exllm.providers.openai_chat_events import AudioPiece, Delta, Logprobs, TokenPiece, google_signature
from exllm.providers.openai_chat_reasoning import ReasoningParts
from exllm.providers.openai_chat_sources import Cited
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from exllm.types.parts import Citation

T = TypeVar("T")
_UNLIKELY = -9999.0  # OpenAI's own number for a token so unlikely that it has no log probability


class ChoiceDecoder:
    """What must be remembered of one choice from delta to delta.

    Args:
        index: which choice.
        provider: for `ProviderEvent`.
        audio_type: media type of the audio that was asked for.

    Attributes:
        filtered: what content filters have found, as it was last told. It stands beside the delta: whoever reads it
            there sets it.
    """

    __slots__ = ("_audio_rest", "_audio_type", "_calls", "_cited", "_index", "_provider", "_reasoning", "filtered")

    def __init__(self, index: int, provider: str, audio_type: str | None) -> None:
        self._index = index
        self._provider = provider
        self._audio_type = audio_type
        self._calls = Calls()
        self._reasoning = ReasoningParts(provider)
        self._audio_rest = ""
        self._cited = Cited()
        self.filtered: dict[str, Any] | None = None

    @property
    def calls_for_caller(self) -> bool:
        """Whether the caller has a tool call to answer."""
        return self._calls.any_for_caller

    def decode(self, delta: Delta | None, logprobs: Logprobs | None, out: list[Chunk], *, whole: bool) -> None:
        """Append the chunks of `delta` to `out`. With `whole` each tool call in it is complete."""
        index = self._index
        if delta is None:
            self._text("", logprobs, out)
            return
        thought = delta.reasoning or delta.reasoning_content
        if delta.reasoning_details:
            out.extend(self._reasoning.details(delta.reasoning_details, thought, index))
        elif thought:
            out.append(self._reasoning.text(thought, index))
        content = delta.content
        if content is None or isinstance(content, str):
            self._text(content or "", logprobs, out)
        else:
            self._parts(content, out)
        if delta.refusal:
            out.append(RefusalDelta(delta.refusal, index, _probabilities(logprobs.refusal) if logprobs else None))
        if delta.tool_calls:
            out.extend(self._calls.pieces(delta.tool_calls, index, whole=whole))
        if delta.function_call is not None:
            out.extend(self._calls.legacy(delta.function_call, index))
        if delta.executed_tools:
            self._executed(delta.executed_tools, out)
        if delta.audio is not None:
            self._audio(delta.audio, out)
        for image in delta.images or ():
            self._image(image, out)
        out.extend(CitationDelta(_citation(annotation), index) for annotation in delta.annotations or ())
        if delta.web_search_data is not None or delta.graph_data is not None:
            self._sources(delta.web_search_data, out)
            self._sources(delta.graph_data, out)
        if delta.extra_content is not None and (signature := google_signature(delta.extra_content)):
            out.append(ReasoningDelta("", index, 0, signature, id=OWN))

    def _text(self, text: str, logprobs: Logprobs | None, out: list[Chunk]) -> None:
        probabilities = _text_probabilities(logprobs) if logprobs is not None else None
        if text or probabilities:
            out.append(TextDelta(text, self._index, 0, probabilities))

    def _parts(self, parts: list[dict[str, Any]], out: list[Chunk]) -> None:
        """Mistral's content: a list of typed parts."""
        for part in parts:
            kind = part.get("type")
            if kind == "text":
                self._text(_string(part.get("text")) or "", None, out)
            elif kind == "thinking":
                thought = part.get("thinking")
                text = thought if isinstance(thought, str) else _joined(thought)
                if text:
                    out.append(self._reasoning.text(text, self._index))
            elif kind == "image_url":
                self._image(part, out)
            elif kind == "reference":
                out.append(CitationDelta(Citation(source=part), self._index))
            else:
                out.append(ProviderEvent(str(kind), part, self._provider, content=True, index=self._index))

    def _executed(self, tools: list[dict[str, Any]], out: list[Chunk]) -> None:
        """Groq ran a tool itself: told once when it starts, once more with the output."""
        for tool in tools:
            call = self._calls.executed(_whole_number(tool.get("index")))
            if call is not None:
                name, arguments = str(tool.get("type") or ""), str(tool.get("arguments") or "")
                out.append(ToolCallDelta(call, "", name, arguments, self._index, provider_executed=True))
            for field in ("search_results", "browser_results"):
                self._sources(tool.get(field), out)
            if "output" in tool:
                data = {**tool, "type": EXECUTED_TOOL, "tool": tool.get("type")}
                out.append(ProviderEvent(EXECUTED_TOOL, data, self._provider, content=True, index=self._index))

    def _sources(self, found: Any, out: list[Chunk]) -> None:
        out.extend(CitationDelta(citation, self._index) for citation in self._cited.fresh(found))

    def _audio(self, audio: AudioPiece, out: list[Chunk]) -> None:
        letters = self._audio_rest + (audio.data or "")
        ready = len(letters) - len(letters) % 4
        self._audio_rest = letters[ready:]
        try:
            data = base64.b64decode(letters[:ready])
        except ValueError as error:
            raise ProtocolError(f"the audio is not base64 ({error})", provider=self._provider) from error
        if data or audio.transcript or audio.id or audio.expires_at:
            transcript = audio.transcript or ""
            out.append(
                AudioDelta(data, self._audio_type, transcript, audio.id or None, audio.expires_at or None, self._index)
            )

    def _image(self, image: dict[str, Any], out: list[Chunk]) -> None:
        place = image.get("image_url")
        url = place.get("url") if isinstance(place, dict) else place
        if not isinstance(url, str):
            out.append(ProviderEvent("image", image, self._provider, index=self._index))
            return
        head, _, body = url.partition(",")
        if head.startswith("data:") and head.endswith(";base64"):
            try:
                data = base64.b64decode(body + "=" * (-len(body) % 4))
            except ValueError as error:
                raise ProtocolError(f"the image is not base64 ({error})", provider=self._provider) from error
            out.append(ImageDelta(data, None, head[5:-7] or None, self._index))
        else:
            out.append(ImageDelta(None, url, None, self._index))


EXECUTED_TOOL = "executed_tool"
FOUND_IMAGES = "images"
RELATED_QUESTIONS = "related_questions"
NOT_SENT_BACK = frozenset({EXECUTED_TOOL, FOUND_IMAGES, RELATED_QUESTIONS})
"""Types of `ProviderPart` that do not go back in the history: the output of a tool that Groq ran, and what Perplexity
found beside the answer."""


def _citation(annotation: dict[str, Any]) -> Citation:
    # What is cited stands under the annotation's type: `url_citation`; Groq's `document_citation`; OpenRouter's `file`.
    nested = annotation.get("url_citation") or annotation.get(str(annotation.get("type")))
    cited = nested if isinstance(nested, dict) else annotation
    return Citation(
        url=_string(cited.get("url")),
        title=_string(cited.get("title")),
        text=_string(cited.get("content")),  # OpenRouter
        start=_whole_number(cited.get("start_index")),
        end=_whole_number(cited.get("end_index")),
        source=annotation,
    )


def _text_probabilities(logprobs: Logprobs) -> tuple[TokenLogprob, ...] | None:
    tokens = logprobs.tokens
    if logprobs.content is not None or not tokens:
        return _probabilities(logprobs.content)
    values, tops = logprobs.token_logprobs or [], logprobs.top_logprobs or []
    return tuple(
        TokenLogprob(token, _UNLIKELY if value is None else value, None, _most_likely(top))
        for token, value, top in zip(tokens, _filled(values, tokens), _filled(tops, tokens), strict=False)
    )


def _filled(values: list[T], tokens: list[str]) -> list[T | None]:
    """`values`, and None for the tokens that have none."""
    return [*values, *[None] * (len(tokens) - len(values))]


def _most_likely(top: dict[str, float | None] | None) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(token, _UNLIKELY if value is None else value) for token, value in (top or {}).items())


def _probabilities(tokens: list[TokenPiece] | None) -> tuple[TokenLogprob, ...] | None:
    if not tokens:
        return None
    return tuple(
        TokenLogprob(
            token.token,
            _UNLIKELY if token.logprob is None else token.logprob,
            None if token.bytes is None else tuple(token.bytes),
            _probabilities(token.top_logprobs) or (),
        )
        for token in tokens
    )


def _joined(parts: Any) -> str:
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
