"""Arguments of a function call that Vertex AI streams as values at JSON paths.

Asked for with ``extra={"toolConfig": {"functionCallingConfig": {"streamFunctionCallArguments": True}}}``.
Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exllm.providers.gemini_events import PartialArg

_STEP = re.compile(r"""\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|\[(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]""")
_MOST_ITEMS = 10_000
"""An index is where the next item goes, so a larger one than this is nonsense and not worth the memory.

So is leaving out as many, in all lists together.
"""


class PartialArgs:
    """The arguments of one call while their pieces arrive, on top of those that came `whole`.

    `add` and `text` raise `ValueError` for a path that leads nowhere.
    """

    __slots__ = ("_left_out", "_pieces", "_root")

    def __init__(self, whole: dict[str, Any]) -> None:
        self._root = whole
        self._pieces: dict[str, list[str]] = {}  # path -> text so far; joined once
        self._left_out = 0  # items of lists that came after others that did not

    def add(self, arg: PartialArg) -> None:
        """Take the next piece. Text at a path that has text already goes on from there."""
        value: Any = None
        if arg.string_value is not None:
            pieces = self._pieces.get(arg.json_path)
            if pieces is None:
                self._put(arg.json_path, "")  # its place among the others
                pieces = self._pieces[arg.json_path] = []
            pieces.append(arg.string_value)
            return
        if arg.number_value is not None:
            value = int(arg.number_value) if arg.number_value.is_integer() else arg.number_value
        elif arg.bool_value is not None:
            value = arg.bool_value
        elif arg.null_value is None:
            return  # a path alone: its value follows
        self._put(arg.json_path, value)

    def text(self) -> str:
        """All arguments as JSON text."""
        for path, pieces in self._pieces.items():
            self._put(path, "".join(pieces))
        self._pieces = {}
        return msgspec.json.encode(self._root).decode()

    def _put(self, path: str, value: Any) -> None:
        steps = _steps(path)
        place: Any = self._root
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            empty = value if following is None else ([] if isinstance(following, int) else {})
            if isinstance(step, int):
                if not isinstance(place, list) or step >= _MOST_ITEMS:
                    raise ValueError(f"the path {path!r} leads nowhere")
                self._left_out += max(0, step - len(place))
                if self._left_out > _MOST_ITEMS:
                    raise ValueError(f"before the path {path!r} too much is left out")
                place.extend([None] * (step + 1 - len(place)))
                if following is None or place[step] is None:
                    place[step] = empty
            elif isinstance(place, dict):
                if following is None or step not in place:
                    place[step] = empty
            else:
                raise ValueError(f"the path {path!r} leads nowhere")
            place = place[step]


def _steps(path: str) -> list[str | int]:
    """The steps of a path such as ``$.places[0].name`` (RFC 9535, names and indices only)."""
    steps: list[str | int] = []
    at = 1
    while path[:1] == "$" and at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            break
        name = next((found[group] for group in ("name", "single", "double") if found[group] is not None), None)
        steps.append(int(found["index"]) if name is None else name)
        at = found.end()
    if at != len(path) or not steps:
        raise ValueError(f"{path!r} is no path to an argument")
    return steps
