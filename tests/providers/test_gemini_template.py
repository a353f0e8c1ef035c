"""Text objects of Gemini that are read without parsing give the same chunks as those that are parsed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from exllm.errors import ExLLMError
from exllm.providers import gemini_decode
from exllm.providers.gemini_decode import AnswerDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, TextDelta, UsageUpdate

TEXTS = [
    "a",
    "",
    " b",
    'say "hi"',
    "back\\slash",
    "\\",
    '"',
    "naïve 🦊",
    "line\nend",
    '"text": "',
    "\u2028",
    '\\"',
    "{}",
]


def document(text: str, tokens: int, **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **candidate}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": tokens, "totalTokenCount": 9 + tokens},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "Ub-FarbpCtHmnsEP--XY8Qg",
    }


def read(datas: list[bytes], monkeypatch: pytest.MonkeyPatch | None = None) -> tuple[list[Chunk], str]:
    """The chunks, and the error if there is one. With `monkeypatch` every object is parsed."""
    decoder = AnswerDecoder("gemini", "gemini-2.5-flash")
    if monkeypatch is not None:
        monkeypatch.setattr(decoder, "_left_to_learn", 0)
    chunks: list[Chunk] = []
    for data in datas:
        try:
            chunks += decoder.feed([Frame(data)])
        except ExLLMError as error:
            return chunks + decoder.take(), str(error)
    return chunks, ""


ODD: list[dict[str, Any]] = [
    document("x", 3, finishReason="STOP"),
    document("x", 3, safetyRatings=[{"category": "C", "probability": "LOW"}]),
    {**document("x", 3), "usageMetadata": {}},
    {**document("x", 3), "usageMetadata": None},
    {**document("x", 3), "usageMetadata": {"promptTokenCount": 9}},
    {**document("x", 3), "usageMetadata": {"candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}]}},
    {**document("x", 3), "usageMetadata": {"trafficType": "ON_DEMAND"}},
    {**document("x", 3), "modelStatus": {"modelStage": "STABLE"}},
    {**document("x", 3), "modelVersion": "other"},
    {key: value for key, value in document("x", 3).items() if key != "usageMetadata"},
    {**document("x", 3), "candidates": [{"content": {"parts": [{"text": "t", "thought": True}]}, "index": 0}]},
    {**document("x", 3), "candidates": [{"content": {"parts": [{"text": "t", "thoughtSignature": "s"}]}, "index": 0}]},
    {**document("x", 3), "candidates": [{"content": {"parts": [{"text": "t"}, {"text": "u"}]}, "index": 0}]},
    {**document("x", 3), "candidates": [{"content": {"parts": [{"text": "second"}]}, "index": 1}]},
    {**document("x", 3), "candidates": []},
    {**document("x", 3), "error": {"code": 500, "message": "no", "status": "INTERNAL"}},
    {"hint": {"text": "not the answer"}, **document("x", 3)},
]


@pytest.mark.parametrize("seed", range(40))
def test_the_chunks_are_those_of_parsing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    separators = dice.choice([(",", ":"), (", ", ": "), (",", ": ")])
    datas = []
    for number in range(60):
        odd = dice.random() < 0.15
        made = dice.choice(ODD) if odd else document(dice.choice(TEXTS), dice.choice([number, 5]))
        data = json.dumps(made, separators=separators, ensure_ascii=dice.random() < 0.5).encode()
        if dice.random() < 0.02:  # broken somewhere
            place = dice.randrange(len(data))
            data = data[:place] + dice.choice([b'"', b"{", b"\xff", b""]) + data[place + 1 :]
        datas.append(data)
    assert read(datas) == read(datas, monkeypatch)


def test_counts_that_are_no_json_are_told_as_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    datas = [json.dumps(document("a", number)).encode() for number in range(3)]
    datas.append(datas[-1].replace(b'{"promptTokenCount": 9', b'{"promptTokenCount": 9}, "x": {'))
    datas.append(datas[-2].replace(b'{"promptTokenCount": 9', b'{"promptTokenCount": nine'))
    chunks, error = read(datas)
    assert error
    assert (chunks, error) == read(datas, monkeypatch)


def test_objects_that_differ_in_text_and_counts_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = gemini_decode.decode_answer
    monkeypatch.setattr(gemini_decode, "decode_answer", lambda data: parsed.append(data) or parse(data))
    datas = [json.dumps(document(f"piece {number}", number)).encode() for number in range(100)]
    chunks, error = read(datas)
    assert (len(parsed), error) == (1, "")
    assert "".join(chunk.text for chunk in chunks) == "".join(f"piece {number}" for number in range(100))
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert [(usage.input_tokens, usage.output_tokens) for usage in usages] == [(9, number) for number in range(100)]


def test_what_changes_in_every_object_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = []
    learn = gemini_decode.shape_of
    monkeypatch.setattr(gemini_decode, "shape_of", lambda *given: learnt.append(given) or learn(*given))
    datas = [json.dumps({**document("a", number), "responseId": str(number)}).encode() for number in range(100)]
    chunks, error = read(datas)
    assert (len(learnt), error) == (8, "")
    assert len([chunk for chunk in chunks if isinstance(chunk, TextDelta)]) == 100


@pytest.mark.parametrize("reasons", [(None, "STOP", None), ("STOP", "STOP", "STOP")])
def test_the_same_counts_are_said_again_only_when_they_become_final(
    reasons: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers give a reason with every object."""
    documents = [
        document(text, 5, **({"finishReason": reason} if reason else {}))
        for text, reason in zip("abc", reasons, strict=True)
    ]
    datas = [json.dumps(each).encode() for each in documents]
    chunks, error = read(datas)
    assert [chunk.usage.provenance for chunk in chunks if isinstance(chunk, UsageUpdate)] == (
        ["reported"] if reasons[0] else ["partial", "reported"]
    )
    assert (chunks, error) == read(datas, monkeypatch)


def test_counts_by_medium_that_change_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document(text, number) for number, text in enumerate("abcdef")]
    for number, each in enumerate(documents):
        details = [{"modality": "AUDIO", "tokenCount": 7 + number // 3}]
        each["usageMetadata"] |= {"promptTokensDetails": details}
    datas = [json.dumps(each).encode() for each in documents]
    chunks, error = read(datas)
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert [usage.audio_input_tokens for usage in usages] == [7, 7, 7, 8, 8, 8]
    assert [usage.output_tokens for usage in usages] == list(range(6))
    assert (chunks, error) == read(datas, monkeypatch)


@pytest.mark.parametrize("field", ["promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails",
                                   "toolUsePromptTokensDetails"])  # fmt: skip
@pytest.mark.parametrize("wrong", [True, [[]], [{"modality": {}}], [{"tokenCount": "a"}]])
def test_counts_by_medium_of_the_wrong_shape_are_told_and_what_came_before_stays(
    field: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [document(text, number) for number, text in enumerate("abcd")]
    documents[2]["usageMetadata"] |= {field: wrong}
    datas = [json.dumps(each).encode() for each in documents]
    chunks, error = read(datas)
    assert "makes no sense" in error
    assert "".join(chunk.text for chunk in chunks) == "abc"
    assert (chunks, error) == read(datas, monkeypatch)
