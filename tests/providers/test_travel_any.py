"""Any valid conversation can be written for any wire, or is refused with words that say what to do."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import (
    Audio,
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tests.providers.test_messages_travel import build, spec_of
from tests.providers.travel_checks import TARGETS, Target

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORDS = st.sampled_from(["Hello.", "What is this?", "42"])
OPAQUE = st.sampled_from(
    [
        None, "", "123", "c2ln", "c2lnbmF0dXJl", '{"type":"reasoning.text","text":1}', 'x:{"type":3}', "custom",
        'openai_reasoning:{"provider":"openai-responses","summaries":9}',
        'openai_call:{"provider":"x","fields":{"type":1}}',
    ]
)  # fmt: skip
OWNERS = st.sampled_from([target.provider for target in TARGETS] + ["anybody"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
TYPES = st.sampled_from(
    [
        None, "message", "text", "web_search_call", "image_generation_call", "web_search_tool_result", "toolResult",
        "reasoning",
    ]
)  # fmt: skip
IDS = st.sampled_from(
    ["call_0_0", "call_1", "functions.look:0", "toolu_1", "srvtoolu_1", "é", " ", "x" * 90, "tooluse_a-b"]
)
CACHED = st.sampled_from([None, CacheControl(), CacheControl(ttl="1h")])
CITED = st.builds(
    Citation,
    url=st.none() | st.just("https://a"),
    source=st.none()
    | st.fixed_dictionaries({}, optional={"type": TYPES, "sources": JSON, "location": JSON, "url": JSON}),
)
TEXTS = st.builds(Text, TEXT, st.lists(CITED, max_size=2).map(tuple), CACHED)


def media(kind: Any, types: list[str], **more: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, data=st.binary(max_size=4), media_type=st.sampled_from(types), **more) | st.builds(
        kind, url=st.sampled_from(["https://example.org/a.png", "s3://bucket/key", "gs://b/k"]), **more
    )


IMAGES = media(
    Image, ["image/png", "image/svg+xml", "x"], detail=st.sampled_from([None, "low", "original"]), cache_control=CACHED
)
AUDIO = media(Audio, ["audio/wav", "audio/pcm", "x"], id=st.none() | IDS, transcript=st.none() | TEXT)
DOCUMENTS = media(
    Document, ["application/pdf", "text/plain; charset=x", "x"], title=st.none() | TEXT, context=st.none() | TEXT,
    citations=st.sampled_from([None, True, False]),
)  # fmt: skip
FILES = st.builds(FileRef, IDS | st.just("s3://bucket/key"), st.sampled_from([None, "image/png", "x"]), CACHED)
PROVIDERS = st.builds(
    ProviderPart,
    OWNERS,
    st.fixed_dictionaries(
        {}, optional={"type": TYPES, "id": IDS, "tool_use_id": IDS, "call_id": IDS, "toolResult": JSON}
    ),
)
REASONING = st.builds(
    Reasoning, TEXT, OPAQUE, OPAQUE, st.sampled_from([None, "gemini", "gemini:next", "bedrock", "tool_plan", "rs_1"])
)
ARGUMENTS = st.sampled_from(["", " ", "{}", '{"a":1}', '{"a":', "[1]", "null", '"x"', "free text", "1e999", "{}{}"])


@st.composite
def conversations(draw: st.DrawFn, *, asked: st.SearchStrategy[Part] = TEXTS) -> list[Message]:
    """Questions, answers of any parts in any order, the results of their calls, and a question at the end."""
    said = draw(st.lists(st.builds(Message, st.sampled_from(["system", "developer"]), WORDS), max_size=2))
    for _ in range(draw(st.integers(0, 3))):
        shown = TEXTS | IMAGES | AUDIO | DOCUMENTS | FILES
        said.append(Message("user", (Text(draw(WORDS)), *draw(st.lists(shown, max_size=2)))))
        parts = draw(st.lists(ANSWERED, max_size=5))
        said.append(Message("assistant", tuple(parts)))
        calls = [part for part in parts if isinstance(part, ToolCall) and not part.provider_executed]
        results = [draw(results_of(call)) for call in calls]
        if results:
            said.append(Message("tool", tuple(draw(st.permutations(results)))))
    said.append(Message("user", (Text("And now?"), draw(asked))))
    return said


def results_of(call: ToolCall) -> st.SearchStrategy[ToolResult]:
    content = TEXT | st.lists(TEXTS | IMAGES | DOCUMENTS, max_size=3).map(tuple)
    return st.builds(ToolResult, st.just(call.id), content, st.sampled_from([None, "look"]), st.booleans(), CACHED)


CALLS = st.builds(ToolCall, IDS, st.sampled_from(["look", "a.b"]), ARGUMENTS, st.booleans(), OPAQUE, CACHED)
ANSWERED = TEXTS | CALLS | REASONING | PROVIDERS | IMAGES | AUDIO | DOCUMENTS | FILES | st.builds(Refusal, TEXT)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TARGETS), conversations())
def test_what_was_answered_never_keeps_a_conversation_from_going_on(target: Target, said: list[Message]) -> None:
    messages = normalise_messages(said)
    http = build(messages, target)
    body = msgspec.json.decode(http.body)
    if target.has_tools:
        ids = target.ids(body)
        assert len(set(ids.calls)) == len(ids.calls)
        assert sorted(ids.calls) == sorted(ids.results)
    assert all(isinstance(warning, str) and warning for warning in http.warnings)
    assert len(set(http.warnings)) == len(http.warnings)
    assert "And now?" in http.body.decode()


SAYS_WHAT_TO_DO = re.compile(r"takes|wants|cannot|no JSON|give|is not|must|loads nothing|no JSON|holds")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TARGETS), conversations(asked=IMAGES | AUDIO | DOCUMENTS | FILES))
def test_what_is_asked_now_is_written_or_refused_with_words(target: Target, said: list[Message]) -> None:
    try:
        http = build(normalise_messages(said), target)
    except (InvalidRequest, UnsupportedOption) as error:
        refused = error.message
    else:
        refused = ""
        assert msgspec.json.decode(http.body)
    assert not refused or SAYS_WHAT_TO_DO.search(refused), refused


def test_every_target_has_a_spec() -> None:
    assert {spec_of(target.provider).name for target in TARGETS} == {target.provider for target in TARGETS}
