"""A provider as data: everything that tells one service apart from another that speaks the same wire."""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.policies.retry import RetryPolicy
from exllm.types.options import Timeouts


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key travels: in `header`, after `prefix`. `required=False` for servers that ask for none."""

    header: str = "authorization"
    prefix: str = "Bearer "
    required: bool = True


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoint paths below the base URL; None where the provider has none."""

    chat: str
    models: str | None = None
    embeddings: str | None = None


class ProviderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider.

    Attributes:
        name: the first half of the model string.
        label: its name for people.
        wire: which protocol it speaks, e.g. ``openai_chat``.
        base_url: without a trailing slash; may hold ``{placeholders}``, filled from the config values in `settings`.
        default_model: used when only the provider is named.
        docs: the page that the facts here are from.
        api_key_env, base_url_env: environment variables, the first one set wins.
        auth: how the key travels.
        headers: sent with every request.
        header_env: header name to environment variable, sent when set.
        settings: placeholder name to environment variable, for `base_url`.
        quirks: named deviations from the wire, see the wire's ``QUIRKS`` for what each means.
        unsupported: options of the wire that this provider refuses or ignores.
        parameters: the provider's own options, `extra` key to allowed values (empty: anything).
        timeouts, retry: where they differ from the defaults.
        local: runs on the user's machine; costs nothing.
        aliases: other names of the provider.
    """

    name: str
    label: str
    wire: str
    base_url: str
    paths: Paths
    docs: str
    default_model: str | None = None
    api_key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    header_env: dict[str, str] = {}
    settings: dict[str, str] = {}
    quirks: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()
    parameters: dict[str, tuple[Any, ...]] = {}
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    local: bool = False
    aliases: tuple[str, ...] = ()
