"""Objects of a Gemini stream to chunks: everything that the recordings do not show."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from exllm.errors import StreamInterrupted
from exllm.providers import ProviderSpec, registry
from exllm.providers.gemini_decode import AnswerDecoder
from exllm.providers.gemini_finish import FINISH_REASONS
from exllm.providers.gemini_generate import WIRE
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    Finish,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.message import Message
from exllm.types.parts import Audio, Citation, Image, ProviderPart, Reasoning, Text, ToolCall, ToolResult
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers.gemini_recordings import SPEC, as_sent_back, decode_body, decode_stream, fold
from tests.rechunk import bytewise, rechunk

Part = dict[str, Any]
SIGNATURE = "c2lnbmF0dXJl"


def answer(*parts: Part, reason: Any = None, index: int = 0, usage: Any = None, **candidate: Any) -> dict[str, Any]:
    """One object of the stream."""
    made: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": index, **candidate}
    if reason is not None:
        made["finishReason"] = reason
    return {"candidates": [made], **({} if usage is None else {"usageMetadata": usage})}


def text(words: str, **more: Any) -> Part:
    return {"text": words, **more}


def decode(*answers: dict[str, Any], keeps_text: bool = True) -> list[Chunk]:
    """The chunks of a stream, which are those of every slicing and of the list of the same answers."""
    decoder = AnswerDecoder("gemini", "gemini-2.5-flash", keeps_text=keeps_text)
    chunks = decoder.feed([Frame(json.dumps(each).encode()) for each in answers])
    chunks += decoder.close()
    if keeps_text:
        body = b"".join(b"data: %b\r\n\r\n" % json.dumps(each, ensure_ascii=False).encode() for each in answers)
        for slices in ([body], bytewise(body), rechunk(body, 1), rechunk(body, 2)):
            assert decode_stream(slices) == (chunks, None)
        assert decode_body(json.dumps(answers).encode()) == chunks
    return chunks


def response(*answers: dict[str, Any]) -> Response:
    return fold(decode(*answers))


def sent_back(reply: Response) -> list[Part]:
    """The parts that the answer has in the next request."""
    messages = (Message("user", "Hi"), reply.message, Message("user", "And?"))
    http = WIRE.build(Request("gemini", "gemini-2.5-flash", messages), SPEC)
    assert http.warnings == ()
    parts: list[Part] = json.loads(http.body)["contents"][1]["parts"]
    return parts


# -- text and thoughts


def test_text_is_one_part_however_many_pieces_it_came_in() -> None:
    assert decode(answer(text("a")), answer(text("")), answer(text("b"), text("c"), reason="STOP")) == [
        StreamStart(),
        TextDelta("a"),
        TextDelta("b"),
        TextDelta("c"),
        Finish("stop", raw="STOP"),
    ]


def test_thoughts_and_text_are_parts_in_their_order() -> None:
    reply = response(
        answer(text("Hm", thought=True)),
        answer(text(".", thought=True)),
        answer(text("So")),
        answer(text("Wait", thought=True), text("it is."), reason="STOP"),
    )
    assert reply.parts == (
        Reasoning("Hm.", id="gemini"), Text("So"), Reasoning("Wait", id="gemini"), Text("it is.")
    )  # fmt: skip
    assert (reply.reasoning, reply.text) == ("Hm.Wait", "Soit is.")
    assert sent_back(reply) == [
        text("Hm.", thought=True), text("So"), text("Wait", thought=True), text("it is.")
    ]  # fmt: skip


SIGNED: dict[str, list[Part]] = {
    "a thought": [text("Hm", thought=True, thoughtSignature=SIGNATURE), text("So.")],
    "two thoughts": [
        text("Hm", thought=True, thoughtSignature=SIGNATURE),
        text("Hm", thought=True, thoughtSignature="b3RoZXIx"),
    ],
    "text": [text("So", thoughtSignature=SIGNATURE), text(" it is.")],
    "text between text": [text("A"), text("B", thoughtSignature=SIGNATURE), text("C")],
    "empty text at the end": [text("So."), text("", thoughtSignature=SIGNATURE)],
    "empty text in the middle": [text("A"), text("", thoughtSignature=SIGNATURE), text("B")],
    "a call": [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": SIGNATURE}],
    "a call after text": [
        text("A", thoughtSignature=SIGNATURE),
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "b3RoZXIx"},
        {"functionCall": {"id": "2", "name": "g", "args": {}}},
    ],
    "an image": [
        text("See:"),
        {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}, "thoughtSignature": SIGNATURE},
    ],
    "sound": [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "c291bmQ="}, "thoughtSignature": SIGNATURE}],
    "code": [
        {"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": SIGNATURE},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        text("2"),
    ],
    "an image among the thoughts": [
        {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}, "thought": True, "thoughtSignature": SIGNATURE},
        {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}},
    ],
    "tools of gemini's": [
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "1", "args": {"q": "x"}}, "thoughtSignature": SIGNATURE},
        {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "1", "response": {"r": [1]}}},
        text("So."),
    ],
    "a film": [{"inlineData": {"mimeType": "video/mp4", "data": "ZmlsbQ=="}}],
    "something to come": [text("A"), {"hologram": {"depth": 3}, "partMetadata": {"x": 1}}, text("B")],
}


@pytest.mark.parametrize("parts", SIGNED.values(), ids=SIGNED)
def test_every_part_goes_back_as_it_came_with_its_signature(parts: list[Part]) -> None:
    whole = response(answer(*parts, reason="STOP"))
    assert sent_back(whole) == parts
    apart = response(*(answer(part) for part in parts), answer(reason="STOP"))
    assert apart == whole


@pytest.mark.parametrize("name", ["anthropic", "openai", "openai-responses", "bedrock", "cohere", "ollama"])
def test_an_answer_can_go_to_another_provider_without_what_is_geminis_own(name: str) -> None:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    reply = response(
        answer(text("Hm", thought=True, thoughtSignature=SIGNATURE), text("Apple", thoughtSignature=SIGNATURE)),
        answer({"executableCode": {"code": "x"}}, text("Banana")),
        answer({**fc(name="look", id="c1", args={"at": 1}), "thoughtSignature": SIGNATURE}, reason="STOP"),
    )
    messages = (Message("user", "Hi"), reply.message, Message.of("tool", [ToolResult("c1", "seen")]))
    http = registry.wire(spec.wire).build(Request(name, spec.default_model or "m", messages), spec)
    sent = http.body.decode()
    assert SIGNATURE not in sent
    assert "executableCode" not in sent
    assert http.warnings
    for words in ("Apple", "Banana", "look", "seen"):
        assert words in sent


def _any_part(dice: random.Random) -> Part:
    made: Part = dice.choice(
        [
            text(dice.choice(["a", "é ", "b\n"])),
            text(dice.choice(["Hm", "So "]), thought=True),
            fc(id=str(dice.randrange(9)), name="f", args={"x": dice.randrange(9)}),
            fc(name="g", args={}),
            {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
            {"toolCall": {"toolType": "FILE_SEARCH", "id": "1"}},
            text("", thoughtSignature=SIGNATURE),
        ]
    )
    return {**made, "thoughtSignature": SIGNATURE} if dice.random() < 0.3 else made


@pytest.mark.parametrize("seed", range(60))
def test_any_parts_in_any_objects_go_back_as_they_came(seed: int) -> None:
    dice = random.Random(seed)
    parts = [_any_part(dice) for _ in range(dice.randrange(1, 12))]
    objects, rest = [], list(parts)
    while rest:
        size = dice.randrange(0, 4)
        objects.append(answer(*rest[:size]))
        del rest[:size]
    reply = fold(decode(*objects, answer(reason="STOP")))
    assert sent_back(reply) == as_sent_back(parts)
    assert reply.text == "".join(part["text"] for part in parts if "text" in part and "thought" not in part)
    assert len(reply.tool_calls) == sum("functionCall" in part for part in parts)


# -- calls


def test_calls_come_whole_with_compact_arguments() -> None:
    chunks = decode_body(
        b'{"candidates": [{"content": {"parts": ['
        b'{"functionCall": {"name": "f", "args": {\n "b": 1.0,\n "a": "\\u00e9 x"}}},'
        b' {"functionCall": {"id": "2", "name": "g"}}]}, "finishReason": "STOP"}]}'
    )
    assert chunks == [
        StreamStart(),
        ToolCallDelta(0, name="f"),
        ToolCallDelta(0, arguments='{"b":1.0,"a":"\\u00e9 x"}'),
        ToolCallDelta(1, "2", "g"),
        ToolCallDelta(1, arguments="{}"),
        Finish("tool_calls", raw="STOP"),
    ]


def fc(**fields: Any) -> Part:
    return {"functionCall": fields}


def test_arguments_in_pieces_are_put_together() -> None:
    """https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc"""
    reply = response(
        answer({**fc(name="book", id="c1", willContinue=True), "thoughtSignature": SIGNATURE}),
        answer(
            fc(partialArgs=[{"jsonPath": "$.city", "stringValue": "New ", "willContinue": True}], willContinue=True)
        ),
        answer(fc(partialArgs=[{"jsonPath": "$.city", "stringValue": "Delhi"}], willContinue=True)),
        answer(
            fc(
                partialArgs=[
                    {"jsonPath": "$.guests[0].name", "stringValue": "Ann"},
                    {"jsonPath": "$.guests[1]['full name']", "stringValue": "Ben"},
                    {"jsonPath": "$.nights", "numberValue": 3},
                    {"jsonPath": "$.price", "numberValue": 2.5},
                    {"jsonPath": "$.late", "boolValue": False},
                    {"jsonPath": "$.note", "nullValue": "NULL_VALUE"},
                ],
                willContinue=True,
            )
        ),
        answer(fc()),
        answer(fc(name="other", args={"x": 1}), reason="STOP"),
    )
    first, second = reply.tool_calls
    assert first.parse_arguments() == {
        "guests": [{"name": "Ann"}, {"full name": "Ben"}],
        "nights": 3,
        "price": 2.5,
        "late": False,
        "note": None,
        "city": "New Delhi",
    }
    assert (first.id, first.name, first.signature) == ("c1", "book", SIGNATURE)
    assert second == ToolCall("call_0_1", "other", '{"x":1}')
    assert reply.finish_reason == "tool_calls"


def test_a_call_in_pieces_ends_with_the_answer_or_the_next_call() -> None:
    piece = {"jsonPath": "$.a", "stringValue": "x"}
    ended = response(answer(fc(name="f", partialArgs=[piece], willContinue=True)), answer(reason="STOP"))
    assert ended.tool_calls[0].arguments == '{"a":"x"}'
    followed = response(
        answer(fc(name="f", partialArgs=[piece], willContinue=True)), answer(fc(name="g", args={}), reason="STOP")
    )
    assert [(call.name, call.arguments) for call in followed.tool_calls] == [("f", '{"a":"x"}'), ("g", "{}")]
    begun = fc(name="f", args={"b": 1}, willContinue=True)
    mixed = response(answer(begun), answer(fc(partialArgs=[piece])), answer(reason="STOP"))
    assert [call.arguments for call in mixed.tool_calls] == ['{"b":1,"a":"x"}']


def test_an_empty_signature_is_none() -> None:
    unsigned = [text("a", thoughtSignature=""), text("b", thoughtSignature=""), text("", thoughtSignature="")]
    reply = response(answer(*unsigned, {**fc(name="f", args={}), "thoughtSignature": ""}, reason="STOP"))
    assert reply.parts == (Text("ab"), ToolCall("call_0_0", "f", "{}"))


# -- several candidates


def test_candidates_are_choices_each_with_its_own_end() -> None:
    both = {
        "candidates": [
            {"content": {"parts": [text("a")]}},
            {"content": {"parts": [text("b", thought=True), text("c")]}, "index": 1},
        ]
    }
    reply = response(both, answer(text("d"), index=1, reason="MAX_TOKENS"), answer(text("e"), reason="STOP"))
    assert [(each.message.text, each.finish_reason) for each in reply.choices] == [("ae", "stop"), ("cd", "length")]
    with pytest.raises(StreamInterrupted):
        decode(both, answer(text("d"), index=1, reason="STOP"))


def test_the_answer_is_over_when_its_body_is_and_not_at_the_first_reason() -> None:
    """https://github.com/BerriAI/litellm/issues/2195: a reason with every object."""
    decoder = AnswerDecoder("gemini", "m")
    chunks = []
    for words in ("a", "b", "c"):
        chunks += decoder.feed([Frame(json.dumps(answer(text(words), reason="STOP")).encode())])
        assert not decoder.finished
    chunks += decoder.close()
    assert decoder.finished
    assert decoder.close() == []
    reply = fold(chunks)
    assert (reply.text, reply.finish_reason) == ("abc", "stop")
    assert sum(isinstance(chunk, Finish) for chunk in chunks) == 1


