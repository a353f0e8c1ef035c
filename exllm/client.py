"""The client: what its users call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from exllm.backend import answer
from exllm.call import Timeout
from exllm.client_live import LiveMethods
from exllm.client_models import ModelMethods
from exllm.image_questions import DESCRIBE, EXTRACT_TEXT, ImageSource, ask_about
from exllm.policies.budget import BudgetArgument, budgets_of
from exllm.streaming.stream import Stream
from exllm.types.normalise import Messages
from exllm.types.options import STRUCTURED_OPTIONS, OptionArguments
from exllm.types.response import Response

if TYPE_CHECKING:
    import os

    from exllm.recovery.settings import RecoverArgument
    from exllm.sessions.conversation import Conversation
    from exllm.sessions.session import Session
    from exllm.sessions.shown import ContextArgument
    from exllm.sessions.stores import SessionStore
    from exllm.tools.run_stream import RunStream
    from exllm.tools.settings import RunArguments
    from exllm.types.cursor import Cursor, ResumeStrategy
    from exllm.types.run import Run


class Client(ModelMethods, LiveMethods):
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
        recovery: an `exllm.recovery.Recovery` for every stream that can have one; where `resume` finds ids. None:
            streams recover only with ``recover=``, and are kept in memory.
        proxy, trust_env, ssl_context: see `TransportSettings`.

    Raises: ConfigurationError, TypeError, ValueError for wrong arguments. Every call: `ExLLMError` subclasses;
        `TypeError` and `ValueError` for wrong arguments.
    """

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
        recover: RecoverArgument = None,
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
            recover: True, or an `exllm.recovery.Recovery`: save the answer while it arrives, and go on with it when the
                connection breaks; see `resume`. Between what came before and after is a `ProviderEvent`, ``resumed``.
            options: see `Options`.

        Raises: ConfigurationError, UnsupportedOption, InvalidRequest, TypeError, ValueError, all before any I/O.
        """
        recovery = self._recovery_of(recover)
        is_plain = accumulate and STRUCTURED_OPTIONS.isdisjoint(options)
        if recovery is not None and recover and not is_plain:
            raise TypeError("recover goes with neither accumulate=False nor response_model nor validators")
        if recovery is not None and is_plain:
            call = self._prepare(model, messages, options, True, timeout, extra, include_raw, budget)
            return self._recoverable_stream(call, recovery, api_key, base_url)
        if STRUCTURED_OPTIONS.isdisjoint(options):
            call = self._prepare(model, messages, options, True, timeout, extra, include_raw, budget)
            return self._stream(call, api_key, base_url, accumulate=accumulate)
        from exllm.structured.call import STREAM_RETRIES, asked_for

        asked = asked_for(model, options, STREAM_RETRIES)
        if not accumulate and (asked.plan is not None or asked.validators):
            raise TypeError("response_model and validators need the text that accumulate=False does not keep")
        call = self._prepare(model, messages, asked.options, True, timeout, extra, include_raw, budget)
        return self._stream_for_object(call, asked, messages, api_key, base_url)

    def resume(
        self,
        cursor: Cursor | str,
        *,
        strategy: ResumeStrategy = "exact",
        recover: RecoverArgument = None,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        api_key: str | None = None,
        base_url: str | None = None,
        **options: Unpack[OptionArguments],
    ) -> Stream:
        """Go on with an answer that was cut off: a stream of the rest. Its ``response`` is the whole answer.

        Args:
            cursor: ``stream.cursor``, stored or not; or its id, where the recovery's store keeps it.
            strategy: ``"exact"``: from the very character, so that the joined text has no seam. Models that can be made
                to continue their own words are; others are asked to, and what they repeat is left out.
                ``"paragraph"``: from the end of the last whole paragraph; what followed it is given up, and not in
                ``response``. ``"summarize"``: the model is told a summary of what was said instead of all of it.
            recover: as for `stream`; by default the rest is looked after if the client has a `recovery`.
            options: in place of those of the request; tools' handlers are not stored.

        Raises: InvalidRequest for an answer that is whole, or cannot be gone on with: after a tool call was begun, with
            several choices, in a fixed form; NotFound for an id that is not kept; what `stream` raises.
        """
        recovery = self._recovery_of(recover)
        found = self._kept_cursor(cursor, recovery)
        given = {**found.options.given(), **options}
        call = self._prepare(found.model, found.messages, given, True, timeout, found.extra, False, budget)

        async def summary(text: str) -> str:
            reply = await self.chat(found.model, text, api_key=api_key, base_url=base_url, budget=budget)
            return reply.text

        return self._recoverable_stream(
            call, recovery, api_key, base_url, begin=found, strategy=strategy, summary=summary
        )  # fmt: skip

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

    def conversation(  # type: ignore[misc] # the option `store` of OpenAI's goes to each turn, or into the session
        self,
        session: Session | str,
        *,
        store: SessionStore | str | os.PathLike[str] | None = None,
        context: ContextArgument = None,
        **arguments: Unpack[RunArguments],
    ) -> Conversation:
        """A conversation that goes on: ``async with client.conversation(session) as chat: await chat.send("Hi")``.

        Args:
            session: an `exllm.Session`, new or not; or the id of one that `store` has.
            store: an `exllm.sessions.SessionStore`; the path of a SQLite file, or of a folder for JSON files that ends
                in ``/``; or ``redis://...``. None: nothing is stored; ``chat.session`` is yours to keep.
            context: what is sent of a long conversation: a strategy of `exllm.context.fit_messages`, or
                ``"summarize"``, or an `exllm.sessions.Fit`. None sends all.
            arguments: of every turn, as for `run`; each turn may have its own. A `budget` is for all turns together.

        Raises: TypeError, ValueError, ConfigurationError for wrong arguments.
        """
        from exllm.sessions.conversation import Conversation

        return Conversation(self, session, store, context, arguments)

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
