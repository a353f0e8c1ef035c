"""How services differ from OpenAI's Responses API: named flags for `ProviderSpec.quirks`.

Only requests need flags. Answers are read liberally: every known place of text, reasoning, usage and errors is
understood from every service.
"""

from __future__ import annotations

QUIRKS: dict[str, str] = {
    # -- field names
    "user_field": "the id of the end user is `user`; `safety_identifier` is unknown (xAI)",
    "logprobs_switch": "log probabilities are asked for with `logprobs: true`, not with `include` (xAI)",
    "response_format_field": "JSON Schema goes into `response_format`, as in Chat Completions (Perplexity)",
    # -- what is refused
    "no_developer_role": "only `system` exists: `developer` messages are sent as `system` (xAI)",
    "messages_only": "`input` holds messages (`type: message`, the assistant's as plain text), function calls and text "
    "as their results: reasoning and items of the provider's tools do not go back (Perplexity)",
    "no_encrypted_reasoning": "`include: [reasoning.encrypted_content]` is refused or means nothing: reasoning is "
    "readable, or stays with the provider (DeepSeek, LM Studio, Perplexity)",
    "openai_prefix": "OpenAI's own models (`openai.gpt-5.5`) are at `/openai/v1`, all others at `/v1` (Bedrock Mantle)",
    # -- additions
    "input_audio": "takes `input_audio` parts; OpenAI has the type, but no model that takes it here (OpenRouter)",
    "top_k": "takes `top_k` (OpenRouter)",
    "penalties": "takes `frequency_penalty` and `presence_penalty` (OpenRouter)",
    "web_search_plugin": "`web_search` is `plugins: [{id: web}]` (OpenRouter)",
    "reasoning_budget": "`thinking` may be a number of tokens: `reasoning: {max_tokens:}` (OpenRouter)",
}

# Options beyond OpenAI's own, and the quirks any of which makes a service take them.
GRANTED_BY: dict[str, frozenset[str]] = {
    "top_k": frozenset({"top_k"}),
    "frequency_penalty": frozenset({"penalties"}),
    "presence_penalty": frozenset({"penalties"}),
}
