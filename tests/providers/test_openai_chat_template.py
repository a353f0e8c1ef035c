"""The fast way through text frames gives what the general way gives, whatever the frames hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.providers import openai_chat_decode
from exllm.providers.openai_chat_decode import OpenAIChatDecoder
from exllm.providers.openai_chat_template import NO_SHAPE, Shape, TextTemplate
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, TextDelta
from exllm.types.options import Options, Timeouts
from exllm.types.request import Request

REQUEST = Request("openai", "m", (), Options(), {}, True, Timeouts(), False)
TRICKY = st.text(alphabet='ab"\\{}:,/ \n\u2028é🦊', max_size=6)


def _frame(text: str, *, noise: str | None = None, finish: str | None = None, index: int = 0, **extra: object) -> Frame:
    document: dict[str, object] = {
        "id": "c1",
        "model": "m",
        "choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}],
    }
    if noise is not None:
        document["obfuscation"] = noise
    return Frame(json.dumps({**document, **extra}, ensure_ascii=False, separators=(",", ":")).encode())


def _decode(frames: list[Frame]) -> list[Chunk] | type[ExLLMError]:
    decoder = OpenAIChatDecoder(REQUEST)
    try:
        return decoder.feed(frames)
    except ExLLMError as error:
        return type(error)


class _NeverLearns(TextTemplate):
    def learn(self, data: bytes, text: str, index: int) -> Shape:
        return NO_SHAPE


def _decode_generally(frames: list[Frame]) -> list[Chunk] | type[ExLLMError]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_chat_decode, "TextTemplate", _NeverLearns)
        return _decode(frames)


@given(
    st.lists(
        st.builds(
            _frame,
            TRICKY,
            noise=st.none() | TRICKY,
            finish=st.sampled_from([None, None, None, "stop"]),
            index=st.sampled_from([0, 0, 0, 1]),
        ),
        max_size=12,
    )
)
def test_both_ways_agree(frames: list[Frame]) -> None:
    assert _decode(frames) == _decode_generally(frames)


@given(st.lists(TRICKY, min_size=3, max_size=8), st.integers(0, 2**32), st.binary(max_size=3))
def test_both_ways_agree_on_spoilt_frames(texts: list[str], place: int, spoilt: bytes) -> None:
    frames = [_frame(text, noise="xyz") for text in texts]
    data = frames[-1].data
    cut = place % len(data)
    frames[-1] = Frame(data[:cut] + spoilt + data[cut + 1 :])
    fast, general = _decode(frames), _decode_generally(frames)
    if fast != general:  # JSON forbids control characters in strings; a text that holds one is read all the same
        assert any(byte < 0x20 for byte in spoilt)


@pytest.mark.parametrize("noise", [None, "Xk2", ""])
def test_frames_that_differ_in_text_and_padding_alone_are_not_parsed(
    monkeypatch: pytest.MonkeyPatch, noise: str | None
) -> None:
    parsed = []
    decode = openai_chat_decode.decode_event

    def counted(data: bytes) -> object:
        parsed.append(data)
        return decode(data)

    monkeypatch.setattr(openai_chat_decode, "decode_event", counted)
    frames = [_frame(f"w{number}", noise=noise and noise * (number % 5)) for number in range(50)]
    chunks = _decode(frames)
    assert isinstance(chunks, list)
    assert [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)] == [f"w{number}" for number in range(50)]
    assert len(parsed) == 1


def test_a_field_that_appears_later_is_not_overlooked() -> None:
    frames = [_frame("a"), _frame("b"), _frame("c", usage={"prompt_tokens": 1, "completion_tokens": 2})]
    chunks = _decode(frames)
    assert isinstance(chunks, list)
    assert chunks[-1].__class__.__name__ == "UsageUpdate"


def test_learning_ends_where_it_is_of_no_use() -> None:
    template = TextTemplate()
    for number in range(20):
        shape = template.learn(_frame("t", counter=number).data, "t", 0)
    assert shape is NO_SHAPE
