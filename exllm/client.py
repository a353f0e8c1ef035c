"""The client: checks a call, finds its provider, and hands out a stream or a response."""

from __future__ import annotations

import ssl
import sys
import warnings
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import msgspec

from exllm.access import Access, Ways
from exllm.backend import Backend, ForeignBackend, HttpBackend, answer, complete
from exllm.budgeted_backend import BudgetedBackend, charged
from exllm.call import Call, CallSettings, Timeout, prepare, timeouts_of
from exllm.config import ConfigSource, Env, lookup, require_source
from exllm.cost.running import RunningCost
from exllm.cost.text_tokens import guess_input_tokens, tokens_of_text
from exllm.embedding_call import embed_by, embed_over_http, prepare_embedding
from exllm.errors import ConfigurationError, ExLLMError
from exllm.image_questions import DESCRIBE, EXTRACT_TEXT, ImageSource, ask_about
from exllm.model_lists import DEFAULT_KINDS, ModelLists, catalog_models, of_kinds, with_catalog
from exllm.policies.budget import BudgetArgument, budgets_of
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.providers import registry
from exllm.providers.plain_requests import PlainRequests
from exllm.providers.provider import ListsModels
from exllm.providers.spec import ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.pump import Pump
from exllm.streaming.stream import Stream
from exllm.token_call import asks_provider, check_context, count_anyhow
from exllm.transport.http import USER_AGENT, HttpCall, HttpTransport
from exllm.transport.model_list import fetch_models
from exllm.transport.sessions import TransportSettings
from exllm.types.embedding import EmbeddingResponse
from exllm.types.live_settings import LiveArguments
from exllm.types.model import ModelEntry
from exllm.types.normalise import Messages
from exllm.types.options import DEFAULT_TIMEOUTS, STRUCTURED_OPTIONS, OptionArguments
from exllm.types.response import Response
from exllm.types.token_count import TokenCount

if TYPE_CHECKING:
    from exllm.live.reconnect import Reconnect
    from exllm.live.session import LiveSession
    from exllm.streaming.ring import Overflow
    from exllm.streaming.source import ChunkSource
    from exllm.structured.call import Asked
    from exllm.structured.plan import Plan
    from exllm.tools.run_stream import RunStream
    from exllm.tools.settings import RunArguments
    from exllm.types.run import Run

DEFAULT_RING_CHUNKS = 256
DEFAULT_MAX_FRAME_BYTES = 16 * 1024 * 1024


