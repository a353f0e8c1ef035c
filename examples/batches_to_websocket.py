"""Forward answers to browsers over WebSockets, in batches: one message per 25 ms instead of one per token.

python examples/batches_to_websocket.py [MODEL] [PORT]      # then connect to ws://localhost:8765 and send a prompt
"""

import asyncio
import sys

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import exllm


async def answer(socket: ServerConnection, client: exllm.Client, model: str) -> None:
    async for prompt in socket:
        try:
            async with client.stream(model, str(prompt)) as stream:
                async for batch in stream.batches(max_size=20, max_delay=0.025):
                    await socket.send(msgspec.json.encode(batch), text=True)
        except ConnectionClosed:
            return  # the browser has gone; leaving the block has closed the connection to the provider
        except exllm.ExLLMError as error:
            await socket.send(msgspec.json.encode({"error": error.message}), text=True)


async def main(model: str = "local", port: str = "8765") -> None:
    async with (
        exllm.Client() as client,
        serve(lambda socket: answer(socket, client, model), "localhost", int(port)) as server,
    ):
        print(f"ws://localhost:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
