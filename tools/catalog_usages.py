"""Real usages with the price that genai-prices gives them: writes `tests/cost/usages.json`.

The input is the data set that genai-prices tests itself with (https://github.com/pydantic/genai-prices, MIT): reduced
response bodies, what it reads from them, and its price at every provider whose reader takes the body::

    python tools/catalog_usages.py USAGES_JSON

Each provider, model and usage is kept once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

OUT = Path(__file__).parent.parent / "tests" / "cost" / "usages.json"


def main() -> None:
    rows = set()
    for body in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        for extracted in body["extracted"]:
            usage = json.dumps(extracted["usage"], sort_keys=True)
            for reader in extracted["extractors"]:
                if "input_price" in reader and body.get("model"):
                    prices = reader["input_price"], reader["output_price"]
                    rows.add((reader["provider_id"], body["model"], usage, *prices))
    lines = [
        f'["{provider}", {json.dumps(model)}, {usage}, "{spent_in}", "{spent_out}"]'
        for provider, model, usage, spent_in, spent_out in sorted(rows)
    ]
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(f"{len(lines)} usages in {OUT}")


if __name__ == "__main__":
    main()
