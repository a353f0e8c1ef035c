"""What Converse has no field for: each family of models takes it in `additionalModelRequestFields`, in its own words.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and the pages below it;
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.anthropic_models import model_facts
from exllm.providers.anthropic_thinking import Thinking
from exllm.providers.spec import ProviderSpec
from exllm.types.options import Options
from exllm.types.request import Request

Fields = dict[str, Any]

# Option -> where it goes, by family. A dot leads into an inner object.
SAMPLING: dict[str, dict[str, str]] = {
    "anthropic": {"top_k": "top_k", "betas": "anthropic_beta"},
    "nova": {"top_k": "inferenceConfig.topK"},
    "nova-2": {"top_k": "inferenceConfig.topK"},
    "titan": {},
    "meta": {},
    "mistral": {"top_k": "top_k"},
    "cohere": {
        "top_k": "k",
        "seed": "seed",
        "frequency_penalty": "frequency_penalty",
        "presence_penalty": "presence_penalty",
    },
    "ai21": {"frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"},
    "deepseek": {},
    "openai": {"seed": "seed", "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"},
    "writer": {"seed": "seed", "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"},
}
OPTIONS = frozenset(option for options in SAMPLING.values() for option in options)

# The options of reasoning, by family.
REASONING: dict[str, frozenset[str]] = {
    "anthropic": frozenset({"thinking", "reasoning_effort"}),
    "nova-2": frozenset({"thinking", "reasoning_effort"}),
    "openai": frozenset({"reasoning_effort"}),
}

_NOVA_EFFORT = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_OPENAI_EFFORT = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_DEFAULT_EFFORT = "medium"


class FamilyFields:
    """What the options mean to a family.

    Attributes:
        additional: the field `additionalModelRequestFields`.
        effort: the field ``outputConfig.effort``; None where it is not sent.
        warnings: what was said in other words than the caller's.

    Raises: UnsupportedOption for an option that the family has no word for; InvalidRequest.
    """

    def __init__(self, request: Request, family: str | None, spec: ProviderSpec) -> None:
        self.additional: Fields = {}
        self.effort: str | None = None
        self.warnings: list[str] = []
        self._model = request.model
        self._family = family
        self._spec = spec
        self._add_sampling(request.options)
        if request.options.thinking is not None or request.options.reasoning_effort is not None:
            self._add_reasoning(request.options)

    def _add_sampling(self, options: Options) -> None:
        places = SAMPLING.get(self._family or "", {})
        for option in sorted(OPTIONS):
            value = getattr(options, option)
            if value is None:
                continue
            if option not in places:
                raise self._unsupported(option)
            outer, _, inner = places[option].partition(".")
            if inner:
                self.additional.setdefault(outer, {})[inner] = value
            else:
                self.additional[outer] = value

    def _add_reasoning(self, options: Options) -> None:
        match self._family:
            case "anthropic":
                self._think_as_claude(options)
            case "nova-2":
                self._think_as_nova(options)
            case "openai" if options.thinking is None:
                self.additional["reasoning_effort"] = self._effort(options.reasoning_effort, _OPENAI_EFFORT)
            case _:
                raise self._unsupported("thinking" if options.thinking is not None else "reasoning_effort")

    def _think_as_claude(self, options: Options) -> None:
        thinking = Thinking(options, model_facts(self._model), self._model)
        self.warnings += thinking.warnings
        self.effort = thinking.effort
        if thinking.thinking is not None:
            self.additional["thinking"] = thinking.thinking

    def _think_as_nova(self, options: Options) -> None:
        asked = options.thinking
        if isinstance(asked, dict):
            self.additional["reasoningConfig"] = asked
            return
        if asked is not None and not isinstance(asked, bool) and asked != 0:
            raise InvalidRequest(
                f"{self._model} takes no budget of tokens for thinking; say reasoning_effort='low', 'medium' or 'high'",
                provider=self._spec.name,
            )
        if asked is False or asked == 0 or (asked is None and options.reasoning_effort == "none"):
            self.additional["reasoningConfig"] = {"type": "disabled"}
            return
        effort = self._effort(options.reasoning_effort or _DEFAULT_EFFORT, _NOVA_EFFORT)
        self.additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}

    def _effort(self, asked: str | None, known: dict[str, str]) -> str:
        asked = asked or _DEFAULT_EFFORT
        if asked not in known:
            raise InvalidRequest(
                f"{self._model} takes reasoning_effort = {' | '.join(dict.fromkeys(known.values()))}, got {asked!r}",
                provider=self._spec.name,
            )
        if known[asked] != asked:
            self.warnings.append(f"{self._model} knows no effort {asked!r}; {known[asked]!r} was sent")
        return known[asked]

    def _unsupported(self, option: str) -> UnsupportedOption:
        return UnsupportedOption(
            f"{self._spec.label} has no {option} for {self._model}; where the model does have it, pass "
            f"extra={{'additionalModelRequestFields': {{...}}}}",
            provider=self._spec.name,
        )
