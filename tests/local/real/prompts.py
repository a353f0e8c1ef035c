"""What the real model is asked."""

PROMPTS = [
    "Tell me a story.",
    "What is exllm?",
    "Hello!",
    "What is the capital of France?",
    "Write one line about the ☃ and the é.",
]
