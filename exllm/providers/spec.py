"""A provider as data: everything that tells one service apart from another that speaks the same wire."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.policies.retry import RetryPolicy
from exllm.providers.embedding_spec import EmbeddingSpec
from exllm.providers.live_spec import LiveSpec
from exllm.providers.parameters import Misfit, check_object, rules_of
from exllm.types.message import Message
from exllm.types.options import Options, Timeouts
from exllm.types.parts import Image


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a call proves who makes it.

    Attributes:
        header, prefix: a key travels in `header`, after `prefix`.
        required: False for servers that ask for none.
        kind: what is done where there is no key: nothing for ``key``; requests are signed for ``aws`` (SigV4), and
            carry a token of Google's for ``google``. For ``ibm`` the key itself is exchanged for a token.
        service: of ``aws``, the service's name in signatures.
    """

    header: str = "authorization"
    prefix: str = "Bearer "
    required: bool = True
    kind: Literal["key", "aws", "google", "ibm"] = "key"
    service: str = ""


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoint paths below the base URL; None where the provider has none. ``{model}`` is the model's name.

    `models` may be a whole URL, with the placeholders of the base URL, where another host lists the models.
    `more_models` is a second list at the same host: its rows stand with those of the first.
    """

    chat: str = "/chat/completions"
    models: str | None = None
    more_models: str | None = None
    embeddings: str | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request may hold at most; None where the provider sets no limit.

    Attributes:
        images: in all messages together.
    """

    images: int | None = None


class ProviderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider.

    Attributes:
        name: the first half of the model string.
        wire: which protocol it speaks, e.g. ``openai_chat``.
        base_url: without a trailing slash; may hold ``{placeholders}``, filled from the config values in `settings`.
        paths: endpoints below the base URL.
        label: its name for people; `name` where not given.
        docs: the page that the facts here are from.
        default_model: used when only the provider is named.
        api_key_env, base_url_env: environment variables, the first one set wins.
        auth: how the key travels.
        headers: sent with every request.
        header_env: header name to environment variable, sent when set.
        body_env: field of every chat's body to environment variable, sent when set, unless `extra` has the field.
        settings: placeholder name to environment variable, or to several, the first one set wins; for `base_url`.
        setting_defaults: values of placeholders that need not be set.
        hosts: host names that are not as the pattern of `base_url` has them, with what they really are.
        quirks: named deviations from the wire, see the wire's ``QUIRKS`` for what each means.
        unsupported: options of the wire that this provider refuses or ignores.
        parameters: fields of the request's body, the provider's own (keys of `extra`) and those it takes only some
            values of, by their name on the wire: see `exllm.providers.parameters`. Becomes a dict of `Rule`.
        limits: what a request may hold at most.
        counts_tokens: it has its wire's endpoint that counts the tokens of a request, see
            `exllm.providers.token_counting`.
        embeddings: how it embeds texts, where `paths.embeddings` is set.
        live: how it is spoken to in realtime, where it is.
        timeouts, retry: where they differ from the defaults.
        local: runs on the user's machine; costs nothing.
        aliases: other names of the provider.
        config_of: the provider whose key and settings in a config are good for this one too: the same service, by
            another protocol. Its base URL as well, unless `shares_address` is False.
    """

    name: str
    wire: str
    base_url: str
    paths: Paths = Paths()
    label: str = ""
    docs: str = ""
    default_model: str | None = None
    api_key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    header_env: dict[str, str] = {}
    body_env: dict[str, str] = {}
    settings: dict[str, str | tuple[str, ...]] = {}
    setting_defaults: dict[str, str] = {}
    hosts: dict[str, str] = {}
    quirks: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()
    parameters: dict[str, Any] = {}
    limits: Limits = Limits()
    counts_tokens: bool = False
    embeddings: EmbeddingSpec = EmbeddingSpec()
    live: LiveSpec = LiveSpec()
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    local: bool = False
    aliases: tuple[str, ...] = ()
    config_of: str | None = None
    shares_address: bool = True

    def __post_init__(self) -> None:
        if not self.label:
            msgspec.structs.force_setattr(self, "label", self.name)
        msgspec.structs.force_setattr(self, "parameters", rules_of(self.parameters, "field parameters"))

    @property
    def config_names(self) -> str | tuple[str, ...]:
        """The names under which a config may hold its key and settings."""
        return self.name if self.config_of is None else (self.name, self.config_of)

    @property
    def address_names(self) -> str | tuple[str, ...]:
        """The names under which a config may hold its base URL."""
        return self.config_names if self.shares_address else self.name

    def models_endpoint(self) -> tuple[str | None, str]:
        """The base URL of the model list, None where it is the provider's own, and the path below it."""
        models = self.paths.models
        assert models is not None, "the caller knows that there is one"
        scheme, mark, rest = models.partition("://")
        host, slash, path = rest.partition("/")
        return (f"{scheme}{mark}{host}", slash + path) if mark else (None, models)

    def variables_of(self, setting: str) -> tuple[str, ...]:
        """The environment variables of a placeholder."""
        variables = self.settings.get(setting, ())
        return (variables,) if isinstance(variables, str) else variables


def parse_spec(data: object, where: str) -> ProviderSpec:
    """The spec in `data`, the content of a YAML file or a dict.

    `where` names the source in messages, e.g. ``groq.yaml``. What only the wire can tell (quirks) is not checked here.

    Raises: ConfigurationError that names `where` and the field.
    """
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{where}: a provider spec is a mapping of fields, got {type(data).__name__}")
    _refuse_unknown(data, ProviderSpec.__struct_fields__, f"{where}: field")
    for field, struct in _NESTED.items():
        if isinstance(data.get(field), Mapping):
            _refuse_unknown(data[field], struct.__struct_fields__, f"{where}: field {field}", separator=".")
    try:
        spec = msgspec.convert(data, ProviderSpec)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {str(error).replace('`$.', '`')}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    check_spec(spec, where)
    return spec


