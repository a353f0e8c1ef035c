"""Talk to a realtime model from a browser: microphone or text, speech and its words.

pip install "exllm[fastapi]" "uvicorn[standard]"                        # "standard" has WebSockets
GEMINI_API_KEY=... uvicorn examples.live_web:app --ws-per-message-deflate false      # then open http://127.0.0.1:8000
EXAMPLE_LIVE_MODEL=openai OPENAI_API_KEY=... uvicorn examples.live_web:app --ws-per-message-deflate false

The key stays in this process. Whoever was given the page may talk; put your own sign-in in the place of that.
"""

import os
import secrets
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from starlette.websockets import WebSocket

import exllm
from exllm.integrations.fastapi import client_lifespan, get_client
from exllm.integrations.live import relay_live

MODEL = os.environ.get("EXAMPLE_LIVE_MODEL", "gemini")
PAGE = Path(__file__).with_name("live_web.html")
TICKET = secrets.token_urlsafe()  # of whoever was given the page by this process

app = FastAPI(lifespan=client_lifespan())


@app.get("/")
async def page() -> HTMLResponse:
    """The page, and with it the right to talk."""
    response = HTMLResponse(PAGE.read_text("utf-8"))
    response.set_cookie("ticket", TICKET, httponly=True, samesite="strict", max_age=3600)
    return response


def has_page(websocket: WebSocket) -> bool:
    """Your own check belongs here: who is it, and may they spend your money?"""
    return secrets.compare_digest(websocket.cookies.get("ticket", "").encode(), TICKET.encode())


@app.websocket("/live")
async def talk(websocket: WebSocket, client: Annotated[exllm.Client, Depends(get_client)]) -> None:
    """One conversation: it ends when either side leaves, or after ten minutes."""
    session = client.live(MODEL, input_transcription=True, output_transcription=True)
    await relay_live(websocket, session, authorize=has_page, max_duration_s=600)
