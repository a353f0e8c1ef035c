"""The clients that are measured: each module adapts one library to `adapter.Adapter`. `CLIENTS` lists them."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from benchmarks.clients.adapter import Adapter


class ClientEntry(NamedTuple):
    """One client of the tables."""

    module: str  # in this package; its class `Client` is the adapter
    dialect: str  # which bytes the server sends it
    distribution: str  # whose version to print
    environment: str = "own"  # whose Python runs it: "own" is the one that runs run.py, else a directory of --peers
    slow: bool = False  # costs over ~100 us a chunk: measured with fewer chunks and repetitions
    import_statement: str = ""  # for the import row
    setup: dict[str, str] = {}  # environment variables
    loop: str = "asyncio"
    options: dict[str, bool] = {}  # arguments of the adapter

    def adapter(self, server_url: str, timeout_s: float | None = None) -> Adapter:
        """Imports the library. Call it in the process that measures."""
        client: type[Adapter] = importlib.import_module(f"benchmarks.clients.{self.module}").Client
        return client(self.dialect, server_url, timeout_s, **self.options)


_LITELLM = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else it fetches its price list at import
_MORE_DIALECTS = ("responses", "bedrock", "ollama", "cohere")

CLIENTS: dict[str, ClientEntry] = {
    "floor": ClientEntry("floor", "openai", "exllm"),
    "raw": ClientEntry("raw", "openai", "aiohttp"),
    "raw-anthropic": ClientEntry("raw", "anthropic", "aiohttp"),
    "raw-gemini": ClientEntry("raw", "gemini", "aiohttp"),
    **{f"raw-{dialect}": ClientEntry("raw_wires", dialect, "aiohttp") for dialect in _MORE_DIALECTS},
    "exllm": ClientEntry("exllm_client", "openai", "exllm", import_statement="import exllm"),
    "exllm-accumulating": ClientEntry("exllm_client", "openai", "exllm", options={"accumulate": True}),
    "exllm-anthropic": ClientEntry("exllm_client", "anthropic", "exllm"),
    "exllm-gemini": ClientEntry("exllm_client", "gemini", "exllm"),
    **{f"exllm-{dialect}": ClientEntry("exllm_client", dialect, "exllm") for dialect in _MORE_DIALECTS},
    "raw-uvloop": ClientEntry("raw", "openai", "uvloop", loop="uvloop"),
    "exllm-uvloop": ClientEntry("exllm_client", "openai", "uvloop", loop="uvloop"),
    "anthropic": ClientEntry("anthropic_sdk", "anthropic", "anthropic", "sdks", import_statement="import anthropic"),
    "openai": ClientEntry("openai_sdk", "openai", "openai", "sdks", slow=True, import_statement="import openai"),
    "any-llm": ClientEntry(
        "any_llm_client", "openai", "any-llm-sdk", "any-llm", slow=True, import_statement="import any_llm"
    ),
    "aisuite": ClientEntry("aisuite_client", "openai", "aisuite", "sdks", slow=True, import_statement="import aisuite"),
    "langchain": ClientEntry(
        "langchain_client",
        "openai",
        "langchain-openai",
        "sdks",
        slow=True,
        import_statement="from langchain_openai import ChatOpenAI",
    ),
    "google-genai": ClientEntry(
        "google_genai", "gemini", "google-genai", "sdks", slow=True, import_statement="from google import genai"
    ),
    "pydantic-ai": ClientEntry(
        "pydantic_ai_client",
        "openai",
        "pydantic-ai-slim",
        "sdks",
        slow=True,
        import_statement="import pydantic_ai",
    ),
    "litellm": ClientEntry(
        "litellm_client",
        "openai",
        "litellm",
        "litellm",
        slow=True,
        import_statement="import litellm",
        setup=_LITELLM,
    ),
}

BASELINES = {
    "openai": "raw",
    **{dialect: f"raw-{dialect}" for dialect in ("anthropic", "gemini", *_MORE_DIALECTS)},
}
"""What each client is compared with: `raw` on the same bytes."""
