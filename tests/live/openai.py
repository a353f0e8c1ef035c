"""OpenAI Realtime as the scripted server speaks it, and a client for that server."""

from __future__ import annotations

import base64
from typing import Any

import exllm
from exllm.config import Static
from tests.live.scripted_server import Peer

KEY = "sk-secret-key-0123456789"
MODEL = "openai/gpt-realtime"


def client_for(url: str, **arguments: Any) -> exllm.Client:
    """A client whose OpenAI is at `url`."""
    arguments.setdefault("retry", exllm.RetryPolicy(attempts=1))
    return exllm.Client(config=Static({"openai": {"api_key": KEY, "live_url": url}}), **arguments)


async def set_up(peer: Peer) -> Any:
    """Begin, take the settings and accept them; returns them."""
    await peer.send({"type": "session.created", "event_id": "e0", "session": {"id": "sess_1", "type": "realtime"}})
    message = await peer.receive()
    assert message["type"] == "session.update"
    session = {"id": "sess_1", **message["session"]}
    await peer.send({"type": "session.updated", "event_id": "e1", "session": session})
    return message["session"]


async def receive(peer: Peer, kind: str) -> Any:
    """Messages up to the first of `kind`; items that are made are confirmed."""
    while True:
        message = await peer.receive()
        if message["type"] == "conversation.item.create":
            await peer.send(*added(peer, message["item"]))
        if message["type"] == kind:
            return message


def added(peer: Peer, item: Any) -> list[dict[str, Any]]:
    """`item` is in the conversation, after all others."""
    peer.items = getattr(peer, "items", 0) + 1  # type: ignore[attr-defined]
    item = {"id": f"item_{peer.items}", **item}  # type: ignore[attr-defined]
    place = {"event_id": "e", "previous_item_id": getattr(peer, "last_item", None), "item": item}
    peer.last_item = item["id"]  # type: ignore[attr-defined]
    return [{"type": "conversation.item.added", **place}, {"type": "conversation.item.done", **place}]


def begin(response: str, item: str) -> list[dict[str, Any]]:
    """A response with one message begins."""
    return [
        {
            "type": "response.created",
            "event_id": "e",
            "response": {"id": response, "status": "in_progress", "conversation_id": "conv_1"},
        },
        {
            "type": "response.output_item.added",
            "event_id": "e",
            "response_id": response,
            "output_index": 0,
            "item": {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []},
        },
    ]


def audio(response: str, item: str, pcm: bytes) -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "event_id": "e",
        "response_id": response,
        "item_id": item,
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(pcm).decode(),
    }


def said(response: str, item: str, words: str) -> dict[str, Any]:
    return {
        "type": "response.output_audio_transcript.delta",
        "event_id": "e",
        "response_id": response,
        "item_id": item,
        "output_index": 0,
        "content_index": 0,
        "delta": words,
    }


def done(peer: Peer, response: str, item: str, words: str, status: str = "completed") -> list[dict[str, Any]]:
    """The response ends, having said `words`."""
    message = {
        "id": item,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [{"type": "output_audio", "transcript": words}],
    }
    usage = {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}
    return [
        {
            "type": "response.output_item.done",
            "event_id": "e",
            "response_id": response,
            "output_index": 0,
            "item": message,
        },
        *added(peer, message),
        {
            "type": "response.done",
            "event_id": "e",
            "response": {"id": response, "status": status, "output": [message], "usage": usage},
        },
    ]


def function_call(call_id: str, name: str, arguments: str = "{}", status: str = "completed") -> dict[str, Any]:
    """The item of a call."""
    item = {"id": f"item_{call_id}", "type": "function_call", "call_id": call_id, "name": name}
    return {**item, "arguments": arguments, "status": status}


SPEECH: dict[str, Any] = {
    "type": "input_audio_buffer.speech_started",
    "event_id": "e",
    "audio_start_ms": 500,
    "item_id": "item_user",
}
