"""``python -m exllm`` is the `exllm` command."""

from exllm.cli.main import main

main()
