"""From what was typed to what the client takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import typer

from exllm.types.options import Timeouts, check_options

_CALL_ARGUMENTS = frozenset({"timeout", "extra", "base_url", "include_raw"})


class ChatSettings(msgspec.Struct, frozen=True):
    """What the command line said, for every turn of a chat."""

    model: str
    system: str | None = None
    options: dict[str, Any] = {}  # keyword arguments of `Client.stream`
    output: Literal["text", "json", "chunks"] = "text"
    show_stats: bool = False
    show_reasoning: bool = False
    session: str | None = None  # the name or id of one that is kept; the model may then be ""
    store: str | None = None


def collect_options(named: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments in the options with a name of their own and in the ``KEY=VALUE`` pairs.

    Raises: typer.BadParameter for what cannot be an option of a chat.
    """
    options = collect_pairs(named, pairs)
    if "response_model" in options:
        raise typer.BadParameter("response_model is a Python type; use -o response_format='{JSON Schema}'")
    try:
        check_options({name: value for name, value in options.items() if name not in _CALL_ARGUMENTS})
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    if "extra" in options and not isinstance(options["extra"], dict):
        raise typer.BadParameter("extra is a JSON object of the provider's own fields, e.g. -o extra='{\"k\": 1}'")
    return options


def collect_pairs(named: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The options with a name of their own and the ``KEY=VALUE`` pairs, as they are. Raises: typer.BadParameter."""
    options = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise typer.BadParameter(f"-o {pair!r}: expected KEY=VALUE")
        if name == "api_key":
            raise typer.BadParameter("a key on the command line is seen by everybody on this machine; set its variable")
        if name in options:
            raise typer.BadParameter(f"{name} is given twice")
        options[name] = _timeouts(value) if name == "timeout" else _value(value)
    return options


def read_prompt(words: Sequence[str], *, may_converse: bool) -> str | None:
    """What to ask: piped input, an empty line, the words. None: nothing was said and a person is there to ask.

    Raises: typer.BadParameter when there is nothing to ask and nobody to ask.
    """
    prompt = " ".join(words).strip()
    stdin = sys.stdin
    if stdin is None or stdin.isatty():
        if prompt:
            return prompt
        if stdin is not None and may_converse:
            return None
        raise typer.BadParameter("nothing to ask: give a prompt, or pipe one in")
    try:
        piped = stdin.buffer.read().decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"the piped input is not UTF-8 text: {error}") from None
    if not piped and not prompt:
        raise typer.BadParameter("nothing to ask: the prompt and the piped input are empty")
    return "\n\n".join(part for part in (piped, prompt) if part)


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _timeouts(text: str) -> float | Timeouts:
    value = _value(text)
    try:
        return msgspec.convert(value, float | Timeouts, strict=True)
    except msgspec.ValidationError:
        raise typer.BadParameter(
            f'timeout is seconds, or {{"connect":, "first_chunk":, "idle":, "total":}}; got {text!r}'
        ) from None
