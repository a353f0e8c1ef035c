"""How long prices take: exllm's catalog beside LiteLLM's and genai-prices'. Writes `benchmarks/CATALOG.md`.

    python -m benchmarks.catalog --peers oracle/bin/python

`--peers` is the interpreter of an environment that has litellm and genai-prices; without it exllm alone is measured,
and the figures are only printed.
Every number is of fresh interpreters, one after the other; before anything is timed, all must come to the same cost.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

OUT = Path(__file__).parent / "CATALOG.md"
RUNS = 9
EXPECTED_USD = 700 * 2.5e-6 + 300 * 1.25e-6 + 200 * 10e-6

EXLLM = """
import json, time
began = time.perf_counter()
import exllm
imported = time.perf_counter() - began
from exllm.cost import cost_of
usage = exllm.Usage(input_tokens=1000, output_tokens=200, cached_input_tokens=300)
ask = lambda: cost_of(usage, provider="openai", model="gpt-4o").total
"""
LITELLM = """
import json, os, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
began = time.perf_counter()
import litellm
imported = time.perf_counter() - began
from litellm.types.utils import Choices, Message, ModelResponse, PromptTokensDetailsWrapper, Usage
usage = Usage(prompt_tokens=1000, completion_tokens=200, total_tokens=1200,
              prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=300))
response = ModelResponse(model="gpt-4o", choices=[Choices(message=Message(content="x"))], usage=usage)
ask = lambda: litellm.completion_cost(response, model="gpt-4o", custom_llm_provider="openai")
"""
GENAI = """
import json, time
began = time.perf_counter()
import genai_prices
imported = time.perf_counter() - began
usage = genai_prices.Usage(input_tokens=1000, output_tokens=200, cache_read_tokens=300)
ask = lambda: float(genai_prices.calc_price(usage, "gpt-4o", provider_id="openai").total_price)
"""
MEASURE = """
began = time.perf_counter()
usd = ask()
first = time.perf_counter() - began
best = float("inf")
for _ in range(7):
    began = time.perf_counter()
    for _ in range(500):
        ask()
    best = min(best, (time.perf_counter() - began) / 500)
print(json.dumps({"usd": usd, "imported_s": imported, "first_s": first, "next_s": best}))
"""


def measure(interpreter: str, code: str) -> dict[str, float]:
    """The medians over fresh interpreters."""
    runs = []
    for _ in range(RUNS):
        done = subprocess.run([interpreter, "-c", code + MEASURE], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        assert abs(runs[-1]["usd"] - EXPECTED_USD) < 1e-12, runs[-1]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="an interpreter that has litellm and genai-prices")
    options = parser.parse_args()
    rows = [("exllm", measure(sys.executable, EXLLM))]
    if options.peers:
        rows += [(name, measure(options.peers, code)) for name, code in (("litellm", LITELLM), ("genai-prices", GENAI))]
    lines = [
        "# What a price costs",
        "",
        f"Written by `python -m benchmarks.catalog`: medians of {RUNS} fresh interpreters, Python "
        f"{platform.python_version()}, {platform.machine()}.",
        "The call is gpt-4o with cached tokens; all come to the same cost.",
        "",
        "| | import | first price | every next price |",
        "|---|---|---|---|",
        *(
            f"| {name} | {row['imported_s'] * 1e3:.0f} ms | {row['first_s'] * 1e3:.1f} ms "
            f"| {row['next_s'] * 1e6:.1f} µs |"
            for name, row in rows
        ),
        "",
        "exllm reads the catalog of the one provider when the first price is asked for; the modules that it needs for",
        "that are loaded then as well, and are in the figure.",
    ]
    if options.peers:
        OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
