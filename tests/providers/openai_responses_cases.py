"""Calls in our words beside the arguments that OpenAI's SDK takes for the same."""

from __future__ import annotations

import base64
from typing import Any

from exllm.providers.openai_responses_calls import CallSignature
from exllm.providers.openai_responses_reasoning import Signature
from exllm.types.message import Message
from exllm.types.parts import (
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.tool import ServerTool, Tool

PNG, PDF = b"\x89PNG\r\n\x1a\n...", b"%PDF-1.7 ..."
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PDF_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OWN = "openai-responses"
WEATHER = Tool("get_weather", "The weather of a city.", SCHEMA)
WEATHER_PARAM = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": SCHEMA,
    "strict": False,
}
HI = [{"role": "user", "content": "Hi"}]
USER = Message("user", "Hi")
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
PARIS = ToolCall("call_1", "get_weather", '{"city":"Paris"}')
SOURCE = {"type": "url_citation", "url": "https://example.com", "title": "E", "start_index": 0, "end_index": 2}
ENCRYPTED = Signature(OWN, 1, "gAAAA").write()
NAMESPACED = CallSignature(OWN, "function_call", "fc_1", {"namespace": "n"}).write()
ACTIONS: dict[str, dict[str, Any]] = {
    "computer_call": {"type": "computer_call", "id": "cu_1", "action": {"type": "screenshot"}, "status": "completed"},
    "local_shell_call": {"type": "local_shell_call", "id": "ls_1", "action": {"type": "exec", "command": ["ls"]}},
    "shell_call": {"type": "shell_call", "id": "sh_1", "action": {"commands": ["ls"]}},
    "apply_patch_call": {"type": "apply_patch_call", "id": "ap_1", "operation": {"type": "delete_file", "path": "a"}},
    "mcp_approval_request": {"type": "mcp_approval_request", "id": "mcpr_1", "call_id": "mcpr_1", "name": "f"},
}
BUILT_IN: dict[str, dict[str, Any]] = {
    "web_search": {"filters": {"allowed_domains": ["example.com"]}},
    "file_search": {"vector_store_ids": ["vs_1"], "max_num_results": 3},
    "code_interpreter": {"container": {"type": "auto"}},
    "image_generation": {"size": "1024x1024", "partial_images": 2},
    "mcp": {"server_label": "m", "server_url": "https://mcp.example.com", "require_approval": "never"},
    "computer_use_preview": {"display_width": 800, "display_height": 600, "environment": "browser"},
    "shell": {},
    "apply_patch": {},
}


def own(data: dict[str, Any]) -> ProviderPart:
    return ProviderPart(OWN, data)


def tool(kind: str, /, **fields: Any) -> ServerTool:
    return ServerTool({"type": kind, **fields})


