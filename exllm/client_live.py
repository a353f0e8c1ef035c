"""Realtime sessions: what the client opens, and keys for those who are to open one themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from exllm.call import Timeout, timeouts_of
from exllm.client_core import ClientCore
from exllm.errors import TotalTimeout
from exllm.policies.budget import BudgetArgument, budgets_of
from exllm.providers import registry
from exllm.providers.live_wire import live_wire
from exllm.transport.http import USER_AGENT, HttpCall
from exllm.transport.whole_body import fetch_body
from exllm.types.live_settings import LiveArguments, LiveSettings
from exllm.types.live_token import LiveToken
from exllm.types.options import DEFAULT_TIMEOUTS

if TYPE_CHECKING:
    from exllm.live.reconnect import Reconnect
    from exllm.live.session import LiveSession
    from exllm.streaming.ring import Overflow

TOKEN_S = 30.0
"""Time limit of a request for a short-lived key where none is set, in seconds."""


class LiveMethods(ClientCore):
    """The client's realtime sessions."""

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
        budget: BudgetArgument = None,
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
            budget: as for `stream`, beside the client's. The session is refused before it is opened where nothing is
                left, and ends with `BudgetExceeded` when the turns so far have cost too much.
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
            budgets=(*self._budgets, *budgets_of(budget)),
            auto_tools=auto_tools, concurrency=concurrency, tool_timeout=tool_timeout, state=state,
            audio_overflow=audio_overflow, audio_capacity=audio_capacity, max_message_bytes=self._max_frame_bytes,
            proxy_for=transport.pool.proxy_for, ssl_context=transport.settings.ssl_context,
        )  # fmt: skip
        return LiveSession(call)

    async def live_token(
        self,
        model: str,
        *,
        settings: LiveArguments | None = None,
        timeout: Timeout = None,
        api_key: str | None = None,
        base_url: str | None = None,
        **how: Any,
    ) -> LiveToken:
        """A short-lived key, for a browser or a device that is to open a realtime session without yours.

        Args:
            model: ``"provider/model"``, or a provider alone for its default realtime model.
            settings: what sessions opened with it are held to, as for `live`; None leaves them free.
            timeout: total seconds, 30 by default.
            how: the provider's own: ``expires_in_s``; at Gemini also ``opens_in_s``, ``uses`` and ``lock``.

        Raises: ConfigurationError, UnsupportedOption, InvalidRequest, TypeError before any I/O; what `chat` raises.
        """
        from exllm.live.call import changed, live_model

        spec, model_id = live_model(self._settings, model, (settings or {}).get("kind"))
        wire, held = live_wire(spec.live.wire), None
        if settings is not None:
            held, _ = changed(LiveSettings(model_id), settings, wire, spec, drop_unsupported=False)
        way = self._ways.to(spec, api_key, base_url)
        request = wire.token_request(spec, held, now_s=time.time(), **how)
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": USER_AGENT,
            **way.headers,
            **request.headers,
        }
        limits = timeouts_of(timeout).over(self._settings.timeouts).over(DEFAULT_TIMEOUTS)
        call = HttpCall(
            way.base_url + request.path, request.body, headers, request.method, limits.connect, way.secret, way.signer
        )
        total_s = limits.total or TOKEN_S
        try:
            async with asyncio.timeout(total_s) as limit:
                answer = await fetch_body(self._transport, call, spec, registry.wire(spec.wire))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TotalTimeout(f"{spec.label} gave no key within {total_s:g} s", provider=spec.name) from error
        return wire.read_token(answer.body, spec)
