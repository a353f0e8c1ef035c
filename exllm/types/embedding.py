"""Turning texts into vectors: what is asked and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from exllm.errors import MissingExtra
from exllm.types.options import Timeouts
from exllm.types.usage import Cost, Usage
from exllm.types.vectors import Vectors

TaskType = Literal[
    "query", "document", "similarity", "classification", "clustering", "question_answering", "fact_verification",
    "code_query",
]  # fmt: skip
EncodingFormat = Literal["float", "base64", "int8", "uint8", "binary", "ubinary"]

TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)
ENCODING_FORMATS: tuple[EncodingFormat, ...] = get_args(EncodingFormat)

# What the providers call them. Compared in lower case.
_TASK_TYPE_ALIASES: dict[str, TaskType] = {
    "retrieval_query": "query",  # Google
    "search_query": "query",  # Cohere
    "retrieval_document": "document",
    "search_document": "document",
    "passage": "document",  # NVIDIA
    "semantic_similarity": "similarity",
    "code_retrieval_query": "code_query",
}


class EmbeddingRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of `Client.embed`, checked.

    Attributes:
        provider, model: the two halves of the model string.
        inputs: the texts, in the caller's order.
        dimensions, encoding_format, task_type: see `Client.embed`.
        extra: the provider's own fields.
        timeouts: as for a chat; `connect` and `total` count.
    """

    provider: str
    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None
    encoding_format: EncodingFormat | None = None
    task_type: TaskType | None = None
    extra: dict[str, Any] = {}
    timeouts: Timeouts = Timeouts()

    def given(self) -> dict[str, Any]:
        """The options that were asked for, by name."""
        named = {name: getattr(self, name) for name in ("dimensions", "encoding_format", "task_type")}
        return {name: value for name, value in named.items() if value is not None}


class EmbeddingResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The vectors of all inputs.

    Attributes:
        vectors: one for each input, in their order: ``response.vectors[0]`` is a list of floats,
            ``numpy.asarray(response.vectors)`` a matrix.
        provider, model: who answered.
        usage: of all requests together.
        cost: in US dollars; None, never 0, where the price is not known; 0.0 for local models.
        warnings: what was not done as asked.
        request_ids: the provider's id of each request, where it gives one: a long list of inputs takes several.
    """

    vectors: Vectors
    provider: str
    model: str
    usage: Usage = Usage()
    cost: Cost = Cost()
    warnings: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()

    @property
    def vector(self) -> list[float]:
        """The first vector: the one, where a single text was embedded."""
        return self.vectors[0]

    @property
    def array(self) -> Any:
        """The vectors as a NumPy array, a row for each input, without copying. Raises `MissingExtra` without NumPy."""
        try:
            import numpy
        except ImportError:
            raise MissingExtra("arrays need NumPy: pip install 'exllm[embeddings]'") from None
        return numpy.asarray(self.vectors)

    @property
    def dimensions(self) -> int:
        """How many numbers each vector has."""
        return self.vectors.dimensions

    @property
    def request_id(self) -> str | None:
        """The provider's id of the first request."""
        return self.request_ids[0] if self.request_ids else None


def check_embedding(
    inputs: object, dimensions: object, encoding_format: object, task_type: object
) -> tuple[tuple[str, ...], int | None, EncodingFormat | None, TaskType | None]:
    """The arguments of `Client.embed`, normalised. Raises TypeError and ValueError for what no provider takes."""
    if isinstance(inputs, str):
        texts: tuple[Any, ...] = (inputs,)
    elif isinstance(inputs, Sequence) and not isinstance(inputs, bytes | bytearray | memoryview):
        texts = tuple(inputs)
    else:
        raise TypeError(f"inputs must be text or a list of texts, got {type(inputs).__name__}")
    if not texts:
        raise ValueError("inputs must hold at least one text, got none")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"inputs[{position}] must be text, got {type(text).__name__}")
    if dimensions is not None:
        if isinstance(dimensions, bool) or not isinstance(dimensions, int):
            raise TypeError(f"dimensions must be a whole number, got {dimensions!r}")
        if dimensions < 1:
            raise ValueError(f"dimensions must be at least 1, got {dimensions!r}")
    if encoding_format is not None and encoding_format not in ENCODING_FORMATS:
        raise ValueError(f"encoding_format must be {' | '.join(ENCODING_FORMATS)}, got {encoding_format!r}")
    return texts, dimensions, encoding_format, _task_type(task_type)


def _task_type(task_type: object) -> TaskType | None:
    if task_type is None:
        return None
    if isinstance(task_type, str):
        name = task_type.lower()
        name = _TASK_TYPE_ALIASES.get(name, name)
        if name in TASK_TYPES:
            return name
    raise ValueError(f"task_type must be {' | '.join(TASK_TYPES)}, got {task_type!r}")
