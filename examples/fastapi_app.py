"""A web application that streams answers.

pip install "exllm[fastapi]" uvicorn
EXAMPLE_MODEL=openai/gpt-4.1-mini uvicorn examples.fastapi_app:app      # or without: the bundled local model
curl -N "http://127.0.0.1:8000/text?question=Hello"
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

import exllm
from exllm.integrations.fastapi import SSEResponse, TextResponse, client_lifespan, get_client, handle_error

MODEL = os.environ.get("EXAMPLE_MODEL", "local")
Client = Annotated[exllm.Client, Depends(get_client)]

app = FastAPI(lifespan=client_lifespan(timeout=exllm.Timeouts(idle=60, total=300)))
app.add_exception_handler(exllm.ExLLMError, handle_error)


@app.get("/events")
async def events(question: str, client: Client) -> SSEResponse:
    """Every chunk as a server-sent event: for an EventSource in the browser."""
    return SSEResponse(client.stream(MODEL, question), heartbeat_s=15)


@app.get("/text")
async def text(question: str, client: Client) -> TextResponse:
    """The answer as plain text, as it is made."""
    return TextResponse(client.stream(MODEL, question))


@app.get("/answer")
async def answer(question: str, client: Client) -> dict[str, object]:
    """The answer as a whole, with what it took."""
    reply = await client.chat(MODEL, question)
    return {"answer": reply.text, "tokens": reply.usage.total_tokens, "usd": reply.cost.total}
