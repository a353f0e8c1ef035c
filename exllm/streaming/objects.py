"""Ways to iterate a stream whose text is JSON: objects that grow, and items as each becomes whole."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from exllm.errors import StructuredOutputInvalid, StructuredOutputTruncated
from exllm.streaming.stream import _Iteration
from exllm.structured.attempts import RETRY_EVENT, object_of
from exllm.structured.items import ItemBuilder
from exllm.structured.json_in_text import JSONInText, KnowsContent
from exllm.structured.partial_object import TypedBuilder
from exllm.structured.plan import WRAPPED_IN
from exllm.structured.shapes import Fields, Items, Values, shape_of
from exllm.types.chunks import ProviderEvent
from exllm.types.typed import TypeMismatch, convert, shown_type, type_of

if TYPE_CHECKING:
    from exllm.streaming.stream import Stream

B = TypeVar("B", bound=KnowsContent)


class _JSONIteration(_Iteration[Any], Generic[B]):
    """Feeds the text of the first choice to a reader of JSON, and begins anew when the answer does."""

    __slots__ = ("_is_over", "_json")

    def __init__(self, stream: Stream, json: JSONInText[B]) -> None:
        super().__init__(stream)
        self._json = json
        self._is_over = False

    async def _read_more(self) -> bool:
        """Wait for chunks and read the text in them; False at the end."""
        if self._is_over:
            raise StopAsyncIteration
        if not self._items:
            try:
                await self.wait()
            except StopAsyncIteration:
                self._is_over = True
                return False
        pieces = []
        for chunk in self._pump.ring.pop_many(len(self._items)):
            if chunk.text and chunk.index == 0:
                pieces.append(chunk.text)
            elif isinstance(chunk, ProviderEvent) and chunk.event == RETRY_EVENT:
                pieces.clear()
                self._json.restart()
        if pieces:
            self._json.feed("".join(pieces))
        return True


class GrowingObjects(_JSONIteration[TypedBuilder]):
    """See `Stream.partial`."""

    __slots__ = ("_is_wrapped", "_type")

    def __init__(self, stream: Stream, type_: Any) -> None:
        plan = stream._plan
        self._type, self._is_wrapped = _type_for(plan, type_)
        unwrapped = self._type
        read_as = type_of({WRAPPED_IN: unwrapped}) if self._is_wrapped else unwrapped
        starts = "{[" if self._is_wrapped else _starts_of(read_as)  # a model that is not held to it may leave it out
        super().__init__(
            stream, JSONInText(lambda start: TypedBuilder(read_as if start == "{" else unwrapped), starts)
        )  # fmt: skip

    async def __anext__(self) -> Any:
        while await self._read_more():
            value = self._json.builder.value
            if self._is_wrapped and isinstance(value, dict):
                value = value.get(WRAPPED_IN)
            if value is not None:
                return value
        response = self._stream.response
        if response.structured is not None or response.tool_calls:
            if response.parsed is None:
                raise StopAsyncIteration
            return response.parsed
        return object_of(response, self._type)


class WholeItems(_JSONIteration[ItemBuilder]):
    """See `Stream.items`."""

    __slots__ = ("_path", "_prefix", "_ready", "_type")

    def __init__(self, stream: Stream, path: str, type_: Any) -> None:
        plan = stream._plan
        self._type = None if type_ is None else type_of(type_)
        self._path = path
        self._prefix = f"$.{WRAPPED_IN}" if plan is not None and plan.is_wrapped else "$"
        inner = self._prefix + path.removeprefix("$") if path.startswith("$") else path
        # A model that is not held to the wrapping may leave it out.
        super().__init__(stream, JSONInText(lambda start: ItemBuilder(inner if start == "{" else path), "{["))
        self._ready: deque[tuple[str, Any]] = deque()

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._json.error is not None or not await self._read_more():
                self._check_end()
                raise StopAsyncIteration
            found = self._json.builder.found
            self._ready.extend(found)
            found.clear()
        path, value = self._ready.popleft()
        if self._type is None:
            return value
        try:
            return convert(value, self._type)
        except TypeMismatch as error:
            if path.startswith(self._prefix):
                path = "$" + path.removeprefix(self._prefix)
            mismatch = error.below(path)
            response = self._stream.response
            raise StructuredOutputInvalid(
                f"an item is no {shown_type(self._type)}: {mismatch}",
                raw=response.text, problems=(str(mismatch),), partial=response,
                provider=response.provider, model=response.model,
            ) from None  # fmt: skip

    def _check_end(self) -> None:
        """Raise where the answer ended before its JSON did: items are missing then."""
        if self._json.is_whole:
            return
        response = self._stream.response
        if response.tool_calls:
            return
        problem = str(self._json.error or "the answer ended before its JSON did")
        kind = StructuredOutputTruncated if response.finish_reason == "length" else StructuredOutputInvalid
        raise kind(
            f"the items at {self._path} are not all there: {problem}",
            raw=response.text, problems=(problem,), partial=response, provider=response.provider, model=response.model,
        )  # fmt: skip


def _type_for(plan: Any, type_: Any) -> tuple[Any, bool]:
    """The type of the growing object, and whether the answer is wrapped in an object."""
    if type_ is None:
        if plan is None:
            raise TypeError("stream.partial() needs a type, or a stream with response_model")
        return plan.type, plan.is_wrapped
    return type_of(type_), plan is not None and plan.is_wrapped


def _starts_of(type_: Any) -> str:
    shape = shape_of(type_)
    if isinstance(shape, Fields | Values):
        return "{"
    return "[" if isinstance(shape, Items) else "{["
