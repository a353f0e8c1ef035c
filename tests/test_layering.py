"""A module imports only from its own row or the rows above it, and only some rows may do I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "exllm"

# Top to bottom; a name stands for the module and all below it, the longest match wins.
ROWS: list[list[str]] = [
    ["exllm.version", "exllm.errors", "exllm.types", "exllm.similarity"],
    [
        "exllm.streaming.frame", "exllm.streaming.sse", "exllm.streaming.ndjson", "exllm.streaming.aws_eventstream",
        "exllm.streaming.websocket", "exllm.streaming.ring", "exllm.streaming.batcher", "exllm.streaming.flow",
        "exllm.streaming.line", "exllm.streaming.feeder", "exllm.streaming.interrupt", "exllm.streaming.alarms",
        "exllm.streaming.loop_end",
    ],
    ["exllm.policies", "exllm.config"],
    ["exllm.model_catalog", "exllm.providers", "exllm.credentials"],
    ["exllm.cost", "exllm.context", "exllm.transport", "exllm.structured"],
    ["exllm.streaming", "exllm.local", "exllm.media", "exllm.sse"],
    [
        "exllm.access", "exllm.recovery", "exllm.call", "exllm.backend", "exllm.budgeted_backend",
        "exllm.embedding_call", "exllm.token_call", "exllm.model_lists",
        "exllm.image_questions", "exllm.client_core", "exllm.client_models", "exllm.client_live",
        "exllm.client",
        "exllm.default_client", "exllm.testing", "exllm.live",
        "exllm.structured.source",
    ],
    ["exllm.integrations", "exllm.cli"],
    ["exllm"],
]  # fmt: skip
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}

# The seam that transports, backends and the pump share is data and a protocol; it belongs to the row of the framing.
ROW_OF["exllm.streaming.source"] = ROW_OF["exllm.streaming.frame"]

# The client hands out runs, and the loop of a run asks the client.
ROW_OF["exllm.tools"] = ROW_OF["exllm.client"]
ROW_OF["exllm.sessions"] = ROW_OF["exllm.client"]

# A file that stores share.
ROW_OF["exllm.sqlite_file"] = ROW_OF["exllm.config"]

# Pure, and what is signed must be what is sent.
ROW_OF["exllm.transport.exact_url"] = ROW_OF["exllm.version"]

# The mock is a whole backend, like the local models, and folds its own answers.
ROW_OF["exllm.providers.mock"] = ROW_OF["exllm.local"]

IO_LIBRARIES = {"aiohttp", "asyncio", "socket", "ssl", "websockets", "llama_cpp", "http", "urllib.request"}
SANS_IO = [
    "exllm.types", "exllm.errors", "exllm.providers", "exllm.streaming.frame", "exllm.streaming.sse",
    "exllm.streaming.ndjson", "exllm.streaming.aws_eventstream", "exllm.streaming.websocket",
    "exllm.streaming.accumulator", "exllm.streaming.choice_builder", "exllm.streaming.fold", "exllm.streaming.gaps",
    "exllm.streaming.intake", "exllm.streaming.text_pieces", "exllm.streaming.timing", "exllm.streaming.usage_counts",
    "exllm.structured",
]  # fmt: skip
# The mock is a whole backend, not a wire: its scripted delays need the loop.
NOT_SANS_IO = {"exllm.structured.source", "exllm.providers.mock"}

MODULES = {
    ".".join(["exllm", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _row(module: str) -> int:
    name = module
    while name not in ROW_OF:
        name = name.rpartition(".")[0]
    return ROW_OF[name]


def _imports(module: str) -> Iterator[tuple[str, int]]:
    """Every module that `module` names in an import, with the line; submodules where `from package import name`."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module, node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_its_own_row_or_above(module: str) -> None:
    own = _row(module)
    wrong = [f"line {line}: {name}" for name, line in _imports(module) if name.startswith("exllm") and _row(name) > own]
    assert not wrong, f"{module} imports from a row below its own: {wrong}"


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if any(name == top or name.startswith(top + ".") for top in SANS_IO) and name not in NOT_SANS_IO
    ],
)
def test_pure_modules_import_nothing_that_does_io(module: str) -> None:
    found = {name for name, _ in _imports(module)}
    assert not {name for name in found if name in IO_LIBRARIES or name.split(".")[0] in IO_LIBRARIES}


def test_only_the_transport_knows_aiohttp() -> None:
    users = {module for module in MODULES if any(name.split(".")[0] == "aiohttp" for name, _ in _imports(module))}
    assert users
    assert all(module.startswith("exllm.transport") for module in users), users


def test_only_the_transport_knows_websockets() -> None:
    users = {module for module in MODULES if any(name.split(".")[0] == "websockets" for name, _ in _imports(module))}
    assert users == {"exllm.transport.websocket"}


def test_only_the_local_provider_knows_llama_cpp() -> None:
    users = {module for module in MODULES if any(name.split(".")[0] == "llama_cpp" for name, _ in _imports(module))}
    assert all(module.startswith("exllm.local") for module in users), users


def test_no_file_is_longer_than_it_can_be_read() -> None:
    long = {name: count for name, path in MODULES.items() if (count := len(path.read_text().splitlines())) > 600}
    assert not long
