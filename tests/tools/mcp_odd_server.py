"""An MCP server that misbehaves, over stdio, in plain JSON-RPC: ``python -m tests.tools.mcp_odd_server MODE``."""

from __future__ import annotations

import json
import sys
from typing import Any

MODES: dict[str, dict[str, Any]] = {
    "rubbish": {},
    "same_names": {
        "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("t", "t", "t", "", "é", "_")]
    },
    "odd_schema": {"tools": [{"name": "t", "inputSchema": {"type": "object", "allOf": 9, "required": ["self"]}}]},
    "endless": {"tools": [], "nextCursor": "again"},
}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(mode: str) -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        if mode == "rubbish":
            sys.stdout.buffer.write(b"a careless log line \xff\xfe\x00\n[1, 2]\n{\n")
            sys.stdout.flush()
            _say({"jsonrpc": "2.0", "id": 99_999, "result": {}})
        result: dict[str, Any] = {}
        if asked["method"] == "initialize":
            version = asked["params"]["protocolVersion"]
            about = {"name": "odd", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        elif asked["method"] == "tools/list":
            result = MODES[mode] or {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        elif asked["method"] == "tools/call":
            said = json.dumps(asked["params"]["arguments"])
            result = {"content": [{"type": "text", "text": f"{asked['params']['name']} {said}"}]}
        _say({"jsonrpc": "2.0", "id": asked["id"], "result": result})


if __name__ == "__main__":
    main(sys.argv[1])
