"""exllm inside other frameworks; each module needs its extra."""
