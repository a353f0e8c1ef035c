"""The commands `exllm sessions ...` and their options. What they do is in another module, loaded when one runs."""

from __future__ import annotations

from typing import Annotated

import typer

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        help="A SQLite file, a folder of JSON files, or redis://... Default: $EXLLM_SESSIONS, else "
        "~/.local/share/exllm/sessions.db.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="SESSION", help="Its name, or its id.")]

sessions = typer.Typer(help="Conversations that are kept: exllm chat --session NAME begins one.", no_args_is_help=True)


@sessions.command("list")
def list_sessions(
    store: Store = None, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False
) -> None:
    """List the sessions, the last changed first."""
    from exllm.cli.sessions import list_sessions

    raise typer.Exit(list_sessions(store, as_json))


@sessions.command("show")
def show_session(session: Name, store: Store = None) -> None:
    """Show what was said."""
    from exllm.cli.sessions import show_session

    raise typer.Exit(show_session(session, store))


@sessions.command("export")
def export_session(
    session: Name,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; .md, .html or .json. Default: stdout.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", "-f", help="markdown, html or json.")] = None,
    store: Store = None,
) -> None:
    """Write a session as Markdown, as an HTML page, or as JSON."""
    from exllm.cli.sessions import export_session

    raise typer.Exit(export_session(session, out, format, store))


@sessions.command("delete")
def delete_session(session: Name, store: Store = None) -> None:
    """Forget a session."""
    from exllm.cli.sessions import delete_session

    raise typer.Exit(delete_session(session, store))
