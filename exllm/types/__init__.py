"""Plain data: messages, options, chunks, responses. Everything here is a frozen msgspec struct."""
