"""Talk to a realtime model in text. It answers in speech: the words are shown, the sound goes into a file.

python examples/live_text.py answer.wav                                          # with GEMINI_API_KEY set
python examples/live_text.py answer.wav openai "What is the weather in Oslo?"    # with OPENAI_API_KEY set
"""

import asyncio
import sys

import exllm
from exllm import live


async def weather(city: str) -> dict[str, object]:
    """The weather right now.

    Args:
        city: name of the city.
    """
    return {"city": city, "sky": "clear", "degrees": -3}


async def main(path: str = "answer.wav", model: str = "gemini", *questions: str) -> None:
    async with (
        exllm.Client() as client,
        client.live(model, tools=[weather], auto_tools=True, output_transcription=True) as session,
    ):
        session.record(path)
        for question in questions or ("What is the weather in Oslo?",):
            print(f"> {question}")
            await session.send(question)
            answered = False
            async for event in session:
                match event:
                    case live.OutputTranscript(text=text) | live.TextOut(text=text):
                        print(text, end="", flush=True)
                        answered = True
                    case live.ToolFinished(name=name, result=result):
                        print(f"[{name}: {result}]")
                    case live.Reconnecting(reason=reason):
                        print(f"[{reason}]")
                    case live.TurnComplete() if answered:  # one that only calls tools is followed by another
                        break
            print()
        stats = session.stats
        print(f"[{stats.audio_in_bytes} bytes of speech, first after {stats.first_audio_s or 0:.2f} s, in {path}]")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
