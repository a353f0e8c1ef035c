"""Results of tools to the function responses of Gemini Live.

Source: https://ai.google.dev/gemini-api/docs/live-tools
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.gemini_contents import response_of
from exllm.providers.gemini_models import ModelFacts
from exllm.providers.gemini_parts import PartEncoder
from exllm.providers.gemini_signatures import is_made_up
from exllm.providers.spec import ProviderSpec
from exllm.types.parts import Text, ToolResult

_SCHEDULING = {"silent": "SILENT", "when_idle": "WHEN_IDLE", "interrupt": "INTERRUPT"}


def how_fields(how: Mapping[str, Any], spec: ProviderSpec) -> dict[str, Any]:
    """How the model is to take results: see `GeminiLiveProtocol.tool_results`. Raises for what there is no word for."""
    unknown = how.keys() - {"scheduling", "will_continue"}
    if unknown:
        raise UnsupportedOption(
            f"results for {spec.label} take scheduling and will_continue, not {', '.join(sorted(unknown))}",
            provider=spec.name,
        )
    fields: dict[str, Any] = {}
    if how.get("scheduling") is not None:
        word = str(how["scheduling"]).lower()
        if word not in _SCHEDULING:
            raise InvalidRequest(
                f"scheduling is one of {', '.join(_SCHEDULING)}, got {how['scheduling']!r}", provider=spec.name
            )
        fields["scheduling"] = _SCHEDULING[word]
    if how.get("will_continue") is not None:
        if not isinstance(how["will_continue"], bool):
            raise InvalidRequest(f"will_continue is True or False, got {how['will_continue']!r}", provider=spec.name)
        fields["willContinue"] = how["will_continue"]
    return fields


def function_response(
    result: ToolResult, name: str, spec: ProviderSpec, facts: ModelFacts, warnings: list[str]
) -> dict[str, Any]:
    """The response to the call of the function `name`. Raises `InvalidRequest` for media that it cannot take."""
    pieces = (Text(result.content),) if isinstance(result.content, str) else result.content
    text = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    media = [piece for piece in pieces if not isinstance(piece, Text)]
    response: dict[str, Any] = {} if is_made_up(result.call_id) else {"id": result.call_id}
    response |= {"name": name, "response": response_of(text, is_error=result.is_error)}
    if media:
        if not facts.media_results:
            raise InvalidRequest("models before Gemini 3 take text alone from tools", provider=spec.name)
        encoder = PartEncoder(spec, facts)
        response["parts"] = [encoder.shown(piece) for piece in media]
        warnings += [words for words in encoder.warnings if words not in warnings]
    return response
