"""exllm."""
