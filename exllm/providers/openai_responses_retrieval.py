"""Requests for a response that the provider keeps: one that was stored, or is being made in the background.

Source: https://developers.openai.com/api/reference/resources/responses/methods/retrieve,
https://developers.openai.com/api/docs/guides/background
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from exllm.errors import InvalidRequest
from exllm.providers.openai_responses_request import included, path_of
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.request import Request


def retrieval(response_id: str, request: Request, spec: ProviderSpec, after: int | None = None) -> HttpRequest:
    """What asks for the response that `request` began, once more: whole, or as a stream if `request` is one.

    The answer is decoded as that to `request` is.

    Args:
        response_id: `ResponsesDecoder.response_id`, or `Response.id`.
        after: the stream goes on after the event with this number, `ResponsesDecoder.sequence_number`; from its
            beginning where None. Only what was begun as a stream in the background can be streamed again.

    Raises: InvalidRequest without an id.
    """
    if not response_id:
        raise InvalidRequest("a response without an id cannot be asked for again", provider=spec.name)
    asked = request.extra.get("include")
    include = included(request.options, spec.quirks, request.model) if asked is None else asked
    query: list[tuple[str, str]] = [("include[]", str(name)) for name in include]
    if request.stream:
        query.append(("stream", "true"))
        if after is not None:
            query.append(("starting_after", str(after)))
    path = f"{path_of(request, spec)}/{quote(response_id, safe='')}"
    return HttpRequest(f"{path}?{urlencode(query)}" if query else path, b"", method="GET")
