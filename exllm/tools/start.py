"""From the arguments of `Client.run` and its kind to a `RunStream`. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from exllm.policies.budget import budgets_of
from exllm.streaming.stream import Stream
from exllm.structured.call import CHAT_RETRIES
from exllm.tools.progress import Progress
from exllm.tools.resume import Answers, match_answers
from exllm.tools.run_stream import RunStream
from exllm.tools.settings import CallRules, RunArguments, check_seconds
from exllm.tools.sound_calls import with_sound_calls
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.options import STRUCTURED_OPTIONS, Options, check_options
from exllm.types.run import DEFAULT_MAX_TURNS, Run, open_calls
from exllm.types.tool import ServerTool, Tool
from exllm.types.tool_choice import names_in

_CALL_ARGUMENTS = ("timeout", "extra", "api_key", "base_url", "include_raw")
_RULES = frozenset(CallRules.__dataclass_fields__) - {"tools", "manual_names"}
_NOT_KEPT = STRUCTURED_OPTIONS | {"tools"}
_HOLDS_ON = ("auto", "none")  # a choice may be a dict, which has no hash


def start_run(
    open_stream: Callable[..., Stream],
    model: str | Run,
    messages: Messages | None,
    arguments: Mapping[str, Any],
    *,
    is_step: bool = False,
    is_whole: bool = False,
) -> RunStream:
    """The run that `arguments` describe; `open_stream` is `Client.stream`.

    Args:
        is_step: it ends after one round.
        is_whole: nobody sees its chunks, so that an answer which is not the object asked for may be asked for again.

    Raises: TypeError and ValueError for wrong arguments, and what `Client.stream` raises before any I/O.
    """
    own = dict(arguments)
    answers, max_turns = own.pop("answers", None), own.pop("max_turns", None)
    run_timeout = own.pop("run_timeout", None)
    budgets = budgets_of(own.pop("budget", None))  # a number is one budget for all turns
    call = {name: own.pop(name) for name in _CALL_ARGUMENTS if name in own}
    rules = {name: own.pop(name) for name in _RULES if name in own}
    check_seconds("run_timeout", run_timeout)
    if max_turns is not None and (isinstance(max_turns, bool) or not isinstance(max_turns, int) or max_turns < 1):
        raise ValueError(f"max_turns is a whole number, at least 1, got {max_turns!r}")

    if isinstance(model, Run):
        own = {**model.options, **own}
    options = check_options(own, RunArguments.__annotations__)
    if options.n not in (None, 1):
        raise ValueError("a run has one answer to each turn; leave out n, or use chat")
    tools = {tool.name: tool for tool in options.tools or () if isinstance(tool, Tool)}
    manual = frozenset(
        name for tool in options.tools or () if isinstance(tool, ServerTool) for name in names_in(tool.definition)
    )
    how = CallRules(tools, manual, **rules)
    if isinstance(model, Run):
        progress = _gone_on(model, messages, answers, max_turns, _kept(options), how)
    else:
        if messages is None:
            raise TypeError("client.run(model, messages) needs messages; without them it takes a Run")
        if answers is not None:
            raise TypeError("answers are for a run that waits: client.run(run, answers=...)")
        history = normalise_messages(messages)
        if open_calls(history):
            history = (*history[:-1], with_sound_calls(history[-1], history[:-1]))
        progress = Progress(Run(model, history, max_turns=max_turns or DEFAULT_MAX_TURNS, options=_kept(options)))

    given = {**options.given(), "tools": options.tools}
    if is_whole and options.response_model is not None:
        given.setdefault("max_retries", CHAT_RETRIES)
    later = given if options.tool_choice in _HOLDS_ON else {**given, "tool_choice": None}

    def ask(history: tuple[Message, ...], is_first: bool) -> Stream:
        return open_stream(progress.model, history, budget=budgets, **call, **(given if is_first else later))

    return RunStream(
        ask, progress, how, run_timeout_s=math.inf if run_timeout is None else run_timeout, is_step=is_step
    )  # fmt: skip


def _kept(options: Options) -> dict[str, Any]:
    """What a stored run goes on with: plain data, and nothing that could hold a key."""
    given = {name: value for name, value in options.given().items() if name not in _NOT_KEPT}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(given))
    return plain


def _gone_on(
    run: Run, messages: Messages | None, answers: Any, max_turns: int | None, options: dict[str, Any], rules: CallRules
) -> Progress:
    if messages is not None:
        raise TypeError(
            "a run that goes on takes no messages; begin another with client.run(model, [*run.messages, 'and then?'])"
        )
    if run.status in ("completed", "halted"):
        raise ValueError(
            f"the run is {run.status}; begin another with client.run(run.model, [*run.messages, 'and then?'])"
        )
    most = run.max_turns if max_turns is None else max_turns
    if run.turns >= most and run.status != "suspended":
        raise ValueError(f"the run has had its {run.turns} turns; give it more with max_turns={run.turns + 5}")
    matched: Answers | None = None
    history = run.messages
    if run.status == "suspended":
        history, matched = run.history, match_answers(run, answers, rules)
    elif answers is not None:
        raise ValueError(f"there are answers, but the run is {run.status} and waits for none")
    going_on = msgspec.structs.replace(
        run, history=history, status="running", max_turns=most, options=options, value=None, error=None
    )  # fmt: skip
    return Progress(going_on, matched)
