"""The line of figures under an answer."""

from __future__ import annotations

import exllm
from exllm.cli.figures import figures


def _response(**fields: object) -> exllm.Response:
    choice = exllm.Choice(exllm.Message("assistant", "Hi"), finish_reason="stop")
    return exllm.Response(**{"choices": (choice,), "provider": "acme", "model": "large", **fields})  # type: ignore[arg-type]


def test_everything_known_is_shown() -> None:
    usage = exllm.Usage(
        input_tokens=1200, output_tokens=34, cached_input_tokens=1000, reasoning_tokens=8, provenance="reported"
    )
    stats = exllm.StreamStats(first_chunk_s=0.234, duration_s=1.5, tokens_per_s=26.84, attempts=2)
    assert figures(_response(usage=usage, cost=exllm.Cost(total=0.00123), stats=stats)) == (
        "acme/large · tokens: 1,200 in, 1,000 cached, 34 out, 8 reasoning · $0.0012 · 26.8 tokens/s · "
        "first chunk 0.23 s · total 1.50 s · 2 attempts"
    )


def test_what_is_not_known_is_not_made_up() -> None:
    assert figures(_response()) == "acme/large · tokens unknown"


def test_estimates_are_marked() -> None:
    usage = exllm.Usage(input_tokens=5, output_tokens=6, provenance="estimated")
    assert "tokens: ~5 in, ~6 out" in figures(_response(usage=usage))


def test_costs_of_all_sizes_are_readable() -> None:
    shown = [figures(_response(cost=exllm.Cost(total=usd))).split(" · ")[-1] for usd in (0.0, 0.0000042, 0.042, 12.345)]
    assert shown == ["free", "$4.2e-06", "$0.042", "$12.35"]


def test_an_unusual_end_is_told() -> None:
    cut = exllm.Choice(exllm.Message("assistant", "H"))
    short = exllm.Choice(exllm.Message("assistant", "H"), finish_reason="length")
    assert figures(_response(choices=(cut,))).endswith(" · cut off")
    assert figures(_response(choices=(short,))).endswith(" · finish: length")
