"""A conversation that outlives the process: each run of this script is one more turn, also after Ctrl-C or a crash.

python examples/session_in_sqlite.py chats.db "Hi" [MODEL]
"""

import asyncio
import sys

import exllm

ID = "example"


async def main(path: str, prompt: str, model: str = "local") -> None:
    store = exllm.sessions.SQLiteStore(path)
    session = await store.load(ID) if await store.exists(ID) else exllm.Session(model, id=ID)
    fit = exllm.sessions.Fit("smart", max_tokens=8000)  # what is sent of it; all of it is kept
    async with exllm.Client() as client, client.conversation(session, store=store, context=fit) as chat:
        if chat.session.status == "error":
            print("(going on)", (await chat.continue_()).text)
        async with chat.stream(prompt) as turn:
            async for text in turn.text():
                print(text, end="", flush=True)
        print(f"\n({len(chat.session.messages)} messages)")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
