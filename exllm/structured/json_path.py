"""The part of JSONPath (RFC 9535) that can be followed while a document is still being read."""

from __future__ import annotations

import re

Step = str | int | None
"""A field's name, a position, or None for all of them (``*``)."""

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d]\w*) | \.(?P<star>\*) | \[(?P<index>\d+)\] | \[(?P<all>\*)\]
      | \['(?P<single>[^'\\]*)'\] | \["(?P<double>[^"\\]*)"\]""",
    re.VERBOSE,
)


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path such as ``$.rows[*]``, ``$.pages[*].rows[*]``, ``$['a b'][0].*``.

    Raises: ValueError for what is no such path: ``..``, filters and slices need the whole document.
    """
    if not path.startswith("$"):
        raise ValueError(f"a path starts with '$', such as '$.rows[*]', got {path!r}")
    steps: list[Step] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(
                f"the path {path!r} cannot be read at {path[position:]!r}; it may have .name, ['name'], [0], [*] and .*"
            )
        position = match.end()
        if match["star"] or match["all"]:
            steps.append(None)
        elif match["index"]:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or match["single"] or match["double"] or "")
    return tuple(steps)