# -- how it ended


REASONS = {
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"), "content_filter"
    ),
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "MALFORMED_FUNCTION_CALL": "error",
    "LANGUAGE": "error",
    "OTHER": "error",
    "NO_IMAGE": "error",
    "REASON_OF_TOMORROW": "error",
}


@pytest.mark.parametrize(("word", "reason"), REASONS.items())
def test_a_reason_is_told_in_our_words(word: str, reason: str) -> None:
    choice = response(answer(text("x"), reason=word)).choices[0]
    assert (choice.finish_reason, choice.raw_finish_reason) == (reason, word)


def test_the_sdk_knows_no_reason_that_we_do_not() -> None:
    from google.genai import types

    failures = {
        "LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "IMAGE_OTHER", "NO_IMAGE",
    }  # fmt: skip
    known = {reason.value for reason in types.FinishReason} - {"FINISH_REASON_UNSPECIFIED"}
    assert known == failures | (FINISH_REASONS.keys() - {"FUNCTION_CALL"})


def test_what_gemini_says_about_the_end_is_kept_and_explained() -> None:
    said = answer(text("x"), reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: print(x)")
    assert response(said).choices[0].finish_message == "Malformed function call: print(x)"
    unsaid = response(answer(text("x"), reason="CONTINUATION", continuationToken="dG9rZW4="))
    assert "continuationToken" in (unsaid.choices[0].finish_message or "")


def test_a_continuation_token_is_passed_on() -> None:
    chunks = decode(answer(text("x"), reason="CONTINUATION", continuationToken="dG9rZW4="))
    assert ProviderEvent("continuationToken", "dG9rZW4=", "gemini") in chunks


@pytest.mark.parametrize("number", [1, 2, 3, 9])
def test_numbered_reasons_are_understood(number: int) -> None:
    expected = {1: "stop", 2: "length", 3: "content_filter", 9: "error"}[number]
    assert response(answer(text("x"), reason=number)).finish_reason == expected


@pytest.mark.parametrize("reason", [None, "", "FINISH_REASON_UNSPECIFIED", 0])
def test_no_reason_is_no_end(reason: Any) -> None:
    with pytest.raises(StreamInterrupted):
        decode(answer(text("x"), reason=reason))


@pytest.mark.parametrize(
    ("reason", "word"), [(1, "SAFETY"), (3, "BLOCKLIST"), (4, "PROHIBITED_CONTENT"), (99, "99"), ("JAILBREAK",) * 2]
)
def test_a_reason_to_block_is_no_reason_to_finish(reason: str | int, word: str) -> None:
    """As a number it means something else: with enum-encoding=int."""
    (choice,) = fold(decode({"promptFeedback": {"blockReason": reason}})).choices
    assert (choice.finish_reason, choice.raw_finish_reason) == ("content_filter", word)


@pytest.mark.parametrize("reason", ["BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", 0])
def test_a_prompt_without_a_reason_to_block_it_is_not_blocked(reason: str | int) -> None:
    answer = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    response = fold(decode({**answer, "promptFeedback": {"blockReason": reason}}))
    assert (response.text, response.finish_reason) == ("Hi", "stop")
    _, error = decode_stream([b'data: {"promptFeedback": {"blockReason": %b}}' % json.dumps(reason).encode(), b"\n\n"])
    assert type(error) is StreamInterrupted


def test_what_comes_again_with_every_object_is_told_once() -> None:
    status = {"modelStatus": {"modelStage": "DEPRECATED"}}
    feedback = {"promptFeedback": {"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT"}]}}
    pieces = [{"candidates": [{"content": {"parts": [{"text": text}]}}], **status, **feedback} for text in "abc"]
    pieces[-1]["candidates"][0]["finishReason"] = "STOP"  # type: ignore[index]
    chunks = decode(*pieces)
    told = [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert sorted(told) == ["modelStatus", "promptFeedback"]


def test_a_blocked_prompt_is_filtered_content() -> None:
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "No.", "safetyRatings": [{"blocked": True}]}
    chunks = decode({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}})
    assert chunks[-1] == Finish("content_filter", raw="PROHIBITED_CONTENT", message="No.")
    assert ProviderEvent("promptFeedback", {"safetyRatings": [{"blocked": True}]}, "gemini") in chunks
    reply = fold(chunks)
    assert (reply.text, reply.usage.input_tokens, reply.usage.provenance) == ("", 4, "reported")


