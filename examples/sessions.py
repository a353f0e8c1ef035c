"""A conversation with tools that ask back, taken back and forked; at the end as a page.

python examples/sessions.py [MODEL] [PAGE.html]
"""

import asyncio
import sys
from pathlib import Path

import exllm


@exllm.tool
def ask_guest(question: str) -> exllm.AskUser:
    """Ask the guest something."""
    return exllm.AskUser(question)


async def main(model: str = "openai") -> exllm.Session:
    session = exllm.Session(model, instructions="You book tables. Be brief.", name="A table")
    async with exllm.Client() as client, client.conversation(session, tools=[ask_guest]) as chat:
        reply = await chat.send("A table, please.")
        while chat.session.status == "awaiting_user":
            answer = await asyncio.to_thread(input, f"{chat.session.question} ")
            reply = await chat.reply(answer)
        print(reply.text)

        other = client.conversation(chat.fork("Another table"))
        async with other.stream("Make it Saturday.") as turn:
            async for text in turn.text():
                print(text, end="", flush=True)
        print()

        await chat.undo()
        print(len(chat.session.messages), "messages here,", len(other.session.messages), "there")
        print(other.session.usage.total_tokens, "tokens since the fork, cost", other.session.cost.total)
        return other.session


if __name__ == "__main__":
    session = asyncio.run(main(*sys.argv[1:2]))
    Path(*sys.argv[2:] or ["session.html"]).write_text(exllm.sessions.export(session, "html"), encoding="utf-8")