def said(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def answer(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(content), **fields}


def words(text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def format_(**fields: Any) -> dict[str, Any]:
    return {"input": HI, "text": {"format": {"type": "json_schema", **fields}}}


# Ours (messages, options) beside the SDK's arguments.
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "text": ("Hi", {}, {"input": HI}),
    "system and developer messages": (
        [Message("system", "Be brief."), Message("developer", "Be kind."), USER],
        {},
        {
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "Be kind."},
                *HI,
            ]
        },
    ),
    "images": (
        [
            Message(
                "user",
                [
                    Text("Compare"),
                    Image(url="https://example.com/a.png"),
                    Image(data=PNG, media_type="image/png", detail="low"),
                    FileRef("file-img", media_type="image/png"),
                ],
            )
        ],
        {},
        {
            "input": [
                said(
                    {"type": "input_text", "text": "Compare"},
                    {"type": "input_image", "image_url": "https://example.com/a.png"},
                    {"type": "input_image", "image_url": PNG_URL, "detail": "low"},
                    {"type": "input_image", "file_id": "file-img"},
                )
            ]
        },
    ),
    "documents": (
        [
            Message(
                "user",
                [
                    Document(data=PDF, media_type="application/pdf", title="a.pdf"),
                    Document(data=PDF, media_type="application/pdf"),
                    Document(url="https://example.com/b.pdf"),
                    FileRef("file-pdf"),
                ],
            )
        ],
        {},
        {
            "input": [
                said(
                    {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URL},
                    {"type": "input_file", "filename": "document.pdf", "file_data": PDF_URL},
                    {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                    {"type": "input_file", "file_id": "file-pdf"},
                )
            ]
        },
    ),
    "tool loop": (
        [
            USER,
            Message("assistant", [Text("Let me look."), PARIS, ToolCall("call_2", "now", "")]),
            Message("tool", [ToolResult("call_1", "21 degrees"), ToolResult("call_2", "noon", is_error=True)]),
        ],
        {"tools": [WEATHER]},
        {
            "input": [
                *HI,
                answer(words("Let me look.")),
                CALL,
                {"type": "function_call", "call_id": "call_2", "name": "now", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "21 degrees"},
                {"type": "function_call_output", "call_id": "call_2", "output": "noon"},
            ],
            "tools": [WEATHER_PARAM],
        },
    ),
    "tool results with media": (
        [
            USER,
            Message("assistant", [PARIS]),
            Message(
                "tool",
                [
                    ToolResult(
                        "call_1",
                        (
                            Text("See"),
                            Image(data=PNG, media_type="image/png"),
                            Document(data=PDF, media_type="application/pdf"),
                        ),
                    )
                ],
            ),
        ],
        {},
        {
            "input": [
                *HI,
                CALL,
                {
                    "type": "function_call_output",
                    "call_id": "call_1",
                    "output": [
                        {"type": "input_text", "text": "See"},
                        {"type": "input_image", "image_url": PNG_URL},
                        {"type": "input_file", "filename": "document.pdf", "file_data": PDF_URL},
                    ],
                },
            ]
        },
    ),
    "custom tool calls": (
        [
            USER,
            Message("assistant", [ToolCall("call_1", "run", "print(1)", signature="custom")]),
            Message("tool", [ToolResult("call_1", "1")]),
        ],
        {"tools": [tool("custom", name="run")], "tool_choice": "run"},
        {
            "input": [
                *HI,
                {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "print(1)"},
                {"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"},
            ],
            "tools": [{"type": "custom", "name": "run"}],
            "tool_choice": {"type": "custom", "name": "run"},
        },
    ),
    "reasoning with several summaries, encrypted": (
        [
            USER,
            Message(
                "assistant",
                [
                    Reasoning("First.", id="rs_1"),
                    Reasoning("Then.", Signature(OWN, 2, "gAAAA").write(), id="rs_1"),
                    Text("42"),
                ],
            ),
        ],
        {},
        {
            "input": [
                *HI,
                {
                    "type": "reasoning",
                    "summary": [
                        {"type": "summary_text", "text": "First."},
                        {"type": "summary_text", "text": "Then."},
                    ],
                    "encrypted_content": "gAAAA",
                },
                answer(words("42")),
            ]
        },
    ),
    "readable reasoning": (
        [USER, Message("assistant", [Reasoning("Hm.", Signature(OWN).write(), id="rs_1"), PARIS])],
        {},
        {
            "input": [
                *HI,
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "Hm."}],
                },
                CALL,
            ]
        },
    ),
    "items of the provider's tools, with the ids of all": (
        [
            USER,
            Message(
                "assistant",
                [
                    Reasoning("Hm.", ENCRYPTED, id="rs_1"),
                    own(SEARCH),
                    own({"type": "message", "id": "msg_1", "phase": "final_answer"}),
                    Text("Yes", (Citation("https://example.com", "E", source=SOURCE),)),
                    ToolCall("call_1", "get_weather", '{"city":"Paris"}', signature=NAMESPACED),
                ],
            ),
        ],
        {},
        {
            "input": [
                *HI,
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "Hm."}],
                    "encrypted_content": "gAAAA",
                },
                SEARCH,
                answer(words("Yes", SOURCE), id="msg_1", status="completed", phase="final_answer"),
                {**CALL, "id": "fc_1", "namespace": "n"},
            ]
        },
    ),
    "a message in phases": (
        [
            USER,
            Message(
                "assistant",
                [
                    own({"type": "message", "id": "msg_1", "phase": "commentary"}),
                    Text("I will look."),
                    own({"type": "message", "id": "msg_2", "phase": "final_answer"}),
                    Text("There."),
                ],
            ),
        ],
        {},
        {
            "input": [
                *HI,
                answer(words("I will look."), phase="commentary"),
                answer(words("There."), phase="final_answer"),
            ]
        },
    ),
    "a refusal": (
        [USER, Message("assistant", [Refusal("No.")]), USER],
        {},
        {"input": [*HI, answer({"type": "refusal", "refusal": "No."}), *HI]},
    ),
    "an image that was made": (
        [
            USER,
            Message(
                "assistant",
                [
                    own({"type": "image_generation_call", "id": "ig_1", "status": "completed"}),
                    Image(data=PNG, media_type="image/png"),
                ],
            ),
            USER,
        ],
        {},
        {
            "input": [
                *HI,
                {
                    "type": "image_generation_call",
                    "id": "ig_1",
                    "status": "completed",
                    "result": base64.b64encode(PNG).decode(),
                },
                *HI,
            ]
        },
    ),
    "what the provider's tools asked for": (
        [
            USER,
            Message("assistant", [own({"call_id": f"call_{kind}", **ACTIONS[kind]}) for kind in ACTIONS]),
            Message(
                "tool",
                [
                    ToolResult("call_computer_call", (Image(data=PNG, media_type="image/png"),)),
                    ToolResult("call_local_shell_call", "a.txt"),
                    ToolResult("call_shell_call", "no such file", is_error=True),
                    ToolResult("call_apply_patch_call", "done"),
                    ToolResult("mcpr_1", "never", is_error=True),
                ],
            ),
        ],
        {},
        {
            "input": [
                *HI,
                *({"call_id": f"call_{kind}", **ACTIONS[kind]} for kind in ACTIONS),
                {
                    "type": "computer_call_output",
                    "call_id": "call_computer_call",
                    "output": {"type": "computer_screenshot", "image_url": PNG_URL},
                },
                {"type": "local_shell_call_output", "id": "call_local_shell_call", "output": "a.txt"},
                {
                    "type": "shell_call_output",
                    "call_id": "call_shell_call",
                    "output": [{"stdout": "", "stderr": "no such file", "outcome": {"type": "exit", "exit_code": 1}}],
                },
                {
                    "type": "apply_patch_call_output",
                    "call_id": "call_apply_patch_call",
                    "status": "completed",
                    "output": "done",
                },
                {
                    "type": "mcp_approval_response",
                    "approval_request_id": "mcpr_1",
                    "approve": False,
                    "reason": "never",
                },
            ]
        },
    ),
    "an answer of the caller in the provider's own words": (
        [USER, Message("tool", [own({"type": "mcp_approval_response", "approval_request_id": "m", "approve": True})])],
        {},
        {"input": [*HI, {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}]},
    ),
    "sampling and limits": (
        "Hi",
        {"temperature": 0.5, "top_p": 0.9, "max_tokens": 100},
        {"input": HI, "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 100},
    ),
    "who asks, what is kept, how it is served": (
        "Hi",
        {"user": "u-1", "metadata": {"a": "b"}, "store": True, "service_tier": "flex", "parallel_tool_calls": False},
        {
            "input": HI,
            "safety_identifier": "u-1",
            "metadata": {"a": "b"},
            "store": True,
            "service_tier": "flex",
            "parallel_tool_calls": False,
        },
    ),
    "log probabilities": (
        "Hi",
        {"logprobs": True, "top_logprobs": 3},
        {"input": HI, "top_logprobs": 3, "include": ["message.output_text.logprobs"]},
    ),
    "JSON mode": ("Hi", {"response_format": "json"}, {"input": HI, "text": {"format": {"type": "json_object"}}}),
    "plain text, briefly": (
        "Hi",
        {"response_format": "text", "verbosity": "low"},
        {"input": HI, "text": {"format": {"type": "text"}, "verbosity": "low"}},
    ),
    "a bare JSON Schema": (
        "Hi",
        {"response_format": {**SCHEMA, "title": "My answer"}},
        format_(name="My_answer", schema={**SCHEMA, "title": "My answer"}),
    ),
    "a named JSON Schema": (
        "Hi",
        {"response_format": {"name": "city", "schema": SCHEMA, "strict": True, "description": "A city."}},
        format_(name="city", schema=SCHEMA, strict=True, description="A city."),
    ),
    "a JSON Schema as in Chat Completions": (
        "Hi",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}},
        format_(name="city", schema=SCHEMA, strict=True),
    ),
    "a JSON Schema as the API has it": (
        "Hi",
        {"response_format": {"type": "json_schema", "name": "city", "schema": SCHEMA}},
        format_(name="city", schema=SCHEMA),
    ),
    "a strict tool": (
        "Hi",
        {"tools": [Tool("f", schema=SCHEMA, strict=True)], "tool_choice": "required"},
        {
            "input": HI,
            "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}],
            "tool_choice": "required",
        },
    ),
    "a tool that must be called": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": "get_weather"},
        {"input": HI, "tools": [WEATHER_PARAM], "tool_choice": {"type": "function", "name": "get_weather"}},
    ),
    "a tool that must be called, as in Chat Completions": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"input": HI, "tools": [WEATHER_PARAM], "tool_choice": {"type": "function", "name": "get_weather"}},
    ),
    "tools of the provider": (
        "Hi",
        {"tools": [tool(name, **fields) for name, fields in BUILT_IN.items()], "tool_choice": "file_search"},
        {
            "input": HI,
            "tools": [{"type": name, **fields} for name, fields in BUILT_IN.items()],
            "tool_choice": {"type": "file_search"},
        },
    ),
    "some tools only": (
        "Hi",
        {
            "tools": [WEATHER],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        },
        {
            "input": HI,
            "tools": [WEATHER_PARAM],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        },
    ),
    "web search": ("Hi", {"web_search": True}, {"input": HI, "tools": [{"type": "web_search"}]}),
    "web search beside tools, with options": (
        "Hi",
        {"tools": [WEATHER], "web_search": {"search_context_size": "low"}},
        {"input": HI, "tools": [WEATHER_PARAM, {"type": "web_search", "search_context_size": "low"}]},
    ),
}

