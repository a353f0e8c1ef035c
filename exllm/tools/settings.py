"""How a run makes the calls of its model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exllm.call import Timeout
from exllm.policies.budget import BudgetArgument
from exllm.tools.control import Deny
from exllm.tools.encoding import Encoder, encode_result
from exllm.tools.executor import Executor, call_handler
from exllm.types.options import OptionArguments
from exllm.types.parts import ToolResult
from exllm.types.tool import Tool
from exllm.types.tool_context import ToolContext

Approve = Callable[[ToolContext], bool | Deny | Awaitable[bool | Deny | None] | None]
BeforeCall = Callable[[ToolContext], Mapping[str, Any] | Deny | Awaitable[Mapping[str, Any] | Deny | None] | None]
AfterCall = Callable[[ToolContext, ToolResult], ToolResult | Awaitable[ToolResult | None] | None]

DEFAULT_CONCURRENCY = 8


class RunArguments(OptionArguments, total=False):
    """The keyword arguments of `Client.run`: those of `Client.stream`, and how calls are made; see there."""

    answers: Any
    max_turns: int | None
    concurrency: int
    tool_timeout: float | None
    run_timeout: float | None
    approve: Approve | None
    before_call: BeforeCall | None
    after_call: AfterCall | None
    executor: Executor
    encoder: Encoder
    state: Any
    timeout: Timeout
    budget: BudgetArgument
    extra: Mapping[str, Any] | None
    api_key: str | None
    base_url: str | None
    include_raw: bool


@dataclass(frozen=True, slots=True)
class CallRules:
    """What holds for every call of a run; `Client.run` explains each."""

    tools: Mapping[str, Tool]
    manual_names: frozenset[str] = frozenset()  # of tools in the provider's words that are run here, e.g. a shell
    concurrency: int = DEFAULT_CONCURRENCY
    tool_timeout: float | None = None
    approve: Approve | None = None
    before_call: BeforeCall | None = None
    after_call: AfterCall | None = None
    executor: Executor = call_handler
    encoder: Encoder = encode_result
    state: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.concurrency, bool) or not isinstance(self.concurrency, int) or self.concurrency < 1:
            raise ValueError(f"concurrency is a whole number, at least 1, got {self.concurrency!r}")
        check_seconds("tool_timeout", self.tool_timeout)
        for name in ("approve", "before_call", "after_call"):
            if (given := getattr(self, name)) is not None and not callable(given):
                raise TypeError(f"{name} must be a function, got {type(given).__name__}")
        for name in ("executor", "encoder"):
            if not callable(given := getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {type(given).__name__}")


def check_seconds(name: str, seconds: float | None) -> None:
    """Refuse what is no time limit."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be seconds, got {seconds!r}")
    if not seconds > 0:
        raise ValueError(f"{name} must be above 0 seconds, got {seconds!r}")
