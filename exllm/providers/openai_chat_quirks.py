"""How "OpenAI-compatible" services differ from OpenAI's Chat Completions: named flags for `ProviderSpec.quirks`.

Only requests need flags. Answers are read liberally: every known place of reasoning, usage, citations, images and
errors is understood from every service.
"""

from __future__ import annotations

QUIRKS: dict[str, str] = {
    # -- field names
    "max_tokens_field": "the limit is `max_tokens`; `max_completion_tokens` is unknown or ignored "
    "(Mistral, DeepSeek, Perplexity, Together, llama.cpp, Ollama, LM Studio, ...)",
    "random_seed": "`seed` is called `random_seed` (Mistral)",
    "tool_choice_any": "`tool_choice: required` is called `any` (Mistral before 2025, Snowflake)",
    "logprobs_count": "`logprobs` is the number of alternatives, not a switch (Together)",
    "model_in_path": "the model stands in the path alone, its field is sent empty (SageMaker)",
    # -- what is refused
    "no_stream_options": "`stream_options` is refused or needless: streams have usage anyway (Mistral, Perplexity)",
    "no_developer_role": "only `system` exists: `developer` messages are sent as `system` (nearly all but OpenAI)",
    "no_message_name": "messages carry no `name`: it is refused (Groq, Z.ai)",
    "text_content_only": "`content` must be a string: text parts are joined (DeepSeek, AI21)",
    "no_files": "users send text and images: audio and files are refused (Groq)",
    "string_tool_content": "`content` of tool messages must be a string, though users may send parts (Groq, Together)",
    "short_tool_call_ids": "ids of tool calls must be nine letters or digits: others are hashed to that (Mistral)",
    "no_json_schema": "`response_format` knows `json_object` only: a schema is refused (DeepSeek, Z.ai)",
    "schema_in_json_object": "a JSON Schema goes into `response_format: {type: json_object, schema:}` "
    "(the server of llama-cpp-python)",
    # -- the order of turns
    "alternating_turns": "systems first, then the user and the assistant by turns; neighbours are merged (Perplexity)",
    "strict_order": "systems first; no empty turn of the assistant; results are answered before the user speaks again "
    "(Mistral)",
    # -- additions
    "top_k": "takes `top_k` (OpenRouter, Together, Fireworks, vLLM, llama.cpp, Alibaba, ...)",
    "min_p": "takes `min_p` (OpenRouter, Together, vLLM, llama.cpp, ...)",
    "cache_control": "takes `cache_control` on text parts, as Anthropic does (OpenRouter, Vercel AI Gateway, Alibaba)",
    "tool_cache_control": "takes `cache_control` on tools, too (OpenRouter)",
    "assistant_prefix": "a last message of the assistant needs `prefix: true`, the answer continues it (Mistral)",
    "assistant_partial": "a last message of the assistant needs `partial: true`, the answer continues it "
    "(Moonshot, Alibaba)",
    "tool_result_name": "tool messages carry the `name` of the tool (Moonshot, Mistral)",
    "document_url": "documents are `{type: document_url, document_url:}`, uploaded files `{type: file, file_id:}` "
    "(Mistral)",
    "file_url": "`file_data` of a document may be a URL (OpenRouter)",
    "tool_images": "tool messages may hold images (Ollama)",
    "input_audio_string": "`input_audio` is base64 text or a URL, not an object (Mistral)",
    "google_thought_signature": "signatures of tool calls travel in `extra_content.google.thought_signature` (Gemini)",
    # -- reasoning: what is asked for
    "thinking_type": "`thinking` is `{type: enabled | disabled}` (DeepSeek, Z.ai, Moonshot)",
    "enable_thinking": "`thinking` is `enable_thinking` and `thinking_budget` (Alibaba)",
    "template_thinking": "`thinking` is `chat_template_kwargs: {enable_thinking:}` (vLLM, SGLang, NVIDIA, llama.cpp)",
    "reasoning_switch": "`thinking` is `reasoning: {enabled:}`, beside `reasoning_effort` (Together)",
    "reasoning_object": "`thinking` and `reasoning_effort` are `reasoning: {enabled, max_tokens, effort}` "
    "(OpenRouter, Vercel AI Gateway)",
    # -- reasoning: what goes back in the history
    "reasoning_content_back": "the assistant's reasoning goes back as `reasoning_content` (DeepSeek, Moonshot, Z.ai)",
    "reasoning_back": "the assistant's reasoning goes back as `reasoning` (Cerebras, Groq, vLLM)",
    "reasoning_details_back": "the assistant's reasoning goes back as `reasoning_details`, unchanged "
    "(OpenRouter, Vercel AI Gateway)",
    "thinking_parts_back": "the assistant's reasoning goes back as `thinking` parts of its content (Mistral)",
    # -- search
    "web_search_plugin": "`web_search` is `plugins: [{id: web}]` (OpenRouter)",
    "enable_search": "`web_search` is `enable_search` and `search_options` (Alibaba)",
}

# Options beyond OpenAI's own, and the quirks any of which makes a service take them.
GRANTED_BY: dict[str, frozenset[str]] = {
    "top_k": frozenset({"top_k"}),
    "min_p": frozenset({"min_p"}),
    "cache_control": frozenset({"cache_control"}),
    "thinking": frozenset(
        {"thinking_type", "enable_thinking", "template_thinking", "reasoning_switch", "reasoning_object"}
    ),
}