@pytest.mark.parametrize("whole", [b"{}", b'{"candidates": []}', b'{"usageMetadata": {"promptTokenCount": 4}}', b"[]"])
def test_an_answer_without_candidates_is_none(whole: bytes) -> None:
    with pytest.raises(StreamInterrupted) as caught:
        decode_body(whole)
    assert caught.value.retryable


# -- media


def test_images_and_sound_are_chunks_of_their_own() -> None:
    image, sound = base64.b64encode(b"\x89PNG").decode(), base64.b64encode(b"\x00\x01").decode()
    blob = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": sound}}
    chunks = decode(
        answer({"inlineData": {"mimeType": "image/png", "data": image}}),
        answer({**blob, "audioTranscription": {"text": "Hello "}}),
        answer({**blob, "audioTranscription": {"text": "there."}}, reason="STOP"),
    )
    assert ImageDelta(b"\x89PNG", media_type="image/png") in chunks
    assert AudioDelta(b"\x00\x01", "audio/L16;rate=24000", "Hello ") in chunks
    assert fold(chunks).parts == (
        Image(data=b"\x89PNG", media_type="image/png"),
        Audio(data=b"\x00\x01\x00\x01", media_type="audio/L16;rate=24000", transcript="Hello there."),
    )


def test_a_signature_of_sound_that_is_joined_with_other_sound_is_not_lost() -> None:
    blob = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "c291bmQ="}}
    reply = response(answer(blob), answer({**blob, "thoughtSignature": SIGNATURE}, reason="STOP"))
    assert sent_back(reply)[-1] == text("", thoughtSignature=SIGNATURE)


