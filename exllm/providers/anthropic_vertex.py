"""What differs where Google Vertex AI serves Claude: the model stands in the path, the API's version in the body.

Source: https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai
"""

from __future__ import annotations

from typing import Any

from exllm.providers.google_paths import model_path
from exllm.providers.spec import ProviderSpec

VERSION = "vertex-2023-10-16"


def to_vertex(body: dict[str, Any], spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    """Path and body of the same request on Vertex AI. Raises `InvalidRequest` for a name that is no model's."""
    rest = {name: value for name, value in body.items() if name != "model"}
    method = "streamRawPredict" if body.get("stream") else "rawPredict"
    return f"{model_path(body['model'], spec)}:{method}", {"anthropic_version": VERSION, **rest}
