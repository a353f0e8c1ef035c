"""Content parts, messages and responses: what they hold, refuse and give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from exllm import (
    Audio,
    Choice,
    Citation,
    ConfigurationError,
    Cost,
    Document,
    Image,
    Message,
    Reasoning,
    Refusal,
    Response,
    StreamStats,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)


@pytest.mark.parametrize("kind", [Image, Audio, Document])
@pytest.mark.parametrize("places", [{}, {"url": "https://a", "path": "b"}, {"data": b"x", "url": "https://a"}])
def test_media_live_in_exactly_one_place(kind: Any, places: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{kind.__name__} needs exactly one of url=, data=.*or path="):
        kind(**places)


def test_bytes_need_a_media_type() -> None:
    with pytest.raises(ConfigurationError, match=r"Image\(data=\.\.\.\) needs media_type="):
        Image(data=b"x")


def test_a_path_object_is_kept_as_text_so_that_the_part_stays_plain_data() -> None:
    image = Image(path=Path("cat.png"))  # type: ignore[arg-type]
    assert image == Image(path="cat.png")
    assert msgspec.json.decode(msgspec.json.encode(image), type=Image) == image


def test_parse_arguments_reads_json_and_takes_nothing_for_no_arguments() -> None:
    assert ToolCall("c", "f", '{"a": 1}').parse_arguments() == {"a": 1}
    assert ToolCall("c", "f", " ").parse_arguments() == {}
    with pytest.raises(msgspec.DecodeError):
        ToolCall("c", "f", '{"a": ').parse_arguments()


def test_a_message_gives_its_text_parts_and_calls() -> None:
    call, ran = ToolCall("c1", "look"), ToolCall("c2", "search", provider_executed=True)
    message = Message.of("assistant", [Reasoning("Hm."), Text("a"), call, ran, Text("b"), Refusal("no")])
    assert message.text == "ab"
    assert message.tool_calls == (call,)
    assert Message("user", "Hi").parts == (Text("Hi"),)
    assert Message("assistant").parts == ()
    assert Message("user", "Hi").tool_calls == ()


def test_a_list_of_parts_is_kept_as_a_tuple() -> None:
    assert Message("user", [Text("a")]).content == (Text("a"),)  # type: ignore[arg-type]


def response() -> Response:
    cited = Citation(url="https://a")
    return Response(
        choices=(
            Choice(
                Message.of(
                    "assistant", [Reasoning("Hm."), Text("Hi", (cited,)), ToolCall("c", "f", "{}"), Refusal("no")]
                ),
                finish_reason="tool_calls",
                logprobs=(TokenLogprob("Hi", -0.1),),
            ),
            Choice(Message("assistant", "Ho"), 1, "stop"),
        ),
        usage=Usage(1, 2, 3, provenance="reported"),
        cost=Cost(total=0.1),
        model="m",
        provider="p",
        id="i",
        request_id="r",
        created=1,
        stats=StreamStats(chunks=3),
        warnings=("w",),
        parsed={"a": 1},
        raw={"b": [1]},
    )


def test_a_response_speaks_of_its_first_choice() -> None:
    given = response()
    assert (given.text, given.reasoning, given.refusal, given.finish_reason) == ("Hi", "Hm.", "no", "tool_calls")
    assert given.message is given.choices[0].message
    assert given.tool_calls == (ToolCall("c", "f", "{}"),)
    assert given.citations == (Citation(url="https://a"),)
    assert given.logprobs == (TokenLogprob("Hi", -0.1),)
    assert [type(part) for part in given.parts] == [Reasoning, Text, ToolCall, Refusal]


def test_a_response_without_choices_is_empty_not_broken() -> None:
    empty = Response()
    assert (empty.text, empty.reasoning, empty.refusal, empty.finish_reason, empty.parts) == ("", "", None, None, ())


def test_a_response_round_trips_through_json_and_messagepack_with_its_version() -> None:
    given = response()
    assert msgspec.json.decode(msgspec.json.encode(given), type=Response) == given
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=Response) == given
    assert given.version == 1
