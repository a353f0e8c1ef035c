"""``python -m exllm.model_catalog.sync``: write the catalog's files from the sources."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exllm.errors import ExLLMError
from exllm.model_catalog import compiled
from exllm.model_catalog.sync import overrides, report
from exllm.model_catalog.sync.build import PUBLIC, Built, build
from exllm.model_catalog.sync.fetch import fetch
from exllm.model_catalog.sync.write import provider_yaml

CATALOG = Path(__file__).parent.parent
REPORT = CATALOG.parent.parent / "docs" / "model-catalog-disagreements.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    options = _parser().parse_args(arguments)
    as_of = dict(item.split("=", 1) for item in options.as_of)
    places = {"litellm": options.litellm, "genai-prices": options.genai_prices, "models.dev": options.models_dev}
    try:
        texts = {name: fetch(place, as_of.get(name)) for name, place in places.items()}
        built = build(texts, overrides.read(options.overrides))
        write_all(built, options.models, options.compiled)
    except ExLLMError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    if options.report:
        options.report.write_text(report.markdown(built), encoding="utf-8")
    models = sum(len(provider.models) for provider in built.providers.values())
    print(  # noqa: T201
        f"{models} models of {len(built.providers)} providers; {len(built.disagreements)} disagreements, "
        f"see {options.report}"
    )
    return 0


def write_all(built: Built, models: Path, compiled_file: Path) -> None:
    """Write one YAML file per provider into `models`, remove those of providers that are gone, and compile."""
    models.mkdir(parents=True, exist_ok=True)
    for name, provider in built.providers.items():
        (models / f"{name}.yml").write_text(provider_yaml(provider), encoding="utf-8")
    for path in models.glob("*.yml"):
        if path.stem not in built.providers:
            path.unlink()
    compiled.write(compiled_file, built.providers.values())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m exllm.model_catalog.sync", description=__doc__)
    for name in PUBLIC:
        flag = "--" + name.replace(".", "-")
        parser.add_argument(flag, default=PUBLIC[name], metavar="PATH", help=f"a file or an address; {PUBLIC[name]}")
    parser.add_argument(
        "--as-of",
        action="append",
        default=[],
        metavar="SOURCE=DATE",
        help="the day (YYYY-MM-DD) or month of a source's figures; else the file's or the server's date",
    )
    parser.add_argument("--models", type=Path, default=CATALOG / "models", help="where the YAML files go")
    parser.add_argument("--compiled", type=Path, default=CATALOG / "catalog.bin", help="where the compiled form goes")
    parser.add_argument("--overrides", type=Path, default=overrides.PATH)
    parser.add_argument("--report", type=Path, default=REPORT, help="where the table of disagreements goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
