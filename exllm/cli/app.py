"""The commands and their options. What they do is in the other modules, loaded when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from exllm.cli.models_app import models
from exllm.cli.sessions_app import Store, sessions
from exllm.version import __version__

app = typer.Typer(
    help="Large language models in the terminal: hosted ones by their key, a small bundled one without.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"exllm {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def chat(
    prompt: Annotated[
        list[str] | None, typer.Argument(help="What to say. Words are joined; piped input goes before them.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="PROVIDER/MODEL, or PROVIDER for its default model. Default: $EXLLM_MODEL, else a "
            "provider whose key is set, else the local model.",
        ),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="How the model should behave.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is the most predictable.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of the answer.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same answer, where the model can.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End the answer before this text. May be repeated.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="Any other option, e.g. -o top_p=0.9 or -o timeout=30; VALUE is JSON, or else text. May be repeated.",
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="NAME", help="Go on with a conversation that is kept, or begin one."),
    ] = None,
    store: Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole response as one JSON object.")] = False,
    as_chunks: Annotated[
        bool, typer.Option("--chunks", help="Print every chunk as a line of JSON, as it arrives.")
    ] = False,
    stats: Annotated[
        bool | None,
        typer.Option("--stats/--no-stats", help="Tokens, cost and speed on stderr. Default: if that is a terminal."),
    ] = None,
    reasoning: Annotated[
        bool | None,
        typer.Option(
            "--reasoning/--no-reasoning", help="The model's thinking on stderr. Default: if that is a terminal."
        ),
    ] = None,
) -> None:
    """Ask a model and watch it answer. Without a prompt, on a terminal, a conversation begins."""
    from exllm.cli.arguments import ChatSettings, collect_options, read_prompt
    from exllm.cli.chat import ask
    from exllm.cli.conversation import converse
    from exllm.cli.default_model import choose_model
    from exllm.cli.screen import Screen

    if store is not None and session is None:
        raise typer.BadParameter("--store goes with --session NAME")
    if as_json and as_chunks:
        raise typer.BadParameter("--json and --chunks exclude each other")
    named = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed, "stop": stop or None}
    options = collect_options(named, option or [])
    if session is not None and options.get("n", 1) != 1:
        raise typer.BadParameter("a session has one answer to each turn; leave out n")
    screen = Screen()
    text = read_prompt(prompt or [], may_converse=screen.out.is_terminal and not (as_json or as_chunks))
    settings = ChatSettings(
        model=model or ("" if session is not None else choose_model(screen)),
        system=system,
        options=options,
        output="json" if as_json else "chunks" if as_chunks else "text",
        show_stats=screen.err.is_terminal if stats is None else stats,
        show_reasoning=screen.err.is_terminal if reasoning is None else reasoning,
        session=session,
        store=store,
    )
    raise typer.Exit(converse(settings, screen) if text is None else ask(settings, text, screen))


@app.command()
def live(
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL, or PROVIDER for its default realtime model.")],
    prompt: Annotated[
        list[str] | None,
        typer.Argument(help="What to say. Words are joined. Without them every line of the input is a turn."),
    ] = None,
    instructions: Annotated[
        str | None, typer.Option("--instructions", "-s", help="How the model should behave.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="The voice that it speaks with.")] = None,
    wav: Annotated[str | None, typer.Option(metavar="FILE", help="Write what it says to this WAV file.")] = None,
    sound: Annotated[
        str | None, typer.Option("--input", "-i", metavar="FILE", help="Speak this WAV file, as fast as it plays.")
    ] = None,
    text_only: Annotated[bool, typer.Option("--text", help="Answers in text, not in speech.")] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="Any other setting, e.g. -o temperature=0.2; VALUE is JSON, or else text. May be repeated.",
        ),
    ] = None,
    stats: Annotated[
        bool | None,
        typer.Option("--stats/--no-stats", help="Tokens, cost and times on stderr. Default: if that is a terminal."),
    ] = None,
) -> None:
    """Talk to a realtime model: text or a sound file in, its words on the screen and its speech in a file."""
    from exllm.cli.arguments import collect_pairs
    from exllm.cli.live import LiveOptions, read_sound, settings_of, talk
    from exllm.cli.screen import Screen

    said = " ".join(prompt or []).strip() or None
    if sound is not None and said is not None:
        raise typer.BadParameter("a prompt and --input exclude each other")
    if text_only and wav is not None:
        raise typer.BadParameter("--text and --wav exclude each other")
    if wav == "-":
        raise typer.BadParameter("--wav writes to a file; the words go to the standard output")
    named = {
        "instructions": instructions,
        "voice": voice,
        "modalities": "text" if text_only else None,
    }
    given = collect_pairs(named, option or [])
    screen = Screen()
    options = LiveOptions(
        model=model,
        prompt=said,
        arguments=settings_of(given, has_sound=sound is not None, has_wav=wav is not None),
        sound=None if sound is None else read_sound(sound),
        wav=wav,
        show_stats=screen.err.is_terminal if stats is None else stats,
    )
    raise typer.Exit(talk(options, screen))


@app.command()
def providers(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the providers, and which of them have a key."""
    from exllm.cli.listing import show_providers

    raise typer.Exit(show_providers(as_json))


app.add_typer(models, name="models")
app.add_typer(sessions, name="sessions")

catalog = typer.Typer(
    help="The model catalog itself; what it knows of models is told by exllm models.", no_args_is_help=True
)
app.add_typer(catalog, name="catalog")


@catalog.command("update")
def catalog_update() -> None:
    """Fetch the public price lists, so that new models are known without a new exllm."""
    from exllm.cli.catalog import update

    raise typer.Exit(update())


@catalog.command("check")
def catalog_check() -> None:
    """Say which catalog is used, of when, and whether your own files are right."""
    from exllm.cli.catalog import check

    raise typer.Exit(check())


@catalog.command("sync", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def catalog_sync(context: typer.Context) -> None:
    """Write the catalog's own files, for those who work on exllm: python -m exllm.model_catalog.sync."""
    from exllm.model_catalog.sync.__main__ import main

    raise typer.Exit(main(context.args))


@app.command()
def cost(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="PROVIDER/MODEL; several are compared.")],
    input_tokens: Annotated[int, typer.Option("--input", "-i", help="Tokens, cached ones included.")] = 1_000_000,
    output_tokens: Annotated[int, typer.Option("--output", "-o", help="Tokens, reasoning included.")] = 0,
    cached_tokens: Annotated[int, typer.Option("--cached", help="Of the input, read from a cache.")] = 0,
    tier: Annotated[str | None, typer.Option(help="batch, flex, priority.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Say what a call costs, by the catalog; the cheapest model first."""
    from exllm.cli.catalog import show_cost
    from exllm.types.usage import Usage

    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cached_input_tokens=cached_tokens or None)
    raise typer.Exit(show_cost(models, usage, tier, as_json))
