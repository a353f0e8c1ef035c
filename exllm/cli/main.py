"""Where the `exllm` command begins: as little as possible before it is known what is asked."""

from __future__ import annotations

import sys

from exllm.version import __version__

WITHOUT_EXTRA = 'The exllm command needs typer and rich. Install them with: pip install "exllm[cli]"'


def main() -> None:
    """Run the command line. Exits with 0, 1 (failed), 2 (wrong usage), 130 (Ctrl-C) or 141 (broken pipe)."""
    if sys.argv[1:] == ["--version"]:  # needs neither the extra nor the time to load it
        print(f"exllm {__version__}")
        return
    try:
        _run()
    except KeyboardInterrupt:  # while the modules were loading
        sys.exit(130)


def _run() -> None:
    try:
        import rich  # noqa: F401 - the tables need it; better to say so here than in the middle of one

        from exllm.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        print(WITHOUT_EXTRA, file=sys.stderr)
        sys.exit(1)
    app(prog_name="exllm")


if __name__ == "__main__":
    main()
