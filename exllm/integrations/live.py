"""A browser at a realtime session: a WebSocket endpoint for FastAPI or Starlette. Needs the extra ``fastapi``.

::

    @app.websocket("/live")
    async def talk(websocket: WebSocket, client: Annotated[Client, Depends(get_client)]) -> None:
        await relay_live(websocket, client.live("gemini", voice="Kore"), authorize=is_signed_in)

What goes over the wire is in `exllm.integrations.live_protocol` and docs/live.md. The key stays here.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from exllm.errors import ConfigurationError, MissingExtra
from exllm.integrations.live_protocol import FORWARDED
from exllm.live.session import LiveSession
from exllm.types.live_events import LiveEvent
from exllm.types.tool import Tool

try:
    from starlette.websockets import WebSocket, WebSocketDisconnect
except ImportError as error:
    raise MissingExtra('exllm.integrations.live needs Starlette: pip install "exllm[fastapi]"') from error

from exllm.integrations.live_relay import POLICY, Relay, RelayStats

__all__ = ["FORWARDED", "RelayStats", "relay_live"]

Authorize = Callable[[WebSocket], bool | Awaitable[bool]]
_log = logging.getLogger(__name__)


async def relay_live(
    websocket: WebSocket,
    session: LiveSession,
    *,
    authorize: Authorize | None = None,
    origins: Collection[str] | None = (),
    events: Collection[type[LiveEvent]] = FORWARDED,
    max_message_bytes: int = 2**20,
    send_timeout_s: float = 30.0,
    max_duration_s: float | None = None,
) -> RelayStats:
    """Relay a browser to a session, until one of them leaves; the other is closed then, at once.

    Both directions have backpressure. A slow browser is waited for: the session's ring of audio fills, and its
    `audio_overflow` decides whether the provider's socket is stopped or audio lost. While the session takes no more,
    the browser's socket is not read.

    What goes wrong is told in an event, without what is the server's own business, and by a close code: 1007 for what
    is no command or no PCM, 1008 for a browser that does not read for `send_timeout_s` or stays for longer than
    `max_duration_s`, 1009 for a message above the limit, 1013 where another try may help, such as when the session
    took nothing for `send_timeout_s`, 1011 for other failures.

    Args:
        websocket: not yet accepted.
        session: of `Client.live`, not yet entered. Tools whose calls are made here need ``auto_tools=True``; calls of
            tools without a function are told to the browser, which answers them, and no others.
        authorize: asked before the connection is accepted and the session opened; False refuses with status 403. None:
            whoever comes may talk, at your cost.
        origins: whole origins, such as ``"https://app.example.com"``, whose pages may connect. Empty: pages of the host
            that they connect to, as the ``Host`` header names it (a proxy must pass that on). None: all. A client that
            tells no origin is no browser, and is not refused for that.
        events: kinds of events that the browser is told; audio always is.
        max_message_bytes: of one message from the browser. Your server has a limit of its own.
        send_timeout_s: how long one message may take, to the browser, or to the session while too many others wait.
        max_duration_s: how long all may take.

    Raises: what `authorize` raises, ConfigurationError for functions that nobody would call, TypeError and ValueError
        for origins that are none, before anything is accepted.
    """
    _check_origins(origins)
    own_tools = {tool.name for tool in session.settings.tools if isinstance(tool, Tool) and tool.handler is not None}
    if own_tools and not session.auto_tools:
        raise ConfigurationError("nobody else calls the tools of a relayed session: client.live(..., auto_tools=True)")
    if not _is_welcome(websocket, origins) or not await _is_authorized(websocket, authorize):
        await websocket.close(POLICY)  # before it was accepted this is status 403
        return RelayStats(close_code=403)
    try:
        await websocket.accept()
    except (WebSocketDisconnect, RuntimeError):  # it has left already
        return RelayStats(close_code=1006)
    relay = Relay(websocket, session, frozenset(events), own_tools, max_message_bytes, send_timeout_s)
    return await relay.run(max_duration_s)


def _check_origins(origins: Collection[str] | None) -> None:
    if isinstance(origins, str):  # whose parts would all be welcome
        raise TypeError(f"origins is a list of origins, such as [{origins!r}]")
    for origin in origins or ():
        parts = urlsplit(origin)
        if not (parts.netloc and origin == f"{parts.scheme}://{parts.netloc}" == origin.lower()):
            raise ValueError(f"{origin!r} is no origin, such as 'https://app.example.com'; origins=None lets all in")


def _is_welcome(websocket: WebSocket, origins: Collection[str] | None) -> bool:
    origin, host = websocket.headers.get("origin"), websocket.headers.get("host")
    if origin is None or origins is None:
        return True
    if origin in origins if origins else urlsplit(origin).netloc == host:
        return True
    wanted = ", ".join(origins) if origins else f"the host that it connects to, {host!r}"
    _log.warning("a page of the origin %r was refused; origins= allows %s", origin, wanted)
    return False


async def _is_authorized(websocket: WebSocket, authorize: Authorize | None) -> bool:
    if authorize is None:
        return True
    answer = authorize(websocket)
    return bool(await answer if inspect.isawaitable(answer) else answer)
