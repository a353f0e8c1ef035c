"""Gemini Live as the scripted server speaks it, and a client for that server."""

from __future__ import annotations

import base64
from typing import Any

import exllm
from exllm.config import Static
from tests.live.scripted_server import Peer

KEY = "AIza-secret-key-0123456789"
MODEL = "gemini/gemini-live-2.5-flash-preview"


def client_for(url: str, **arguments: Any) -> exllm.Client:
    """A client whose Gemini is at `url`."""
    arguments.setdefault("retry", exllm.RetryPolicy(attempts=1))
    return exllm.Client(config=Static({"gemini": {"api_key": KEY, "live_url": url}}), **arguments)


async def set_up(peer: Peer) -> Any:
    """Take the setup and accept it; returns it."""
    setup = (await peer.receive())["setup"]
    await peer.send({"setupComplete": {}})
    return setup


def text(words: str) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": [{"text": words}]}}}


def said(words: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": words}}}


def heard(words: str) -> dict[str, Any]:
    return {"serverContent": {"inputTranscription": {"text": words}}}


def audio(pcm: bytes) -> dict[str, Any]:
    data = base64.b64encode(pcm).decode()
    return {
        "serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]}}
    }


def handle(name: str) -> dict[str, Any]:
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True}}


def call(id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": [{"id": id, "name": name, "args": arguments}]}}


def go_away(seconds: float) -> dict[str, Any]:
    return {"goAway": {"timeLeft": f"{seconds:g}s"}}


INTERRUPTED: dict[str, Any] = {"serverContent": {"interrupted": True}}
GENERATED: dict[str, Any] = {"serverContent": {"generationComplete": True}}
COMPLETE: dict[str, Any] = {
    "serverContent": {"turnComplete": True},
    "usageMetadata": {"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15},
}


def turn_text(message: Any) -> str:
    """The text of a `clientContent` message."""
    turns = message["clientContent"]["turns"]
    return "".join(part["text"] for turn in turns for part in turn["parts"])
