"""An answer that a browser can lose and pick up again: server-sent events with ids, kept for a minute.

    uvicorn --app-dir examples resumable_chat:app
    curl -N "http://127.0.0.1:8000/chat?question=Hi"                          # break it off, and then
    curl -N -H "Last-Event-ID: <the last id>" http://127.0.0.1:8000/chat      # the rest

EXAMPLE_MODEL chooses the model. Needs: pip install "exllm[fastapi]" uvicorn
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

import exllm
from exllm.integrations.fastapi import ReplayResponse, handle_error, resume_response
from exllm.sse import Replays

PAGE = """<!doctype html><title>exllm</title><pre id="answer"></pre><script>
const source = new EventSource("/chat?question=Tell me a story");
source.addEventListener("text_delta", (event) => { answer.textContent += JSON.parse(event.data).text; });
</script>"""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
    async with exllm.Client() as client, Replays() as replays:
        yield {"client": client, "replays": replays}


app = FastAPI(lifespan=lifespan)
app.add_exception_handler(exllm.ExLLMError, handle_error)


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.get("/chat")
async def chat(request: Request, question: str = "") -> Response:
    if "last-event-id" in request.headers:
        return resume_response(request.state.replays, request)
    stream = request.state.client.stream(os.environ.get("EXAMPLE_MODEL", "local"), question)
    return ReplayResponse(request.state.replays.start(stream), heartbeat_s=15)
