"""The commands `exllm models ...` and their options. What they do is in the other modules, loaded when one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from exllm.cli.model_filters import Filters

_MANY = "May be repeated."

Providers = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PROVIDER]...", help="Default: all whose key is set, and the local models."),
]
Text = Annotated[str | None, typer.Option("--text", "-t", help="In the model's id or name.")]
Features = Annotated[
    list[str] | None,
    typer.Option("--feature", "-f", help=f"What it can do: tools, vision, reasoning, json, pdf, search. {_MANY}"),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", help=f"chat, embedding (both by default), image, speech, ..., or all. {_MANY}"),
]
Modalities = Annotated[
    list[str] | None, typer.Option("--modality", help=f"What it takes: text, image, audio, video, pdf. {_MANY}")
]
MinContext = Annotated[int | None, typer.Option(help="Tokens.")]
MaxPrice = Annotated[float | None, typer.Option(help="US dollars per million tokens of input.")]
MaxOutputPrice = Annotated[float | None, typer.Option(help="US dollars per million tokens of output.")]
NotDeprecated = Annotated[bool, typer.Option("--not-deprecated", help="Without those that are going away.")]
FromCatalog = Annotated[
    bool, typer.Option("--catalog", help="What the model catalog knows, of all providers; nobody is asked.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class _ListsByDefault(TyperGroup):
    """``exllm models openai`` is ``exllm models list openai``: no provider is called as a command is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


models = typer.Typer(
    cls=_ListsByDefault,
    help="List, compare and plot models. exllm models [PROVIDER]... [OPTIONS] is short for exllm models list.",
)


@models.command("list")
def list_models(
    provider: Providers = None,
    text: Text = None,
    feature: Features = None,
    kind: Kinds = None,
    modality: Modalities = None,
    min_context: MinContext = None,
    max_price: MaxPrice = None,
    max_output_price: MaxOutputPrice = None,
    not_deprecated: NotDeprecated = False,
    catalog: FromCatalog = False,
    as_json: AsJson = False,
) -> None:
    """List the models that providers offer: as they say themselves, and the model catalog where they say nothing."""
    from exllm.cli.models import show_models

    filters = _filters(text, feature, kind, modality, min_context, max_price, max_output_price, not_deprecated)
    raise typer.Exit(show_models(provider or (), filters, catalog, as_json))


@models.command("show")
def show_model(model: Annotated[str, typer.Argument(help="PROVIDER/MODEL.")], as_json: AsJson = False) -> None:
    """Show all that the model catalog knows of a model, and where each figure is from."""
    from exllm.cli.model_facts import show

    raise typer.Exit(show(model, as_json))


@models.command("compare")
def compare_models(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="PROVIDER/MODEL, several of them.")],
    as_json: AsJson = False,
) -> None:
    """Show what the model catalog knows of several models, side by side."""
    from exllm.cli.model_facts import compare

    raise typer.Exit(compare(models, as_json))


@models.command("recommend")
def recommend_models(
    prefer: Annotated[str, typer.Option(metavar="WHAT", help="balance, price, context, newest or output.")] = "balance",
    provider: Annotated[list[str] | None, typer.Option("--provider", "-p", help=_MANY)] = None,
    feature: Features = None,
    kind: Annotated[str, typer.Option("--kind", "-k", help="chat, embedding, image, ...")] = "chat",
    modality: Modalities = None,
    min_context: MinContext = None,
    max_price: MaxPrice = None,
    max_output_price: MaxOutputPrice = None,
    as_json: AsJson = False,
) -> None:
    """Show the best five models of the catalog that exllm can call, with reasons."""
    from exllm.cli.model_facts import recommend

    conditions = {
        "providers": provider or None,
        "features": feature or (),
        "mode": kind,
        "input": modality or (),
        "min_context": min_context,
        "max_input_price": max_price,
        "max_output_price": max_output_price,
    }
    raise typer.Exit(recommend(conditions, prefer, as_json))


@models.command("plot")
def plot_models(
    provider: Providers = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Where to: .svg, or .png with cairosvg.")] = "models.svg",
    against: Annotated[
        str, typer.Option(metavar="WHAT", help="context, output (the longest answer) or speed (where it is known).")
    ] = "context",
    price: Annotated[str, typer.Option(metavar="WHICH", help="Of input or output tokens.")] = "input",
    text: Text = None,
    feature: Features = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", "-k", help=f"Default: chat. Others as in exllm models. {_MANY}")
    ] = None,
    modality: Modalities = None,
    min_context: MinContext = None,
    max_price: MaxPrice = None,
    max_output_price: MaxOutputPrice = None,
    not_deprecated: NotDeprecated = False,
    catalog: FromCatalog = False,
) -> None:
    """Draw what models cost against how much they take in, or how fast they answer."""
    from exllm.cli.plot import plot

    filters = _filters(
        text, feature, kind or ["chat"], modality, min_context, max_price, max_output_price, not_deprecated
    )
    raise typer.Exit(plot(provider or (), filters, catalog, against, price, out))


def _filters(
    text: str | None,
    feature: list[str] | None,
    kind: list[str] | None,
    modality: list[str] | None,
    min_context: int | None,
    max_price: float | None,
    max_output_price: float | None,
    not_deprecated: bool,
) -> Filters:
    from exllm.cli.model_filters import Filters

    return Filters(
        text, tuple(feature or ()), tuple(kind or ()), tuple(modality or ()),
        min_context, max_price, max_output_price, not_deprecated,
    )  # fmt: skip
