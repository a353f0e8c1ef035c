"""A realtime session with tools: one that the session calls by itself, one that asks the person at the keyboard.

python examples/live_tools.py gemini "Move my meeting to Friday"        # with GEMINI_API_KEY set
python examples/live_tools.py openai "Move my meeting to Friday"        # with OPENAI_API_KEY set
"""

import asyncio
import sys

import exllm
from exllm import live

CALENDAR = {"meeting": "Thursday"}


async def look_up(event: str) -> dict[str, object]:
    """When an event of the calendar takes place.

    Args:
        event: its name.
    """
    return {"event": event, "day": CALENDAR.get(event)}


# No function: the call is left to us, and we ask first.
move = exllm.Tool(
    "move",
    "Move an event of the calendar to another day.",
    {
        "type": "object",
        "properties": {"event": {"type": "string"}, "day": {"type": "string"}},
        "required": ["event", "day"],
    },
)


async def answer(session: live.LiveSession, call: live.ToolCall) -> None:
    """Do what the model asks for, if the user agrees."""
    wanted = call.parse_arguments()
    reply = await asyncio.to_thread(input, f"[move {wanted['event']} to {wanted['day']}? y/n] ")
    if reply.strip().lower() == "y":
        CALENDAR[wanted["event"]] = wanted["day"]
        await session.send_tool_result(call, {"moved": True})
    else:
        await session.send_tool_result(call, "the user does not want that", is_error=True)


async def main(model: str = "gemini", question: str = "Move my meeting to Friday, please.") -> None:
    async with (
        exllm.Client() as client,
        client.live(model, tools=[look_up, move], auto_tools=True, output_transcription=True) as session,
    ):
        await session.send(question)
        answered = False
        async for event in session:
            match event:
                case live.OutputTranscript(text=text) | live.TextOut(text=text):
                    print(text, end="", flush=True)
                    answered = True
                case live.ToolFinished(name=name, result=result):
                    print(f"[{name}: {result}]")
                case live.ToolCall(name="move") as call:
                    await answer(session, call)
                case live.ToolCallCancelled(ids=ids):
                    print(f"[{len(ids)} calls are not wanted any more]")
                case live.TurnComplete() if answered:  # one that only calls tools is followed by another
                    break
        print()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
