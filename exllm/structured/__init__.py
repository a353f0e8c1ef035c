"""Structured output: JSON that arrives in pieces, and objects of Python types.

What `Client.chat` and `Client.stream` do with ``response_model``, usable alone: `PartialJSON` (a value that grows),
`PartialObject` (an object of a type that grows), `ItemReader` (values at a path, each when it is whole),
`json_schema_of` and `convert` (a type as JSON Schema, data as an object of it). None of them does I/O.
"""

from exllm.structured.items import ItemReader
from exllm.structured.json_reader import JSONSyntaxError
from exllm.structured.partial_json import PartialJSON
from exllm.structured.partial_object import PartialObject
from exllm.types.typed import TypeMismatch, convert, json_schema_of

__all__ = [
    "ItemReader",
    "JSONSyntaxError",
    "PartialJSON",
    "PartialObject",
    "TypeMismatch",
    "convert",
    "json_schema_of",
]
