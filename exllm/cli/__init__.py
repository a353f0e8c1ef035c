"""The `exllm` command: chat in the terminal, list providers and models. Needs the extra ``cli``."""
