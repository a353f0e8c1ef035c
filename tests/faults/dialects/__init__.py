"""The protocols that every test of faults, streams and cancellation is run over: one file each."""

from __future__ import annotations

from tests.faults.dialects.anthropic_messages import ANTHROPIC
from tests.faults.dialects.bedrock_converse import BEDROCK
from tests.faults.dialects.bedrock_invoke import INVOKE
from tests.faults.dialects.cohere_chat import COHERE
from tests.faults.dialects.cohere_v1 import COHERE_V1
from tests.faults.dialects.dialect import TEXT, WORDS, Dialect
from tests.faults.dialects.gemini_generate import GEMINI
from tests.faults.dialects.gemini_interactions import INTERACTIONS
from tests.faults.dialects.lmstudio_chat import LMSTUDIO
from tests.faults.dialects.ollama_chat import OLLAMA
from tests.faults.dialects.ollama_generate import GENERATE
from tests.faults.dialects.openai_chat import OPENAI
from tests.faults.dialects.openai_completions import COMPLETIONS
from tests.faults.dialects.openai_responses import RESPONSES
from tests.faults.dialects.replicate_predictions import REPLICATE
from tests.faults.dialects.sagemaker_invoke import SAGEMAKER
from tests.faults.dialects.watsonx_chat import WATSONX

__all__ = [
    "ANTHROPIC",
    "BEDROCK",
    "COHERE",
    "COHERE_V1",
    "COMPLETIONS",
    "DIALECTS",
    "GEMINI",
    "GENERATE",
    "INTERACTIONS",
    "INVOKE",
    "LMSTUDIO",
    "OLLAMA",
    "OPENAI",
    "REPLICATE",
    "RESPONSES",
    "SAGEMAKER",
    "TEXT",
    "WATSONX",
    "WORDS",
    "Dialect",
]

DIALECTS = (
    OPENAI, ANTHROPIC, BEDROCK, INVOKE, GEMINI, INTERACTIONS, RESPONSES, OLLAMA, COHERE, REPLICATE, WATSONX,
    SAGEMAKER, LMSTUDIO, COMPLETIONS, GENERATE, COHERE_V1,
)  # fmt: skip