def test_code_and_its_result_are_parts_of_the_answer() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}
    chunks = decode(answer(text("Let me see."), code, result, text("One."), reason="STOP"))
    assert [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)] == [
        "executableCode", "codeExecutionResult"
    ]  # fmt: skip
    reply = fold(chunks)
    assert reply.parts == (
        Text("Let me see."), ProviderPart("gemini", code), ProviderPart("gemini", result), Text("One.")
    )  # fmt: skip
    assert reply.finish_reason == "stop"


# -- sources


def grounding(*supports: dict[str, Any], chunks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    sources = [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example", "title": "B"}}]
    return {
        "groundingChunks": sources if chunks is None else chunks,
        "groundingSupports": list(supports),
        "webSearchQueries": ["x", "y", "x"],
    }


def support(start: int, end: int, words: str, *indices: int) -> dict[str, Any]:
    segment = {"startIndex": start, "endIndex": end, "text": words}
    return {"segment": segment, "groundingChunkIndices": list(indices)}


def ranges(reply: Response) -> list[tuple[str | None, int | None, int | None]]:
    return [(each.url, each.start, each.end) for each in reply.citations]


def test_places_are_told_in_characters_where_gemini_counts_bytes() -> None:
    words = "Café 😀 is open. So."
    first, second = len("Café 😀 ".encode()), len("Café 😀 is open.".encode())
    metadata = grounding(support(first, second, "is open.", 0, 1))
    reply = response(answer(text("Café 😀 is")), answer(text(" open. So."), reason="STOP", groundingMetadata=metadata))
    assert ranges(reply) == [("https://a.example", 7, 15), ("https://b.example", 7, 15)]
    assert words[7:15] == "is open."
    assert reply.usage.search_requests is None  # no usage was reported


def test_a_source_belongs_to_the_part_whose_text_it_supports() -> None:
    code = {"executableCode": {"code": "x"}}
    metadata = grounding(support(0, 5, "First", 0), support(6, 12, "Second", 1))
    reply = response(answer(text("First."), code, text("Second."), reason="STOP", groundingMetadata=metadata))
    first, _, second = reply.parts
    assert isinstance(first, Text)
    assert isinstance(second, Text)
    assert [each.url for each in first.citations] == ["https://a.example"]
    assert [each.url for each in second.citations] == ["https://b.example"]


def test_a_wrong_place_is_looked_up_and_an_unknown_one_left_open() -> None:
    metadata = grounding(support(3, 9, "world", 0), support(0, 4, "elsewhere", 1))
    reply = response(answer(text("hello world"), reason="STOP", groundingMetadata=metadata))
    assert ranges(reply) == [("https://a.example", 6, 11), ("https://b.example", None, None)]


def test_sources_without_a_passage_and_of_other_kinds_are_citations_too() -> None:
    sources: list[dict[str, Any]] = [
        {"maps": {"uri": "https://maps.example", "title": "Cafe", "placeId": "places/1"}},
        {"image": {"sourceUri": "https://images.example", "title": "Picture"}},
        {"retrievedContext": {"title": "doc.pdf", "text": "What it says."}},
        {"tomorrow": "unknown"},
    ]
    reply = response(answer(text("x"), reason="STOP", groundingMetadata=grounding(chunks=sources)))
    assert [(each.url, each.title, each.text) for each in reply.citations] == [
        ("https://maps.example", "Cafe", None),
        ("https://images.example", "Picture", None),
        (None, "doc.pdf", "What it says."),
        (None, None, None),
    ]
    assert [each.source for each in reply.citations] == sources


def test_sources_that_come_again_are_told_once() -> None:
    short, long = grounding(support(0, 1, "a", 0)), grounding(support(0, 1, "a", 0), support(1, 2, "b", 1))
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    chunks = decode(
        answer(text("a"), groundingMetadata=short),
        answer(text("b"), groundingMetadata=long),
        answer(reason="STOP", groundingMetadata=long, usage=usage),
    )
    reply = fold(chunks)
    assert ranges(reply) == [
        ("https://a.example", 0, 1), ("https://b.example", None, None), ("https://b.example", 1, 2)
    ]  # fmt: skip
    assert reply.usage.search_requests == 2
    events = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert [event.data["groundingSupports"] for event in events] == [
        short["groundingSupports"], long["groundingSupports"]
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["citationSources", "citations"])
def test_recitations_are_citations(name: str) -> None:
    quoted = {"startIndex": 3, "endIndex": 6, "uri": "https://q.example", "title": "Q", "license": "MIT"}
    reply = response(answer(text("é abc"), reason="STOP", citationMetadata={name: [quoted]}))
    assert reply.citations == (Citation("https://q.example", "Q", start=2, end=5, source=quoted),)


def test_without_a_tool_of_geminis_the_text_is_not_kept_and_places_are_open() -> None:
    metadata = grounding(support(0, 1, "a", 0))
    chunks = decode(answer(text("a"), reason="STOP", groundingMetadata=metadata), keeps_text=False)
    assert ranges(fold(chunks)) == [("https://a.example", None, None), ("https://b.example", None, None)]


# -- beside the content


def test_what_has_no_name_is_passed_on_once() -> None:
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]
    pages = {
        "urlMetadata": [{"retrievedUrl": "https://a.example", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]
    }
    chunks = decode(
        answer(text("a"), safetyRatings=ratings),
        answer(text("b"), safetyRatings=ratings, urlContextMetadata=pages),
        {**answer(reason="STOP", avgLogprobs=-0.5), "modelStatus": {"modelStage": "PREVIEW"}},
        {"hologram": 1},
    )
    assert [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)] == [
        ProviderEvent("safetyRatings", ratings, "gemini"),
        ProviderEvent("urlContextMetadata", pages, "gemini"),
        ProviderEvent("avgLogprobs", -0.5, "gemini"),
        ProviderEvent("modelStatus", {"modelStage": "PREVIEW"}, "gemini"),
        ProviderEvent("message", {"hologram": 1}, "gemini"),
    ]


def test_log_probabilities_come_with_the_text() -> None:
    chosen = [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": "-Infinity"}]
    top = [{"candidates": [*chosen]}, {}]
    result = {"chosenCandidates": chosen, "topCandidates": top}
    chunks = decode(answer(text("ab"), logprobsResult=result), answer(logprobsResult=result, reason="STOP"))
    with_text, alone = [chunk for chunk in chunks if isinstance(chunk, TextDelta)]
    assert with_text.text == "ab"
    assert alone.text == ""
    assert with_text.logprobs == alone.logprobs
    assert with_text.logprobs is not None
    first, second = with_text.logprobs
    assert (first.token, first.logprob, [each.token for each in first.top]) == ("a", -0.5, ["a", "b"])
    assert (second.logprob, second.top) == (float("-inf"), ())


# -- usage


def test_counts_are_folded_into_ours() -> None:
    usage = {
        "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 30, "thoughtsTokenCount": 20,
        "toolUsePromptTokenCount": 7, "totalTokenCount": 157,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 40},
            {"modality": "IMAGE", "tokenCount": 30}, {"modality": "VIDEO", "tokenCount": 20},
        ],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}, {"modality": "IMAGE", "tokenCount": 5}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}, {"modality": "IMAGE", "tokenCount": 8}],
        "serviceTier": "flex",
    }  # fmt: skip
    chunks = decode(answer(text("x"), reason="STOP", usage=usage))
    got = fold(chunks).usage
    assert (got.input_tokens, got.output_tokens, got.total_tokens) == (107, 50, 157)
    assert (got.cached_input_tokens, got.reasoning_tokens) == (60, 20)
    assert (got.audio_input_tokens, got.audio_output_tokens, got.image_tokens) == (40, 25, 35)
    assert (got.cached_audio_tokens, got.cached_image_tokens) == (40, 8)
    assert (got.service_tier, got.provenance) == ("flex", "reported")
    assert [chunk.data for chunk in chunks if isinstance(chunk, ProviderEvent)] == [usage]


