"""Questions about exllm: what it is, how to stream, chat, batch, retry and extend it, and what its words mean."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from exchange import Exchange, Topic
from phrasing import expand, invented_word
from topics.offtopic import SUBJECTS

_INSTALL = "Run pip install exllm. For local models, run pip install 'exllm[local]'."
_HOW = "(How do I|How can I|How do you|How to|How does one|Tell me how to|Show me how to)"
_WHAT = "(What is|What's|Explain|Tell me about|What do you know about|Can you explain)"


class Fact(NamedTuple):
    """What can be asked (choices as in ``expand``, with ``<>`` for ``()``), what is answered, the same in a word or two, and what follows."""

    asked: str
    answer: str
    short: str
    more: str = ""


FACTS = {
    "exllm": Fact(
        f"{_WHAT} exllm (|in a few words|in one sentence|to me)?|(Do you know|Have you heard of|Describe|Introduce|Define) exllm?|What does exllm do?|"
        "What is this exllm (thing|library|package)?|exllm?|What exactly is exllm?",
        "exllm is a Python library that talks to large language models. Streaming is its heart: every answer arrives as small typed chunks, "
        "one after the other, while the model still writes.",
        "A Python library",
        "It has one Client for many providers, like OpenAI, Anthropic and Gemini, and it runs local models too.",
    ),
    "purpose": Fact(
        "(What is exllm (for|good for|used for|good at)|What can (I|you|we) do with exllm|What can exllm do|What are the features of exllm)?|List the features of exllm.",
        "With exllm you talk to many language models with the same few lines of Python. It streams every answer, retries before the first chunk "
        "and tells you the cost.",
        "Streaming",
        "It can also run tools, batch chunks, share one stream with tee and run a local model.",
    ),
    "why": Fact(
        "(Why should (I|we) use|Why do people use|Why would I use|What is special about|What is so good about) exllm?|What makes exllm (special|good|different)?|"
        "What is the advantage of exllm?",
        "exllm is made for streaming. No chunk is lost, a slow reader slows the sender, and a broken stream raises an error instead of a short answer.",
        "Streaming",
    ),
    "install": Fact(f"{_HOW} (install|get|download|set up) exllm?|Install exllm?|What is the command to install exllm?", _INSTALL, "pip install exllm"),
    "use": Fact(
        f"{_HOW} (use|start with|begin with|call|try) exllm?|(Show me|Give me) (an example|some code|a short example) (of|for|with) exllm?",
        'Write: reply = await exllm.chat("openai/gpt-4.1-mini", "Hello"). Then print reply.text.',
        "await exllm.chat",
        "To see the words as they come, use client.stream instead of chat.",
    ),
    "chat": Fact(
        "What does (chat|chat<>|exllm.chat|client.chat|the chat function) (do|return)?|How does (chat|chat<>|exllm.chat|client.chat) work?|(What is|Explain) (exllm.chat|client.chat|chat<> in exllm)?|"
        f"{_HOW} (get|ask for) (a whole answer|one answer|a complete answer|a full reply)?",
        "chat() sends your messages to a model and waits for the whole answer. It gives you a Response with the text, the usage and the cost.",
        "A Response",
        "Inside, chat() is a fold over the same chunks that stream() hands out.",
    ),
    "chat and stream": Fact(
        "(What is|What's|Explain) the difference between (chat and stream|chat<> and stream<>|stream and chat)?|(Should I use|When do I use) chat or stream?|chat or stream?",
        "stream() gives you each chunk as soon as it arrives. chat() reads the same chunks and gives you the whole answer at the end.",
        "Chunks or a whole",
    ),
    "client": Fact(
        f"{_WHAT} (a Client|the Client|Client|exllm.Client) (in exllm|)?|What does (the|a) (Client|client) do (in exllm|)?",
        "A Client holds the keys, the connections and the settings. Open it with async with exllm.Client() as client, and it closes everything at the end.",
        "It holds connections",
    ),
    "make client": Fact(
        f"{_HOW} (make|create|open|close) (a|the) (client|Client) (in exllm|with exllm|)?",
        "Write async with exllm.Client() as client. When the block ends, the client closes its connections.",
        "exllm.Client()",
    ),
    "streaming": Fact(
        "(What is|What's|Explain|What does it mean:|What do you mean by) streaming (in exllm|)?|How does streaming work (in exllm|)?|What does streaming mean (in exllm|)?|"
        "What is a stream (in exllm|)?",
        "Streaming means that the words come one by one, while the model still writes. In exllm a stream gives you typed chunks, and you read it with async for.",
        "Word by word",
        "When you leave the stream early, exllm closes the connection at once.",
    ),
    "how to stream": Fact(
        f"{_HOW} (stream|stream an answer|stream a reply|stream text|stream with exllm|stream tokens|stream the output|read a stream|use stream)?|"
        "(Show me|Give me) (a streaming example|code that streams|an example of streaming)?",
        "Write: async with client.stream(model, message) as stream. Then read it with async for text in stream.text() and print each text.",
        "client.stream",
        "After the loop, stream.response is the same Response that chat() returns.",
    ),
    "chunk": Fact(
        f"{_WHAT} (a chunk|chunks|typed chunks|a typed chunk|a text delta|TextDelta) (in exllm|)?|What are chunks?|What chunks are there?",
        "A chunk is a small piece of an answer. In exllm chunks have types, like TextDelta, ToolCallDelta and Finish.",
        "A piece",
    ),
    "token": Fact(
        f"{_WHAT} (a token|tokens) (in exllm|for a model|)?|What are tokens?",
        "A token is a small piece of text, often a part of a word. A model reads and writes one token after the other.",
        "A piece of text",
    ),
    "backpressure": Fact(
        f"{_WHAT} (back-pressure|backpressure|back pressure) (in exllm|)?|What does (back-pressure|backpressure|back pressure) (mean|do)?|How does (back-pressure|backpressure) work?|"
        "What happens (when|if) (the|my) (reader|consumer|program) is (too|) slow?|Why does (backpressure|back-pressure) matter?",
        "Backpressure means that a slow reader slows the sender. In exllm a full ring buffer stops the socket, so no chunk is lost.",
        "Slow down",
    ),
    "ring": Fact(
        f"{_WHAT} (a|the) ring buffer (in exllm|)?|What does the ring (buffer|) do (in exllm|)?|Where does exllm keep (the|) chunks?",
        "The ring buffer holds the chunks between the socket and your loop. It holds 256 chunks, and when it is full, exllm stops reading.",
        "A buffer",
    ),
    "tee": Fact(
        f"{_WHAT} (tee|tee in exllm|stream.tee|tee<>)?|What does tee (do|mean)?|{_HOW} (share|split|copy) (a|one) stream?|"
        "(Can|How can) two (readers|consumers|tasks) read (one|the same) stream?",
        "With stream.tee(2) two readers get the same stream. Each reader has its own ring buffer and its own speed.",
        "It shares a stream",
    ),
    "batches": Fact(
        f"{_WHAT} (batches|stream.batches|the batcher|the chunk batcher|batching) (in exllm|)?|{_HOW} (batch|group|collect) chunks?|What does the batcher do?",
        "stream.batches() hands out chunks in small groups, up to 20 chunks or 25 milliseconds. That saves work when the chunks are tiny.",
        "Groups of chunks",
    ),
    "providers": Fact(
        "(What|Which) providers (does exllm have|does exllm support|are there|does exllm know|can I use|are supported|are in exllm)?|"
        "(Does exllm (support|work with|know)|Can I use) (OpenAI|Anthropic|Gemini|Ollama|Groq|Mistral|Claude|OpenRouter|DeepSeek) (with exllm|)?|"
        "(Which|What) models (can I use with exllm|does exllm support)?|List the providers (of exllm|)?",
        "exllm knows many providers, like OpenAI, Anthropic, Gemini, Groq, Mistral and Ollama, and it runs local models too.",
        "Many",
    ),
    "provider": Fact(
        f"{_WHAT} a provider (in exllm|)?|What does provider mean (in exllm|)?",
        "A provider is a service or a program that runs a language model, like OpenAI or Ollama.",
        "A service",
    ),
    "model name": Fact(
        f"{_HOW} (choose|pick|select|name|change|switch) (a|the|my) model (in exllm|)?|What is a model string (in exllm|)?|What does openai/gpt-4.1-mini mean?",
        'Write the provider, a slash and the model, like "openai/gpt-4.1-mini". The provider alone means its default model.',
        "provider/model",
    ),
    "add provider": Fact(
        f"{_HOW} (add|register|write|make) (a|my own|a new) provider (to exllm|in exllm|)?|Can I add (a|my own) provider?",
        "A provider that speaks a known protocol is about twenty lines of data. Pass them to exllm.providers.register().",
        "register()",
    ),
    "keys": Fact(
        f"{_HOW} (set|give|pass|use|add) (an API key|my API key|my key|a key|keys) (in exllm|to exllm|)?|Where (do I put|does exllm find) (my|the) (API key|key|keys)?|"
        "Do I need (an API key|a key) (for exllm|)?",
        "exllm reads keys from the environment, like OPENAI_API_KEY. You can also pass api_key to a call. The local model needs no key.",
        "The environment",
    ),
    "retry": Fact(
        "(Does|How does|When does) exllm retry (requests|failed calls|)?|(What happens|What does exllm do) (when|if) (a request|a call|the network) fails?|"
        f"{_WHAT} (retry|retries|the retry policy) (in exllm|)?|How often does exllm retry?",
        "exllm tries a failed request up to three times, and it waits a little longer each time. It only retries before the first chunk.",
        "Three times",
    ),
    "timeouts": Fact(
        f"{_HOW} (set|change|use) (a timeout|timeouts|the timeout) (in exllm|)?|{_WHAT} (timeouts|the timeouts|a timeout) (in exllm|of exllm|)?|"
        "(What|Which) timeouts does exllm have?",
        "exllm has four timeouts: connect, first chunk, idle and total. Pass timeout=30 or exllm.Timeouts(idle=10) to the client or to a call.",
        "Four",
    ),
    "errors": Fact(
        f"(What|Which) errors does exllm (raise|have)?|{_HOW} (handle|catch) (an error|errors|exceptions) (in exllm|)?|What happens when a stream (breaks|fails|is cut)?",
        "Every error of exllm is an ExLLMError. When a stream breaks, it raises StreamInterrupted, and the text that had arrived is in error.partial.",
        "ExLLMError",
    ),
    "tools": Fact(
        f"{_HOW} (use|write|define|add|call) (tools|a tool|functions) (in exllm|with exllm|)?|{_WHAT} (a tool|tools|tool calls|exllm.tool|the tool decorator) (in exllm|)?|"
        "Does exllm (have|support) (tools|tool calls|function calling)?",
        "A tool is a Python function that the model may call. Put @exllm.tool above it and pass it with tools=[...].",
        "A function",
    ),
    "structured": Fact(
        f"{_HOW} (get|ask for|receive) (JSON|structured output|an object|typed output) (in exllm|with exllm|)?|Can exllm (give me|return) (JSON|objects)?|"
        f"{_WHAT} (structured output|response_format|response_model) (in exllm|)?",
        "Pass response_format with a JSON schema, or response_model with your own class. Then the answer is JSON, and local models are held to it by a grammar.",
        "response_format",
    ),
    "cost": Fact(
        f"{_HOW} (see|get|know|count) (the cost|the price|the usage|tokens|how many tokens I used) (in exllm|with exllm|)?|What is (usage|cost|reply.cost|reply.usage) in exllm?|"
        "Does exllm (count tokens|know the cost)?",
        "Every Response has usage and cost. reply.usage counts the tokens, and reply.cost.total is the price in dollars.",
        "reply.cost",
    ),
    "local": Fact(
        "(Can exllm run|Does exllm (have|run|support)|How does exllm run) (local models|a local model|models offline|a model on my computer)?|"
        f"{_HOW} (run|use|load) (local models|a local model|a GGUF file|my own model) (with exllm|in exllm|)?|{_WHAT} local models (in exllm|)?",
        "exllm runs local models with llama.cpp. Give it local/ and the path of a GGUF file. I am a local model too, the small one that ships with exllm.",
        "llama.cpp",
        "Local models need no key and no network, and they stream like all the others.",
    ),
    "llama.cpp": Fact(
        f"{_WHAT} (llama.cpp|llama cpp|llama-cpp-python)?",
        "llama.cpp is a fast program that runs language models on your own computer. exllm uses it for local models like me.",
        "A program",
    ),
    "gguf": Fact(
        f"{_WHAT} (GGUF|a GGUF file|the GGUF format)?",
        "GGUF is a file format for language models. llama.cpp reads such files, and I am one of them.",
        "A file format",
    ),
    "asyncio": Fact(
        f"{_WHAT} (asyncio|async|async code|async Python|await)?|(Is exllm (async|asynchronous)|Does exllm use asyncio|Why is exllm async)?",
        "asyncio is the part of Python that does many things at once in one thread. exllm is made for it.",
        "Async",
    ),
    "fastapi": Fact(
        "(Does exllm work with|Can I use exllm with|Can I use exllm in) (FastAPI|Starlette|a web server|my web app)?|"
        f"{_HOW} (stream to a browser|use exllm with FastAPI|serve a stream)?",
        "Yes, exllm turns a stream into a FastAPI response. When the browser goes away, exllm closes the stream to the model.",
        "Yes",
    ),
    "command line": Fact(
        f"{_HOW} (use|run|start) (exllm in the terminal|exllm on the command line|the exllm command|exllm chat)?|Does exllm have a (command line|CLI|command)?|"
        f"{_WHAT} (the exllm command|exllm chat|make demo)?",
        "Type exllm chat and a question, and the answer streams into your terminal. Without a key it uses me, the small local model.",
        "exllm chat",
    ),
    "language": Fact(
        "(What (programming|) language is exllm (written|made) in|Which language does exllm use|Is exllm (written|) in Python)?|(Which|What) Python (version|) does exllm need?",
        "exllm is written in Python. It needs Python 3.11 or newer.",
        "Python",
    ),
    "licence": Fact(
        "(Is exllm (free|open source)|What licen(s|c)e does exllm have|What is the license of exllm|How much does exllm cost|Do I have to pay for exllm)?",
        "exllm is free and open source. It has the MIT license.",
        "MIT",
    ),
    "speed": Fact(
        "(How fast is exllm|Is exllm (fast|quick)|Why is exllm fast)?",
        "exllm is made to be fast. It decodes many chunks in one go and hands them out without waiting.",
        "Fast",
    ),
    "python": Fact(f"{_WHAT} (Python|python)?", "Python is a programming language that is easy to read. exllm is written in it.", "A language"),
    "cancel": Fact(
        f"{_HOW} (stop|cancel|close|end) (a stream|an answer|the stream) (early|in exllm|)?|What happens (when|if) I (leave|cancel|stop) (a|the) stream (early|)?",
        "Leave the async with block, or cancel the task. exllm then closes the connection at once, and nothing is left behind.",
        "Leave the block",
    ),
    "messages": Fact(
        f"{_HOW} (send|write|pass) (a message|messages|a system message|a system prompt|several messages) (in exllm|with exllm|)?|{_WHAT} (a message|messages) in exllm?",
        "A message is a string, a dict or exllm.Message(role, content). Pass one message or a list of them.",
        "A list",
    ),
    "testing": Fact(
        f"{_HOW} test (my code|an app|my program) (with exllm|that uses exllm|)?|{_WHAT} the mock provider (in exllm|)?|Does exllm have a mock?",
        "exllm has a mock provider for tests. It answers with your own text, with chunks and delays, or with errors, and it needs no network.",
        "The mock",
    ),
    "language model": Fact(
        f"{_WHAT} (a language model|an LLM|a large language model|language models|LLMs)?|How does (a language model|an LLM) work?|How do (LLMs|language models) work?",
        "A language model is a program that reads text and writes the next piece of it, again and again, until the answer is done.",
        "A program",
    ),
}  # fmt: skip
"""What is known about exllm, by subject."""

_FOLLOWING = {
    "exllm": ["install", "use", "how to stream", "providers", "licence", "purpose"],
    "use": ["how to stream", "keys", "install"],
    "streaming": ["how to stream", "backpressure", "chunk"],
    "how to stream": ["cancel", "chunk", "backpressure"],
    "backpressure": ["ring", "tee"],
    "providers": ["add provider", "keys", "model name"],
    "chat": ["how to stream", "chat and stream"],
    "install": ["use", "how to stream"],
}
"""What people ask next."""


def _exchange(rng: Random, name: str, followups: tuple[Exchange, ...] = ()) -> Exchange:
    fact = FACTS[name]
    asked = expand(rng, f"({fact.asked})").replace("<>", "()")
    if asked.startswith(("Explain", "Tell", "Show", "Give", "List", "Describe", "Introduce", "Define", "Install")):
        asked = asked[:-1] + "."
    return Exchange(asked, fact.answer, fact.short, {"answer": fact.short}, followups)


def about_exllm(rng: Random) -> Exchange:
    """One question about exllm, often with the next one."""
    name = rng.choice([*FACTS, *["exllm"] * 6, *["purpose", "why", "how to stream", "streaming", "use", "local", "install"]])
    fact = FACTS[name]
    kind = rng.random()
    if fact.more and kind < 0.35:
        asked = expand(rng, "(Tell me more|More|And what else|What else|Go on|Can you say more about that|Anything else|Please explain more)(.|?|)")
        return _exchange(rng, name, (Exchange(asked, fact.more),))
    if name == "exllm" and kind < 0.55:
        asked = expand(rng, "(How do I|How can I) (install|get) it?")
        return _exchange(rng, name, (Exchange(asked, _INSTALL, "pip install exllm", {"answer": "pip install exllm"}),))
    if name in _FOLLOWING and kind < 0.85:
        return _exchange(rng, name, (_exchange(rng, rng.choice(_FOLLOWING[name])),))
    return _exchange(rng, name)


_UNKNOWN = [
    "(Does exllm (support|work with|have|know about)|Can exllm (do|explain|handle)|Is exllm good for|Can I use exllm for) {s}?",
    "(Who wrote|Who uses|Who invented|Who maintains) exllm?|(When|Where) was exllm (made|released)?",
    "How many (lines|stars|users|bugs|tests|developers) does exllm have?",
    "What is the {w} (option|flag|function|method|class|module) (in|of) exllm?",
]


def unknown_about_exllm(rng: Random) -> Exchange:
    asked = expand(rng, rng.choice(_UNKNOWN), s=rng.choice(SUBJECTS), w=invented_word(rng))
    return Exchange(asked, "I do not know that about exllm. I am a very small model. Please look into the README of exllm.", "Unknown",
                    {"answer": "unknown"})  # fmt: skip


ABOUT_EXLLM: Topic = [(1.0, about_exllm), (0.08, unknown_about_exllm)]
