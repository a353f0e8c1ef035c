"""From the arguments of `Client.embed` to vectors: checked, split into requests, sent a few at a time, put together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import msgspec

from exllm.access import Access
from exllm.call import CallSettings, Timeout, timeouts_of
from exllm.config import lookup
from exllm.cost import cost_of
from exllm.errors import ConfigurationError, ExLLMError, ProtocolError, TotalTimeout, UnsupportedOption
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.providers import registry
from exllm.providers.embedding_batches import plan_batches
from exllm.providers.embedding_spec import ModelRules
from exllm.providers.embedding_wire import Embedded, EmbeddingWire, embedding_wire
from exllm.providers.provider import Embeds
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire
from exllm.transport.http import USER_AGENT, HttpCall, HttpTransport
from exllm.transport.whole_body import fetch_body
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse, check_embedding
from exllm.types.options import DEFAULT_CHAT_TOTAL_S, DEFAULT_TIMEOUTS, Timeouts
from exllm.types.usage import Usage
from exllm.types.vectors import Vectors


class EmbeddingCall(msgspec.Struct, frozen=True):
    """A call that may be made: everything was checked, nothing was sent."""

    request: EmbeddingRequest
    backend: ProviderSpec | Embeds
    retry: RetryPolicy
    warnings: tuple[str, ...]


def prepare_embedding(
    settings: CallSettings,
    model: str,
    inputs: str | Sequence[str],
    *,
    dimensions: int | None,
    encoding_format: str | None,
    task_type: str | None,
    timeout: Timeout,
    extra: Mapping[str, Any] | None,
) -> EmbeddingCall:
    """Check everything that can be checked without I/O.

    Raises: ConfigurationError, UnsupportedOption; TypeError and ValueError for wrong arguments.
    """
    texts, length, encoding, task = check_embedding(inputs, dimensions, encoding_format, task_type)
    if not isinstance(extra, Mapping | None):
        raise TypeError(f"extra must be a dict of the provider's own fields, got {type(extra).__name__}")
    name, model_id = registry.parse_model(model)
    backend = registry.get(name)
    warnings: tuple[str, ...] = ()
    if isinstance(backend, ProviderSpec):
        if backend.paths.embeddings is None:
            raise ConfigurationError(f"{backend.label} does not embed texts; see {backend.docs}", provider=name)
        default_model, limits, retry = backend.embeddings.default_model, backend.timeouts, backend.retry
    elif isinstance(backend, Embeds):
        default_model = getattr(backend, "default_embedding_model", None) or getattr(backend, "default_model", None)
        limits, retry = getattr(backend, "timeouts", Timeouts()), RetryPolicy()
    else:
        raise ConfigurationError(f"{name!r} does not embed texts", provider=name)
    model_id = model_id or lookup(settings.config, name, "default_embedding_model") or default_model
    if not model_id:
        raise ConfigurationError(f"{name!r} has no default embedding model; write '{name}/<model>'", provider=name)
    request = EmbeddingRequest(name, model_id, texts, length, encoding, task, dict(extra) if extra else {})
    if isinstance(backend, ProviderSpec):
        rules = backend.embeddings.rules(model_id)
        problem = partial(_problem, spec=backend, rules=rules, model=model_id)
        request, warnings = _only_supported(request, problem, rules.advice, drop=settings.drop_unsupported)
    elif (taken := getattr(backend, "embedding_options", None)) is not None:
        request, warnings = _only_supported(
            request,
            lambda option, _value: None if option in taken else f"{name} takes no {option}",
            drop=settings.drop_unsupported,
        )
    total = timeouts_of(timeout).over(settings.timeouts).over(limits).over(DEFAULT_TIMEOUTS)
    if total.total is None:
        total = msgspec.structs.replace(total, total=DEFAULT_CHAT_TOTAL_S)
    request = msgspec.structs.replace(request, timeouts=total)
    return EmbeddingCall(request, backend, settings.retry or retry, warnings)


def _only_supported(
    request: EmbeddingRequest, problem_of: Callable[[str, Any], str | None], advice: str = "", *, drop: bool
) -> tuple[EmbeddingRequest, tuple[str, ...]]:
    """`request` without what the model cannot take, where that may be dropped. Raises UnsupportedOption else."""
    warnings: list[str] = []
    for option, value in request.given().items():
        problem = problem_of(option, value)
        if problem is None:
            continue
        if not drop:
            raise UnsupportedOption(
                f"{problem}. {advice or 'Leave it out, or build the client with drop_unsupported=True.'}",
                provider=request.provider,
                model=request.model,
            )
        request = msgspec.structs.replace(request, **{option: None})
        warnings.append(f"{problem}; it was dropped")
    return request, tuple(warnings)


def _problem(option: str, value: Any, spec: ProviderSpec, rules: ModelRules, model: str) -> str | None:
    """Why `model` cannot take `option`, in words; None where it can."""
    embeddings = spec.embeddings
    if option in embeddings.unsupported or (option == "task_type" and not embeddings.task_types):
        return f"{spec.label} takes no {option}"
    if option in rules.unsupported:
        return f"{model} takes no {option}"
    allowed: tuple[Any, ...] = {
        "dimensions": rules.dimensions,
        "encoding_format": tuple(embeddings.formats),
        "task_type": tuple(embeddings.task_types),
    }[option]
    if value in allowed or not allowed:
        return None
    of = model if option == "dimensions" else spec.label
    return f"{of} takes {option} = {' | '.join(map(str, allowed))}, got {value!r}"


async def embed_by(call: EmbeddingCall) -> EmbeddingResponse:
    """The vectors from a foreign backend, which splits and retries as it sees fit."""
    assert isinstance(call.backend, Embeds)
    request = call.request
    try:
        async with asyncio.timeout(_seconds(request)) as limit:
            response = await call.backend.embed(request)
    except Exception as error:  # noqa: BLE001 - mapped to one of ours; it may have time limits of its own
        _raise_mapped(error, request, is_late=isinstance(error, TimeoutError) and limit.expired())
    if len(response.vectors) != len(request.inputs):
        raise _miscounted(len(response.vectors), len(request.inputs), request.provider, request)
    if call.warnings:
        response = msgspec.structs.replace(response, warnings=(*response.warnings, *call.warnings))
    return response


async def embed_over_http(transport: HttpTransport, call: EmbeddingCall, way: Access) -> EmbeddingResponse:
    """The vectors from an HTTP provider: all of them, or an error.

    The first request that fails for good ends the others. Its error tells by a note which inputs it was for.
    """
    assert isinstance(call.backend, ProviderSpec)
    request, spec = call.request, call.backend
    rules = spec.embeddings.rules(request.model)
    assert rules.max_inputs is not None, "EmbeddingSpec.rules sets the limits"
    batches = plan_batches(request.inputs, rules.max_inputs, rules.max_request_tokens)
    task = _Batches(transport, call, spec, way, batches)
    try:
        async with asyncio.timeout(_seconds(request)) as limit:
            await task.run(spec.embeddings.concurrency, limit.when())
        return task.response()
    except Exception as error:  # noqa: BLE001 - mapped to one of ours
        _raise_mapped(error, request, is_late=isinstance(error, TimeoutError) and limit.expired())


class _Batches:
    """The requests of one call, and what came of them."""

    def __init__(
        self,
        transport: HttpTransport,
        call: EmbeddingCall,
        spec: ProviderSpec,
        way: Access,
        batches: Sequence[slice],
    ) -> None:
        self._transport = transport
        self._call = call
        self._spec = spec
        self._way = way
        self._batches = batches
        self._embedding_wire: EmbeddingWire = embedding_wire(spec.embeddings.wire)
        self._wire: Wire = registry.wire(spec.wire)
        self._deadline = math.inf
        self._left = iter(range(len(batches)))
        self._answers: list[Embedded | None] = [None] * len(batches)
        self._request_ids: list[str | None] = [None] * len(batches)
        # Known here, so that no request is sent when a later one cannot be built.
        self._https = [self._http_call(batch) for batch in batches]

    async def run(self, concurrency: int, deadline: float | None) -> None:
        """Send all requests, at most `concurrency` at a time. Raises the first error, when no task is left.

        No wait for another attempt is begun that would last beyond `deadline`, a time of the loop's clock.
        """
        self._deadline = math.inf if deadline is None else deadline
        if len(self._batches) == 1:
            await self._work()
            return
        workers = [asyncio.create_task(self._work()) for _ in range(min(concurrency, len(self._batches)))]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            failures = [worker.exception() for worker in workers if worker.done()]
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            for worker in workers:
                if not worker.cancelled():
                    worker.exception()  # looked at, or asyncio complains that nobody did
        for failure in failures:
            if failure is not None:
                raise failure

    def response(self) -> EmbeddingResponse:
        """What all requests gave, in the order of the inputs. Raises ProtocolError when the parts do not fit."""
        request = self._call.request
        answers = [answer for answer in self._answers if answer is not None]
        try:
            vectors = Vectors.joined([answer.vectors for answer in answers])
        except ValueError as error:
            raise ProtocolError(
                f"{self._spec.label} sent vectors that cannot be used: {error}",
                provider=request.provider,
                model=request.model,
            ) from None
        usage = _sum([answer.usage for answer in answers])
        return EmbeddingResponse(
            vectors,
            request.provider,
            answers[0].model or request.model,
            usage,
            cost_of(
                usage,
                local=self._spec.local,
                provider=request.provider,
                model=answers[0].model or request.model,
                asked=request.model,
            ),
            self._call.warnings,
            tuple(request_id for request_id in self._request_ids if request_id is not None),
        )

    async def _work(self) -> None:
        for number in self._left:
            try:
                await self._attempts(number)
            except ExLLMError as error:
                batch = self._batches[number]
                if len(self._batches) > 1:
                    error.add_note(f"in the request for inputs[{batch.start}:{batch.stop}]")
                raise

    async def _attempts(self, number: int) -> None:
        clock, schedule = asyncio.get_running_loop().time, RetrySchedule(self._call.retry)
        while True:
            try:
                self._answers[number] = await self._attempt(number)
                return
            except ExLLMError as error:
                wait_s = schedule.wait_s(error, self._deadline - clock())
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _attempt(self, number: int) -> Embedded:
        request, spec, batch = self._call.request, self._spec, self._batches[number]
        answer = await fetch_body(self._transport, self._https[number], spec, self._wire)
        self._request_ids[number] = answer.request_id
        try:
            embedded = self._embedding_wire.decode(answer.body, answer.headers, request, spec)
            asked, got = batch.stop - batch.start, len(embedded.vectors)
            if asked != got:
                raise _miscounted(got, asked, spec.label, request)
        except ExLLMError as error:
            error.request_id = error.request_id or answer.request_id
            raise
        return embedded

    def _http_call(self, batch: slice) -> HttpCall:
        request, way = self._call.request, self._way
        http = self._embedding_wire.build(request, request.inputs[batch], self._spec)
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": USER_AGENT,
            **way.headers,
            **http.headers,
        }
        connect_s = request.timeouts.connect
        return HttpCall(way.base_url + http.path, http.body, headers, http.method, connect_s, way.secret, way.signer)


def _sum(usages: Sequence[Usage]) -> Usage:
    """The usage of all requests together; ``partial`` when some reported none."""
    told = [usage for usage in usages if usage.input_tokens is not None]
    if not told:
        return Usage()
    costs = [usage.reported_cost_usd for usage in usages if usage.reported_cost_usd is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens or 0 for usage in told),
        total_tokens=sum(usage.total_tokens or 0 for usage in told),
        reported_cost_usd=sum(costs) if len(costs) == len(usages) else None,
        provenance="reported" if len(told) == len(usages) else "partial",
    )


def _seconds(request: EmbeddingRequest) -> float | None:
    total = request.timeouts.total
    return None if total is None or total == math.inf else total


def _raise_mapped(error: Exception, request: EmbeddingRequest, *, is_late: bool) -> NoReturn:
    """Raise `error` as one of ours, with the facts of the call."""
    if isinstance(error, ExLLMError):
        error.provider = error.provider or request.provider
        error.model = error.model or request.model
        raise error
    if is_late:
        raise TotalTimeout(
            f"no embeddings within {request.timeouts.total:g} s, the limit for the whole call",
            provider=request.provider,
            model=request.model,
        ) from error
    raise ProtocolError(
        f"{request.provider} failed in an unforeseen way: {type(error).__name__}: {error}",
        provider=request.provider,
        model=request.model,
    ) from error


def _miscounted(got: int, asked: int, who: str, request: EmbeddingRequest) -> ProtocolError:
    return ProtocolError(f"{who} sent {got} vectors for {asked} texts", provider=request.provider, model=request.model)