def test_counts_so_far_are_partial_and_never_zero() -> None:
    decoder = AnswerDecoder("gemini", "m")
    first = answer(text("x"), usage={"promptTokenCount": 8, "totalTokenCount": 8})
    tier = answer(usage={"trafficType": "ON_DEMAND"})
    chunks = decoder.feed([Frame(json.dumps(each).encode()) for each in (tier, first, first)])
    (update,) = [chunk for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert (update.usage.input_tokens, update.usage.output_tokens, update.usage.provenance) == (8, None, "partial")


def test_counts_may_follow_the_reason_to_finish() -> None:
    late = {"usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1, "totalTokenCount": 9}}
    usage = response(answer(text("x"), reason="STOP"), late).usage
    assert (usage.total_tokens, usage.provenance) == (9, "reported")


def test_the_beginning_tells_who_answers_and_when() -> None:
    head = {"modelVersion": "gemini-2.5-flash-001", "responseId": "r1", "createTime": "2026-08-19T14:38:46.883489123Z"}
    chunks = decode({**answer(text("x"), reason="STOP"), **head})
    assert chunks[0] == StreamStart("r1", "gemini-2.5-flash-001", 1787150326)
    odd = decode({**answer(text("x"), reason="STOP"), "createTime": "yesterday"})
    assert odd[0] == StreamStart()


def test_reasoning_and_calls_say_which_choice_they_are_of() -> None:
    chunks = decode(answer(text("Hm", thought=True), fc(name="f", args={}), index=2, reason="STOP"))
    assert {chunk.index for chunk in chunks if isinstance(chunk, ReasoningDelta | ToolCallDelta | Finish)} == {2}
