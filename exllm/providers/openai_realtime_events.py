"""The frequent events of the Realtime API as they are on the wire: pieces of audio, text and transcripts.

Decoded by their type straight into what is read of them; all other events are read as plain data. The names of the
beta are here too: Azure's Voice Live speaks them.
Source: https://developers.openai.com/api/reference/resources/realtime/server-events
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec

from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent

NOTHING = msgspec.Raw()

Fields = dict[str, Any]
Reader = Callable[[Fields], list[LiveEvent]]


class _Piece(msgspec.Struct, gc=False, tag_field="type"):
    item_id: str = ""
    response_id: str = ""
    content_index: int = 0


class AudioPiece(_Piece, tag="response.output_audio.delta"):
    delta: bytes = b""


class BetaAudioPiece(AudioPiece, tag="response.audio.delta"):
    pass


class TextPiece(_Piece, tag="response.output_text.delta"):
    delta: str = ""


class BetaTextPiece(TextPiece, tag="response.text.delta"):
    pass


class TranscriptPiece(_Piece, tag="response.output_audio_transcript.delta"):
    delta: str = ""


class BetaTranscriptPiece(TranscriptPiece, tag="response.audio_transcript.delta"):
    pass


class HeardPiece(msgspec.Struct, gc=False, tag_field="type", tag="conversation.item.input_audio_transcription.delta"):
    item_id: str = ""
    delta: str | None = None
    logprobs: msgspec.Raw = NOTHING


Piece = AudioPiece | BetaAudioPiece | TextPiece | BetaTextPiece | TranscriptPiece | BetaTranscriptPiece | HeardPiece

decode_piece = msgspec.json.Decoder(Piece).decode

_ID_FIELDS = frozenset({"item_id", "response_id", "content_index"})


def piece_of(fields: Fields) -> Piece:
    """A piece with null for a name that it has not. Raises `msgspec.ValidationError`."""
    named = {name: value for name, value in fields.items() if value is not None or name not in _ID_FIELDS}
    return msgspec.convert(named, Piece)  # type: ignore[no-any-return]


PIECES = frozenset(struct.__struct_config__.tag for struct in get_args(Piece))

_MOST = 2**63

# Names of the beta, and the general ones that they are read as.
RENAMED = {
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.done": "response.output_text.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}


def passed_on(fields: Fields, provider: str) -> ProviderEvent:
    """An event as it came."""
    return ProviderEvent(str(fields.get("type", "")), fields, provider)


def text(fields: Fields, name: str) -> str:
    """A field that holds text, ``""`` where it is absent or null. Raises `TypeError` for anything else."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} should be text, got {value!r:.40}")
    return value


def object_in(fields: Fields, name: str) -> Fields:
    """A field that holds an object, empty where it is absent or null. Raises `TypeError` for anything else."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{name} should be an object, got {value!r:.40}")
    return value


def list_in(fields: Fields, name: str) -> list[Any]:
    """A field that holds a list, empty where it is absent or null. Raises `TypeError` for anything else."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{name} should be a list, got {value!r:.40}")
    return value


def number(fields: Fields, name: str) -> float | None:
    """A field that holds a number, None where it is absent. Raises `TypeError` for anything else."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} should be a number, got {value!r:.40}")
    if abs(value) > _MOST:
        raise ValueError(f"{name} is beyond all reason")
    return value


def count(fields: Fields, name: str) -> int | None:
    """A field that holds a whole number. Raises `TypeError` for anything else."""
    value = number(fields, name)
    return None if value is None else int(value)