def check_spec(spec: ProviderSpec, where: str) -> None:
    """Check what the types cannot say. Raises `ConfigurationError` that names `where` and the field."""
    for name in (spec.name, *spec.aliases):
        check_name(name, where)
    for field, variables in (
        ("api_key_env", spec.api_key_env),
        ("base_url_env", spec.base_url_env),
        ("header_env", spec.header_env.values()),
        ("body_env", spec.body_env.values()),
        ("settings", [variable for setting in spec.settings for variable in spec.variables_of(setting)]),
    ):
        for variable in variables:
            if not _VARIABLE.fullmatch(variable):
                # Not quoted: the likely mistake is the key itself in the place of its variable's name.
                raise ConfigurationError(f"{where}: field {field} must hold names of environment variables")
    for header in spec.headers:
        if header.lower() in (spec.auth.header.lower(), "authorization", "x-api-key", "api-key"):
            raise ConfigurationError(f"{where}: field headers: {header} holds a key; keys go into the config")
    if not spec.base_url.startswith(("https://", "http://")) or spec.base_url.endswith("/"):
        raise ConfigurationError(
            f"{where}: field base_url must start with https:// or http:// and end without '/', got {spec.base_url!r}"
        )
    placeholders = set(_PLACEHOLDER.findall(spec.base_url))
    if placeholders != spec.settings.keys():
        raise ConfigurationError(
            f"{where}: field settings must name exactly the placeholders of base_url: "
            f"{sorted(placeholders)}, got {sorted(spec.settings)}"
        )
    if bool(spec.auth.service) != (spec.auth.kind == "aws"):
        raise ConfigurationError(f"{where}: field auth.service goes with kind aws, and with no other")
    _refuse_unknown(spec.setting_defaults, spec.settings, f"{where}: field setting_defaults: setting")
    for field in Paths.__struct_fields__:
        path = getattr(spec.paths, field)
        if field == "models" and path is not None and _URL.fullmatch(path):
            if not set(_PLACEHOLDER.findall(path)) <= spec.settings.keys():
                raise ConfigurationError(f"{where}: field paths.models has placeholders that settings does not name")
        elif path is not None and not path.startswith("/"):
            raise ConfigurationError(f"{where}: field paths.{field} must start with '/', got {path!r}")
    _refuse_unknown(spec.unsupported, Options.__struct_fields__, f"{where}: field unsupported: option")
    if (problem := spec.embeddings.problem()) is not None:
        raise ConfigurationError(f"{where}: field embeddings.{problem}")
    if (problem := spec.live.problem(spec.settings)) is not None:
        raise ConfigurationError(f"{where}: field live.{problem}")


def check_name(name: object, where: str) -> None:
    """A provider's name must be able to stand before the slash of a model string."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: a provider's name is made of lower-case letters, digits, '-', '_' and '.', got {name!r}"
        )


def check_quirks(spec: ProviderSpec, known: Iterable[str], where: str) -> None:
    """Refuse quirks that the wire does not know. Raises `ConfigurationError`."""
    _refuse_unknown(spec.quirks, known, f"{where}: field quirks: {spec.wire} quirk")


def check_parameters(spec: ProviderSpec, values: Mapping[str, Any], known: Collection[str] = ()) -> tuple[str, ...]:
    """Refuse a value that the provider is known not to take.

    `values` is the request's body. Returns warnings: of fields that neither `spec.parameters` nor `known` has, those
    that look like a misspelt one, and what the spec says to warn of.

    Raises: InvalidRequest that says what the provider takes.
    """
    try:
        warnings = check_object(spec.parameters, values, known)
    except Misfit as misfit:
        raise InvalidRequest(f"{spec.label} takes {misfit}", provider=spec.name) from None
    return tuple(f"{spec.label} {words}" for words in warnings)


def check_limits(spec: ProviderSpec, messages: Iterable[Message]) -> None:
    """Refuse messages that hold more than the provider takes. Raises `InvalidRequest`."""
    most = spec.limits.images
    if most is None:
        return
    images = sum(isinstance(part, Image) for message in messages for part in message.parts)
    if images > most:
        noun = "image" if most == 1 else "images"
        raise InvalidRequest(f"{spec.label} takes at most {most} {noun} in a request, got {images}", provider=spec.name)


def near(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing when no known name is close."""
    matches = difflib.get_close_matches(name, sorted(known), n=3)
    return f"; did you mean {' or '.join(map(repr, matches))}?" if matches else ""


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_URL = re.compile(r"https?://[^/]+/.*")
_PLACEHOLDER = re.compile(r"{(\w+)}")
_NESTED: dict[str, Any] = {
    "auth": Auth, "paths": Paths, "timeouts": Timeouts, "retry": RetryPolicy, "limits": Limits,
    "embeddings": EmbeddingSpec, "live": LiveSpec,
}  # fmt: skip


def _refuse_unknown(given: Iterable[Any], known: Iterable[str], what: str, separator: str = " ") -> None:
    known = tuple(known)
    for name in given:
        if name not in known:
            shown = f".{name}" if separator == "." else f" {name!r}"
            raise ConfigurationError(f"{what}{shown} is not known{near(str(name), known)}")
