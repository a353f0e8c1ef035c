"""Sources of an answer: where each service puts them, recorded ones first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exllm.errors import ExLLMError
from exllm.providers.openai_chat import WIRE
from exllm.types.chunks import CitationDelta, ProviderEvent
from exllm.types.message import Message
from exllm.types.parts import Citation, ProviderPart, Text
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers import openai_chat_recordings as recordings
from tests.providers.openai_chat_frames import DONE, choice, decode, decode_body, fold, frame, text
from tests.providers.openai_chat_requests import spec

PERPLEXITY = [name for name in recordings.names("stream") + recordings.names("body") if name.startswith("perplexity__")]


def answer(name: str) -> Response:
    recording = recordings.load(name)
    if name in recordings.names("stream"):
        return recordings.fold(recording.provider, recordings.decode_stream(recording.provider, [recording.body]))
    return recordings.fold(recording.provider, recordings.decode_body(recording.provider, recording.body))


def events(name: str) -> list[dict[str, Any]]:
    """The JSON documents of a recording."""
    body = recordings.load(name).body.decode()
    lines = [line[6:] for line in body.splitlines() if line.startswith("data: {")] or [body]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", PERPLEXITY)
def test_perplexitys_sources_are_citations_each_once(name: str) -> None:
    last: dict[str, Any] = {}
    for event in events(name):
        last.update({field: event[field] for field in ("citations", "search_results") if event.get(field)})
    results = last.get("search_results", [])
    urls = list(dict.fromkeys([result["url"] for result in results] + last.get("citations", [])))

    found = answer(name).citations
    assert urls
    assert [citation.url for citation in found] == urls
    assert [citation.title for citation in found[: len(results)]] == [result["title"] for result in results]
    assert [citation.source for citation in found[: len(results)]] == results


OPENROUTER = [
    "openrouter__openai-chat__test-openrouter-web-search-annotations__0",
    "openrouter__openai-chat__test-openrouter-web-search-annotations-stream__0",
]


@pytest.mark.parametrize(
    "name", [*OPENROUTER, "openai__openai-chat__chat-citations-with-openai-gpt-4o-mini-search-preview-return__0"]
)
def test_annotations_are_citations_with_their_place_in_the_text(name: str) -> None:
    annotations = [
        annotation["url_citation"]
        for event in events(name)
        for one in event["choices"]
        for annotation in (one.get("delta") or one.get("message") or {}).get("annotations") or ()
    ]
    response = answer(name)
    assert annotations
    assert [(cited.url, cited.title, cited.start, cited.end) for cited in response.citations] == [
        (cited["url"], cited["title"], cited.get("start_index"), cited.get("end_index")) for cited in annotations
    ]
    for cited in response.citations:
        assert cited.start is None or cited.end is None or 0 <= cited.start <= cited.end <= len(response.text)


@pytest.mark.parametrize(
    "name", ["groq__openai-chat__test-web-search__0", "groq__openai-chat__test-groq-model-web-search-tool-stream__0"]
)
def test_what_groqs_search_found_is_cited(name: str) -> None:
    results = [
        result
        for event in events(name)
        for one in event["choices"]
        for tool in (one.get("delta") or {}).get("executed_tools") or ()
        for result in (tool.get("search_results") or {}).get("results") or ()
    ]
    first = {result["url"]: result for result in reversed(results)}
    found = answer(name).citations
    assert len(first) > 3
    assert {cited.url for cited in found} == set(first)
    assert [(cited.title, cited.text) for cited in found] == [
        (first[str(cited.url)]["title"], first[str(cited.url)]["content"] or None) for cited in found
    ]


def test_a_page_that_groqs_browser_read_is_cited_once() -> None:
    page = {"title": "A", "url": "https://a.example", "content": "about a"}
    tool = {"index": 0, "type": "visit", "arguments": "{}", "browser_results": [page], "output": "read"}
    chunks = decode([choice({"executed_tools": [tool]}), choice({"executed_tools": [tool]}), choice({}, "stop"), DONE])
    assert [chunk.citation for chunk in chunks if isinstance(chunk, CitationDelta)] == [
        Citation("https://a.example", "A", "about a", source=page)
    ]


@pytest.mark.parametrize("results", [None, 7, "x", [], [7], {"results": None}, {"results": [7, {"url": 7}, {}]}])
def test_odd_results_cite_nothing_and_break_nothing(results: Any) -> None:
    tool = {"index": 0, "type": "search", "arguments": "{}", "search_results": results}
    try:
        response = fold(decode([text("x"), choice({"executed_tools": [tool]}), choice({}, "stop"), DONE]))
    except ExLLMError:
        pytest.fail("an odd list of results must not end an answer")
    assert (response.text, response.citations) == ("x", ())


def test_groqs_citations_of_documents_have_their_place() -> None:
    cited = {"document_id": "d1", "start_index": 2, "end_index": 5}
    annotation = {"type": "document_citation", "document_citation": cited}
    chunks = decode_body({"content": "abcdef", "annotations": [annotation]})
    assert fold(chunks).citations == (Citation(start=2, end=5, source=annotation),)


def test_a_flat_annotation_is_understood() -> None:
    annotation = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}
    chunks = decode_body({"content": "abcdef", "annotations": [annotation]})
    assert fold(chunks).citations == (Citation("https://a.example", "A", None, 0, 1, source=annotation),)


# -- Writer


def test_writers_pages_and_files_are_cited() -> None:
    page, file = {"url": "https://a.example", "raw_content": "about a"}, {"file_id": "f1", "snippet": "from a file"}
    data = {"web_search_data": {"sources": [page]}, "graph_data": {"sources": [file], "status": "finished"}}
    expected = (
        Citation("https://a.example", None, "about a", source=page),
        Citation(None, None, "from a file", source=file),
    )
    nothing = {"web_search_data": None, "graph_data": {"sources": None, "status": None, "subqueries": None}}
    said = [choice({"content": "x", **nothing}), choice({**data}), choice({**data}), choice({}, "stop"), DONE]
    assert fold(decode(said)).citations == expected
    assert fold(decode_body({"content": "x", **data})).citations == expected


# -- Perplexity: what was found beside the answer

IMAGES = [{"image_url": "https://a.example/a.png", "origin_url": "https://a.example", "height": 1, "width": 2}]
QUESTIONS = ["And then?"]


def test_found_images_and_related_questions_are_told_once_and_kept() -> None:
    beside: dict[str, Any] = {"images": IMAGES, "related_questions": QUESTIONS}
    said = [text("x"), text("y"), choice({}, "stop")]
    chunks = decode([frame({**json.loads(one.data), **beside}) for one in said])
    expected = [
        ProviderEvent(name, {"type": name, name: found}, "acme", content=True) for name, found in beside.items()
    ]
    assert [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)] == expected
    whole = decode_body({"content": "xy"}, **beside)
    assert [chunk for chunk in whole if isinstance(chunk, ProviderEvent)] == expected
    response = fold(chunks)
    assert response.text == "xy"
    assert [part for part in response.parts if isinstance(part, ProviderPart)] == [
        ProviderPart("acme", event.data) for event in expected
    ]


def test_a_frame_of_nothing_but_them_is_no_unknown_event() -> None:
    chunks = decode([text("x"), choice({}, "stop"), frame({"choices": [], "related_questions": QUESTIONS}), DONE])
    assert [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)] == ["related_questions"]


def test_they_do_not_go_back_in_the_history() -> None:
    found = ProviderPart("acme", {"type": "images", "images": IMAGES})
    messages = (Message("user", "Hi"), Message("assistant", (Text("Look."), found)), Message("user", "More"))
    built = WIRE.build(Request("acme", "m", messages), spec())
    assert json.loads(built.body)["messages"][1] == {"role": "assistant", "content": "Look."}
    assert built.warnings == ()