# The same for a model that reasons, which is asked for its reasoning in encrypted form.
INCLUDE = ["reasoning.encrypted_content"]
ON_REASONING_MODELS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "reasoning as it comes": ("Hi", {}, {"input": HI, "include": INCLUDE}),
    "effort": ("Hi", {"reasoning_effort": "high"}, {"input": HI, "reasoning": {"effort": "high"}, "include": INCLUDE}),
    "thoughts are shown": (
        "Hi",
        {"thinking": True},
        {"input": HI, "reasoning": {"summary": "auto"}, "include": INCLUDE},
    ),
    "no thoughts": ("Hi", {"thinking": False}, {"input": HI, "reasoning": {"effort": "none"}, "include": INCLUDE}),
    "the API's own object, and effort": (
        "Hi",
        {"thinking": {"summary": "detailed", "context": "all_turns"}, "reasoning_effort": "low"},
        {
            "input": HI,
            "reasoning": {"summary": "detailed", "context": "all_turns", "effort": "low"},
            "include": INCLUDE,
        },
    ),
    "nothing is stored": ("Hi", {"store": False}, {"input": HI, "store": False, "include": INCLUDE}),
    "with log probabilities": (
        "Hi",
        {"logprobs": True},
        {"input": HI, "include": [*INCLUDE, "message.output_text.logprobs"]},
    ),
    "cache breakpoints": (
        [Message("user", [Text("Long.", cache_control=CacheControl()), Text("Short.")])],
        {"cache_control": True},
        {
            "input": [
                said(
                    {"type": "input_text", "text": "Long.", "prompt_cache_breakpoint": {"mode": "explicit"}},
                    {"type": "input_text", "text": "Short.", "prompt_cache_breakpoint": {"mode": "explicit"}},
                )
            ],
            "include": INCLUDE,
        },
    ),
    "a breakpoint after a text alone": (
        "Hi",
        {"cache_control": True},
        {
            "input": [said({"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}})],
            "include": INCLUDE,
        },
    ),
    "a breakpoint after a result": (
        [
            USER,
            Message("assistant", [PARIS]),
            Message("tool", [ToolResult("call_1", "x", cache_control=CacheControl())]),
        ],
        {},
        {
            "input": [
                *HI,
                CALL,
                {
                    "type": "function_call_output",
                    "call_id": "call_1",
                    "output": [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}],
                },
            ],
            "include": INCLUDE,
        },
    ),
}

# What has no option of ours travels in `extra`.
EXTRA: dict[str, Any] = {
    "previous_response_id": "resp_0",
    "instructions": "Be brief.",
    "background": True,
    "truncation": "auto",
    "max_tool_calls": 3,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
    "prompt": {"id": "pmpt_1", "variables": {"name": "Ada"}},
    "conversation": "conv_1",
    "context_management": [{"type": "compaction", "compact_threshold": 1000}],
    "include": ["web_search_call.action.sources"],
    "text": {"verbosity": "high"},
    "stream_options": {"include_obfuscation": False},
    "moderation": {"model": "omni-moderation-latest"},
}
