"""What a call costs while it runs: by what the provider has reported, and by the text where it has not."""

from __future__ import annotations

from msgspec.structs import replace

from exllm.cost import cost_of
from exllm.cost.text_tokens import tokens_of_text
from exllm.types.usage import Cost, Usage

_NOTHING = Usage()
_SAMPLE = Usage(input_tokens=1000, output_tokens=1000)


class RunningCost:
    """The cost of one call at any point of its answer.

    Args:
        provider, model: whom the call is for.
        input_tokens: a guess of what is sent, until the provider reports it.
        local: the model costs nothing.
    """

    __slots__ = ("_input_tokens", "_local", "_model", "_provider")

    def __init__(self, provider: str, model: str, input_tokens: int, *, local: bool = False) -> None:
        self._provider = provider
        self._model = model
        self._input_tokens = input_tokens
        self._local = local

    def of(self, usage: Usage, characters: int, *, is_counted: bool, model: str = "") -> Cost:
        """The cost by now; `Cost.estimated` tells whether any of its tokens were guessed.

        Args:
            usage: what the provider has reported so far.
            characters: of the answer so far.
            is_counted: whether the reported output tokens are those of the text so far, or of an answer about to begin.
            model: the one that answers, where known.
        """
        estimated = False
        if usage.reported_cost_usd is None and not self._local:
            used, made = usage.input_tokens, usage.output_tokens
            if used is None:
                used, estimated = self._input_tokens, True
            if not is_counted or made is None:
                made, estimated = max(made or 0, tokens_of_text(characters)), True
            if estimated:
                usage = replace(usage, input_tokens=used, output_tokens=made)
        cost = cost_of(
            usage, local=self._local, provider=self._provider, model=model or self._model, asked=self._model
        )  # fmt: skip
        return replace(cost, estimated=True) if estimated and cost.total is not None else cost

    def of_input(self) -> float | None:
        """What sending the call costs; None where the price is not known."""
        return self.of(_NOTHING, 0, is_counted=False).total

    @property
    def is_free(self) -> bool:
        """Tokens are known to cost nothing, here or at the provider."""
        return self.of(_SAMPLE, 0, is_counted=True).total == 0.0