class Client:
    """Talks to every provider. One is enough for a process: it serves any number of calls, tasks and event loops.

    ``async with Client() as client`` closes its connections at the end of the block.

    Args:
        config: where keys and addresses come from; the environment by default.
        timeout: total seconds, or `Timeouts`, for every call that does not set its own.
        budget: what all its calls may cost together, in US dollars, or an `exllm.Budget`, or several that all hold.
        retry: replaces every provider's retry policy; ``RetryPolicy(attempts=1)`` never retries.
        validate_context: refuse calls that cannot fit in the model's window before they are sent, with
            `ContextLengthExceeded`, where the model catalog knows the window; see `exllm.context.validate_context`.
        drop_unsupported: leave out options that a provider cannot take, and say so in ``response.warnings``, instead
            of raising `UnsupportedOption`.
        ring_capacity: how many chunks a stream may hold that nobody has taken, before it stops reading the socket.
        max_frame_bytes: the largest single event of a stream; a larger one is a `FrameTooLarge`.
        max_connections: most sockets per event loop; further calls wait for a free one.
        proxy, trust_env, ssl_context: see `TransportSettings`.

    Raises: ConfigurationError, TypeError, ValueError for wrong arguments. Every call: `ExLLMError` subclasses;
        `TypeError` and `ValueError` for wrong arguments.
    """

    def __init__(
        self,
        *,
        config: ConfigSource | None = None,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        retry: RetryPolicy | None = None,
        drop_unsupported: bool = False,
        validate_context: bool = False,
        ring_capacity: int = DEFAULT_RING_CHUNKS,
        max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES,
        max_connections: int = 1000,
        proxy: str | None = None,
        trust_env: bool = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        config = Env() if config is None else config
        require_source(config)
        if not isinstance(retry, RetryPolicy | None):
            raise TypeError(f"retry must be an exllm.RetryPolicy, such as RetryPolicy(attempts=3), got {retry!r}")
        for name, number in (("ring_capacity", ring_capacity), ("max_frame_bytes", max_frame_bytes)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number!r}")
        if proxy is not None and "://" not in proxy:
            raise ValueError(f"proxy must be a URL such as http://host:3128, got {proxy!r}")
        if not isinstance(ssl_context, ssl.SSLContext | None):
            raise TypeError(f"ssl_context must be an ssl.SSLContext, got {ssl_context!r}")
        self._settings = CallSettings(config, timeouts_of(timeout), retry, drop_unsupported)
        self._ways = Ways(config)
        self._plain_requests = PlainRequests()
        self._budgets = budgets_of(budget)
        self._validates_context = validate_context
        self._ring_capacity = ring_capacity
        self._max_frame_bytes = max_frame_bytes
        self._model_lists = ModelLists()
        self._transport = HttpTransport(
            TransportSettings(max_connections, proxy=proxy, trust_env=trust_env, ssl_context=ssl_context)
        )
        caller = sys._getframe(1)
        self._made_at = f"{caller.f_code.co_filename}:{caller.f_lineno}"

    # -- life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, forget all keys. Idempotent; the client may be used again and then opens new ones."""
        self._ways.forget()
        await self._transport.aclose()

    def __del__(self) -> None:
        transport = getattr(self, "_transport", None)
        if transport is not None and transport.pool.open_sessions:
            warnings.warn(
                f"the exllm.Client made at {self._made_at} was not closed; use `async with` or `await client.aclose()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    # -- calls

    def stream(
        self,
        model: str,
        messages: Messages,
        *,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        extra: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        accumulate: bool = True,
        include_raw: bool = False,
        **options: Unpack[OptionArguments],
    ) -> Stream:
        """One answer as a stream of chunks; nothing is sent before it is entered or iterated.

        Args:
            model: ``"provider/model"``, or a provider alone for its default model.
            messages: a string, a `Message`, a dict, or a list of these.
            timeout: total seconds, or `Timeouts`; for this call.
            budget: US dollars that this call may cost, or an `exllm.Budget` that it shares, or several that all hold;
                beside the client's. The stream is refused before it is sent, or stopped, with `BudgetExceeded`.
            extra: the provider's own fields, merged last into the request body.
            api_key, base_url: for this call, in place of the config's.
            accumulate: False keeps no content in ``stream.response``, for answers of any length.
            include_raw: keep the provider's last object in ``response.raw``.
            options: see `Options`.

        Raises: ConfigurationError, UnsupportedOption, InvalidRequest, TypeError, ValueError, all before any I/O.
        """
        if STRUCTURED_OPTIONS.isdisjoint(options):
            call = self._prepare(model, messages, options, True, timeout, extra, include_raw, budget)
            return self._stream(call, api_key, base_url, accumulate=accumulate)
        from exllm.structured.call import STREAM_RETRIES, asked_for

        if not accumulate:
            raise TypeError("response_model and validators need the text that accumulate=False does not keep")
        asked = asked_for(model, options, STREAM_RETRIES)
        call = self._prepare(model, messages, asked.options, True, timeout, extra, include_raw, budget)
        return self._stream_for_object(call, asked, messages, api_key, base_url)

    async def chat(
        self,
        model: str,
        messages: Messages,
        *,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        extra: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        include_raw: bool = False,
        **options: Unpack[OptionArguments],
    ) -> Response:
        """One answer, whole. Takes what `stream` takes, folds the same chunks, and raises the same errors.

        A budget can refuse it before it is sent, and cannot stop it.
        """
        if not STRUCTURED_OPTIONS.isdisjoint(options):
            from exllm.structured.call import CHAT_RETRIES, asked_for, chat_for_object

            asked, budgets = asked_for(model, options, CHAT_RETRIES), budgets_of(budget)
            if asked.validators:  # they may stop it midway
                call = self._prepare(model, messages, asked.options, True, timeout, extra, include_raw, budget)
                async with self._stream_for_object(call, asked, messages, api_key, base_url) as stream:
                    return await stream.collect()
            return await chat_for_object(
                asked, messages,
                lambda messages: self.chat(
                    model, messages, timeout=timeout, budget=budgets, extra=extra, api_key=api_key, base_url=base_url,
                    include_raw=include_raw, **asked.options,
                ),
            )  # fmt: skip
        call = self._prepare(model, messages, options, False, timeout, extra, include_raw, budget)
        if call.wire is not None and call.wire.must_stream(call.request):
            call = self._prepare(model, messages, options, True, timeout, extra, include_raw, budget)
            async with self._stream(call, api_key, base_url) as stream:
                return await stream.collect()
        return await answer(self._backend(call, api_key, base_url), call)

    def stream_run(
        self, model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]
    ) -> RunStream:
        """A run as it happens: every chunk of every answer and what becomes of the calls, in order. Takes what `run`
        takes; nothing is sent before it is entered or iterated."""
        return _start_run(self.stream, model, messages, arguments)

    async def run(self, model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]) -> Run:
        """Ask the model, make the calls that it wants, tell it the results, and so on until it has answered.

        Args:
            model: ``"provider/model"``; or a `Run` that is not over, to go on with it: one that was suspended, perhaps
                in another process, or cancelled, or that failed.
            messages: as for `chat`; calls at their end that have no results are made first. None with a `Run`.
            tools: functions and `Tool`s; calls of those without a handler, or with ``manual=True``, suspend the run.
            tool_choice: as for `chat`, for the first turn; forced in every turn the run could not end. ``"none"`` holds
                for all.
            answers: to what a suspended run waits for: a dict by id of the call, or one answer where one call waits;
                see `exllm.Pending`. The run stays suspended while any is missing.
            max_turns: how often the model may be asked, 10 by default; the status is then ``max_turns``.
            concurrency: how many calls of a turn are made at a time, 8 by default. Results are in the model's order.
            tool_timeout: seconds for each call whose tool has no `timeout` of its own; none by default. The model is
                told. A sync handler's thread cannot be ended: it runs on, and what it returns is lost.
            run_timeout: seconds for all; `TotalTimeout` then. None by default.
            approve: called with the `ToolContext` of each call before it is made; True, False or `exllm.Deny(reason)`,
                or None: the run is suspended until there is an answer. Without it, tools with ``needs_approval=True``
                suspend the run.
            before_call: called with the context of each call that was allowed; may return other arguments, as a dict of
                JSON data, or `exllm.Deny`.
            after_call: called with the context and the `ToolResult`; may return another. ``context.error`` is what the
                handler raised.
            executor: makes the calls elsewhere, see `exllm.tools.Executor`.
            encoder: turns what handlers return into text or parts, see `exllm.tools.encode_result`.
            state: anything, for handlers and hooks, as ``context.state``.
            timeout, extra, api_key, base_url, include_raw: of each request, as for `stream`.
            budget: as for `stream`; a number is the limit for the whole run.
            options: see `Options`; a `Run` that goes on keeps those it began with, except `tools`, `response_model` and
                what belongs to that, which are given anew. With `response_model` the last answer is the object, as
                ``run.parsed``.

        Raises: what `stream` raises, and what hooks raise, with the run so far as ``error.run``, whose messages are
            valid for a next request. What handlers raise is told to the model: type and message, keys masked.
        """
        return await _whole_run(_start_run(self.stream, model, messages, arguments, is_whole=True))

    def stream_step(
        self, model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]
    ) -> RunStream:
        """`step` as it happens; see `stream_run`."""
        return _start_run(self.stream, model, messages, arguments, is_step=True)

    async def step(self, model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]) -> Run:
        """One round of a run: the model's answer, and the calls in it made. Takes what `run` takes.

        While there is more to do the status is ``running``: ``run = await client.step(run, tools=tools)``.
        """
        return await _whole_run(_start_run(self.stream, model, messages, arguments, is_step=True, is_whole=True))

    def live(
        self,
        model: str,
        *,
        auto_tools: bool = False,
        concurrency: int = 8,
        tool_timeout: float | None = None,
        state: Any = None,
        audio_overflow: Overflow = "block",
        audio_capacity: int = 1024,
        reconnect: Reconnect | None = None,
        timeout: Timeout = None,
        extra: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        live_url: str | None = None,
        **settings: Unpack[LiveArguments],
    ) -> LiveSession:
        """A realtime session, to speak and listen at the same time; nothing is sent before it is entered.

        Args:
            model: ``"provider/model"``, or a provider alone for its default realtime model.
            auto_tools: make the calls of the model by itself, side by side, and send the results; `tools` must hold
                functions. Calls of tools without one are left to you.
            concurrency, tool_timeout, state: of these calls, as for `run`.
            audio_overflow: what happens to the model's audio when `audio_capacity` pieces of it wait to be taken:
                ``"block"`` stops reading the socket, ``"drop"`` loses new pieces, ``"overwrite"`` old ones. Anything
                else is never lost.
            reconnect: how hard to try when the connection is lost, see `exllm.live.Reconnect`.
            timeout: total seconds until the session can be used, or `Timeouts`: `connect`, `first_chunk` (until the
                service has taken the settings, 30 s), `idle` (longest silence of the service, none), `total` (until it
                can be used). Of the client's own timeouts the first two count.
            extra: the provider's own session fields, merged last.
            api_key: for this session, in place of the config's; may be a short-lived token of the provider.
            live_url: scheme and host, in place of the provider's and of ``live_url`` in its config.
            settings: see `exllm.live.LiveSettings`; `turn_detection` may be its kind alone.

        Raises: ConfigurationError, UnsupportedOption, InvalidRequest, TypeError, ValueError, all before any I/O.
        """
        from exllm.live.call import prepare_live
        from exllm.live.session import LiveSession

        transport = self._transport
        call = prepare_live(
            self._settings, self._ways, model, settings,
            timeout=timeout, api_key=api_key, live_url=live_url, extra=extra, reconnect=reconnect,
            auto_tools=auto_tools, concurrency=concurrency, tool_timeout=tool_timeout, state=state,
            audio_overflow=audio_overflow, audio_capacity=audio_capacity, max_message_bytes=self._max_frame_bytes,
            proxy_for=transport.pool.proxy_for, ssl_context=transport.settings.ssl_context,
        )  # fmt: skip
        return LiveSession(call)

    async def embed(
        self,
        model: str,
        inputs: str | Sequence[str],
        *,
        dimensions: int | None = None,
        encoding_format: str | None = None,
        task_type: str | None = None,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        extra: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> EmbeddingResponse:
        """The vectors of texts, in their order: all of them, or an error.

        Many texts are split into requests as the provider's limits want it, a few of which are sent at a time. Each is
        sent again as the retry policy says.

        Args:
            model: ``"provider/model"``, or the provider alone for its default embedding model.
            inputs: a text, or a list of texts.
            dimensions: the length of the vectors, where the model can shorten them.
            encoding_format: what the numbers are: ``"float"`` or ``"base64"`` (floats, sent as digits or packed),
                ``"int8"``, ``"uint8"``, ``"binary"``, ``"ubinary"`` (eight bits to a number). By default floats, in the
                smallest form that the provider has.
            task_type: what the vectors are for, where the model makes a difference: ``"query"`` and ``"document"``
                (search), ``"similarity"``, ``"classification"``, ``"clustering"``, ``"question_answering"``,
                ``"fact_verification"``, ``"code_query"``. The providers' own names for these are understood.
            timeout: total seconds, or `Timeouts`, of which `connect` and `total` count (600 s for all requests).
            budget: as for `stream`; all requests are one call, which a budget refuses before the first is sent.
            extra: the provider's own fields, put into each request as they are.
            api_key, base_url: instead of the configured ones.

        Raises: ConfigurationError, UnsupportedOption, TypeError, ValueError, before any I/O; what `chat` raises. A note
            on the error tells which inputs it was for, when there were several requests.
        """
        call = prepare_embedding(
            self._settings, model, inputs, dimensions=dimensions, encoding_format=encoding_format,
            task_type=task_type, timeout=timeout, extra=extra,
        )  # fmt: skip
        request, budgets, key = call.request, (*self._budgets, *budgets_of(budget)), ""
        answer: Coroutine[Any, Any, EmbeddingResponse]
        if isinstance(call.backend, ProviderSpec):
            way = self._ways.to(call.backend, api_key, base_url)
            key = way.secret or ""
            answer = embed_over_http(self._transport, call, way)
        else:
            if ignored := _unused(request.provider, api_key, base_url):
                call = msgspec.structs.replace(call, warnings=(*call.warnings, *ignored))
            answer = embed_by(call)
        if not budgets:
            return await answer
        running = RunningCost(
            request.provider,
            request.model,
            tokens_of_text(sum(map(len, request.inputs))),
            local=_is_local(call.backend),
        )
        return await charged(answer, budgets, running, key)

    async def count_tokens(
        self,
        model: str,
        messages: Messages,
        *,
        local: bool = False,
        fallback: bool = False,
        timeout: Timeout = None,
        extra: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        **options: Unpack[OptionArguments],
    ) -> TokenCount:
        """How many input tokens a call would have, and how that is known. Takes what `chat` takes; nothing is answered.

        The surest way there is: the provider's own endpoint (Anthropic, Gemini, Vertex AI, Claude on Bedrock,
        ``openai-responses``), a local model's vocabulary, tiktoken where it is installed and has its data, else an
        estimate with the error band that was measured on recorded calls.

        Args:
            local: ask nobody: the estimate alone.
            fallback: estimate when the provider cannot be asked, instead of raising; `TokenCount.reason` says why.
            options: see `Options`; `tools` count, `max_tokens` and the like make no difference.

        Raises: what `chat` raises.
        """
        call = prepare(
            self._settings, model, messages, options, stream=False, timeout=timeout, extra=extra, include_raw=False
        )
        spec = call.backend

        def way() -> Access:
            assert isinstance(spec, ProviderSpec)
            return self._ways.to(spec, api_key, base_url)

        asked = way if not local and asks_provider(call) else None
        return await count_anyhow(self._transport, call, asked, local=local, fallback=fallback)

    async def analyze_images(
        self,
        model: str,
        images: ImageSource | Sequence[ImageSource],
        question: str = DESCRIBE,
        *,
        fetch: bool = False,
        max_side_px: int | None = None,
        **arguments: Any,
    ) -> Response:
        """The answer to a question about one image or several, PDF documents among them.

        Args:
            images: paths, addresses, bytes or open files, see `exllm.media.load`; or parts that are made already.
            question: what is asked, word for word; the images come before it.
            fetch: get images at addresses here, instead of leaving that to the provider.
            max_side_px: send none that is larger; see `exllm.media.fit`, which also makes each fit the provider.
            arguments: whatever `chat` takes.

        Raises: what `exllm.media.load`, `exllm.media.fit` and `chat` raise.
        """
        return await ask_about(
            lambda messages: self.chat(model, messages, **arguments), model, images, question,
            fetch=fetch, max_side_px=max_side_px,
        )  # fmt: skip

    async def extract_text(
        self,
        model: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        instruction: str = EXTRACT_TEXT,
        fetch: bool = False,
        max_side_px: int | None = None,
        **arguments: Any,
    ) -> Response:
        """The text in images, as `analyze_images` with an instruction that asks for nothing else."""
        return await self.analyze_images(
            model, images, instruction, fetch=fetch, max_side_px=max_side_px, **arguments
        )  # fmt: skip

    # -- providers

    def configured(self, provider: str) -> bool:
        """Whether calls to `provider` could be made: it is known, and its key is there if it needs one."""
        backend = registry.get(provider)
        if not isinstance(backend, ProviderSpec):
            return True
        try:
            way = self._ways.to(backend)
        except ConfigurationError:
            return False
        signer = way.signer
        return signer is None or not signer.lacks([name for name in signer.fills if "{" + name + "}" in way.base_url])

    def default_model(self, provider: str) -> str | None:
        """The model that the provider's bare name stands for."""
        backend = registry.get(provider)
        chosen = lookup(self._settings.config, backend.name, "default_model")
        return chosen or getattr(backend, "default_model", None)

    async def list_models(
        self,
        provider: str,
        *,
        kinds: Collection[str] | None = DEFAULT_KINDS,
        refresh: bool = False,
        fallback: bool = False,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> list[ModelEntry]:
        """The models that the provider's own endpoint lists, sorted by id. A list is kept for an hour.

        What the provider does not say of a model, the model catalog does, where it knows it: `ModelEntry.from_catalog`.
        A provider that has no such endpoint is answered for by the model catalog; `ModelEntry.source` tells.

        Args:
            provider: its name or alias.
            kinds: what they are for, see `ModelEntry.kinds`; those of which that is not known are listed as well. None
                lists all.
            refresh: ask, also when there is a list not an hour old.
            fallback: answer from the catalog when the provider cannot be asked, instead of raising.

        Raises: the errors of a chat; ConfigurationError when nobody knows the provider's models.
        """
        backend = registry.get(provider)
        if not isinstance(backend, ProviderSpec):
            told = await backend.list_models() if isinstance(backend, ListsModels) else []
            return of_kinds(with_catalog(told, provider), kinds)
        if backend.paths.models is None:
            known = catalog_models(backend.name)
            if not known:
                raise ConfigurationError(
                    f"{backend.label} has no model list; see {backend.docs}", provider=backend.name
                )
            return of_kinds(known, kinds)
        try:
            return of_kinds(await self._fetch_models(backend, api_key, base_url, refresh=refresh), kinds)
        except ExLLMError:
            known = catalog_models(backend.name) if fallback else []
            if not known:
                raise
            return of_kinds(known, kinds)

    # -- inside

    async def _fetch_models(
        self, spec: ProviderSpec, api_key: str | None, base_url: str | None, *, refresh: bool
    ) -> list[ModelEntry]:
        elsewhere, path = spec.models_endpoint()
        way = self._ways.to(spec, api_key, base_url or elsewhere)
        limits = self._settings.timeouts.over(spec.timeouts).over(DEFAULT_TIMEOUTS)
        headers = {"accept": "application/json", "user-agent": USER_AGENT, **way.headers}
        call = HttpCall(way.base_url + path, b"", headers, "GET", limits.connect, way.secret, way.signer)
        entries = None if refresh else self._model_lists.get(spec.name, call)
        if entries is None:
            told = await fetch_models(
                self._transport, call, spec, registry.wire(spec.wire), self._settings.retry or spec.retry
            )
            entries = with_catalog(told, spec.name)
            self._model_lists.put(spec.name, call, entries)
        return entries

    def _prepare(
        self,
        model: str,
        messages: Messages,
        options: Mapping[str, Any],
        stream: bool,
        timeout: Timeout,
        extra: Mapping[str, Any] | None,
        include_raw: bool,
        budget: BudgetArgument,
    ) -> Call:
        call = prepare(
            self._settings, model, messages, options,
            stream=stream, timeout=timeout, extra=extra, include_raw=include_raw,
        )  # fmt: skip
        if self._validates_context:
            check_context(call.request)
        if budget is None and not self._budgets:
            return call
        return msgspec.structs.replace(call, budgets=(*self._budgets, *budgets_of(budget)))

    def _backend(self, call: Call, api_key: str | None, base_url: str | None) -> Backend:
        provider = call.backend
        if isinstance(provider, ProviderSpec):
            assert call.wire is not None
            way = self._ways.to(provider, api_key, base_url)
            backend: Backend = HttpBackend(
                self._transport, call, call.wire, way, self._plain_requests, self._max_frame_bytes
            )
            return _budgeted(backend, call, way.secret) if call.budgets else backend
        if ignored := _unused(call.request.provider, api_key, base_url):
            call = msgspec.structs.replace(call, warnings=(*call.warnings, *ignored))
        backend = ForeignBackend(provider, call)
        return _budgeted(backend, call, None) if call.budgets else backend

    def _stream(self, call: Call, api_key: str | None, base_url: str | None, *, accumulate: bool = True) -> Stream:
        request = call.request
        accumulator = Accumulator(request.provider, request.model, keep_content=accumulate)
        return self._pumped(call, self._backend(call, api_key, base_url).connect, accumulator, partial(complete, call))

    def _stream_for_object(
        self, call: Call, asked: Asked, messages: Messages, api_key: str | None, base_url: str | None
    ) -> Stream:
        from exllm.structured.source import AnswerStream

        def backend(said: tuple[Any, ...]) -> Backend:
            request = msgspec.structs.replace(call.request, messages=said)
            return self._backend(msgspec.structs.replace(call, request=request), api_key, base_url)

        answers = AnswerStream(asked, messages, backend, call)
        return self._pumped(call, answers.connect, answers.accumulator, answers.complete, asked.plan)

    def _pumped(
        self,
        call: Call,
        connect: Callable[[], Awaitable[ChunkSource]],
        accumulator: Accumulator,
        completed: Callable[[Response], Response],
        plan: Plan | None = None,
    ) -> Stream:
        request = call.request
        pump = Pump(
            connect,
            schedule=RetrySchedule(call.retry),
            timeouts=request.timeouts,
            accumulator=accumulator,
            capacity=self._ring_capacity,
            complete=completed,
            provider=request.provider,
            model=request.model,
        )
        return Stream(pump, partial(_running_cost, call), plan)


def _start_run(
    open_stream: Any,
    model: str | Run,
    messages: Messages | None,
    arguments: Mapping[str, Any],
    *,
    is_step: bool = False,
    is_whole: bool = False,
) -> RunStream:
    from exllm.tools.start import start_run  # most programs call no tools

    return start_run(open_stream, model, messages, arguments, is_step=is_step, is_whole=is_whole)


async def _whole_run(stream: RunStream) -> Run:
    from exllm.tools.run_stream import whole_run

    return await whole_run(stream)


def _budgeted(backend: Backend, call: Call, key: str | None) -> Backend:
    return BudgetedBackend(backend, _running_cost(call), call.request.model, call.budgets, key or "")


def _running_cost(call: Call) -> RunningCost:
    request = call.request
    tokens = 0 if (local := _is_local(call.backend)) else guess_input_tokens(request)
    return RunningCost(request.provider, request.model, tokens, local=local)


def _is_local(backend: object) -> bool:
    return bool(getattr(backend, "local", False))


def _unused(provider: str, api_key: str | None, base_url: str | None) -> tuple[str, ...]:
    """The warning for what a backend that is no HTTP service has no use for."""
    given = [name for name, value in (("api_key", api_key), ("base_url", base_url)) if value is not None]
    return (f"{provider} takes no {' and no '.join(given)}; it was not used",) if given else ()
