"""Amazon Bedrock's model ids: short names, cross-region inference profiles, and whose model an id or ARN means.

The ids and profiles were put together from what the public catalogs (models.dev, LiteLLM) list; profiles of Claude 3.5
and Opus 4 in Europe are left out, since only one of these has them. Amazon's own pages, which change, are
https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html. What a region and an account
really have, `Client.list_models("bedrock")` asks.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

import msgspec


class Alias(msgspec.Struct, frozen=True):
    """What a short name stands for.

    Attributes:
        model: the id of the model itself.
        profiles: the geographies that have an inference profile of it; empty for a model that is called by its id.
    """

    model: str
    profiles: tuple[str, ...] = ()


_EVERYWHERE = ("us", "eu", "jp", "au", "global")

ALIASES: dict[str, Alias] = {
    "nova-micro": Alias("amazon.nova-micro-v1:0", ("us", "eu", "apac")),
    "nova-lite": Alias("amazon.nova-lite-v1:0", ("us", "eu", "apac")),
    "nova-pro": Alias("amazon.nova-pro-v1:0", ("us", "eu", "apac")),
    "nova-premier": Alias("amazon.nova-premier-v1:0", ("us",)),
    "nova-2-lite": Alias("amazon.nova-2-lite-v1:0", ("us", "eu", "jp", "global")),
    "titan-lite": Alias("amazon.titan-text-lite-v1"),
    "titan-express": Alias("amazon.titan-text-express-v1"),
    "claude-3-haiku": Alias("anthropic.claude-3-haiku-20240307-v1:0", ("us", "eu", "apac")),
    "claude-3-5-haiku": Alias("anthropic.claude-3-5-haiku-20241022-v1:0", ("us",)),
    "claude-3-5-sonnet": Alias("anthropic.claude-3-5-sonnet-20241022-v2:0", ("us", "apac")),
    "claude-3-7-sonnet": Alias("anthropic.claude-3-7-sonnet-20250219-v1:0", ("us", "eu", "apac")),
    "claude-sonnet-4": Alias("anthropic.claude-sonnet-4-20250514-v1:0", ("us", "eu", "apac", "global")),
    "claude-opus-4": Alias("anthropic.claude-opus-4-20250514-v1:0", ("us",)),
    "claude-opus-4-1": Alias("anthropic.claude-opus-4-1-20250805-v1:0", ("us",)),
    "claude-haiku-4-5": Alias("anthropic.claude-haiku-4-5-20251001-v1:0", _EVERYWHERE),
    "claude-sonnet-4-5": Alias("anthropic.claude-sonnet-4-5-20250929-v1:0", (*_EVERYWHERE, "us-gov")),
    "claude-opus-4-5": Alias("anthropic.claude-opus-4-5-20251101-v1:0", ("us", "eu", "global")),
    "llama-3.1-8b": Alias("meta.llama3-1-8b-instruct-v1:0", ("us",)),
    "llama-3.1-70b": Alias("meta.llama3-1-70b-instruct-v1:0", ("us",)),
    "llama-3.2-1b": Alias("meta.llama3-2-1b-instruct-v1:0", ("us", "eu")),
    "llama-3.2-3b": Alias("meta.llama3-2-3b-instruct-v1:0", ("us", "eu")),
    "llama-3.2-11b": Alias("meta.llama3-2-11b-instruct-v1:0", ("us",)),
    "llama-3.2-90b": Alias("meta.llama3-2-90b-instruct-v1:0", ("us",)),
    "llama-3.3-70b": Alias("meta.llama3-3-70b-instruct-v1:0", ("us",)),
    "llama-4-scout": Alias("meta.llama4-scout-17b-instruct-v1:0", ("us",)),
    "llama-4-maverick": Alias("meta.llama4-maverick-17b-instruct-v1:0", ("us",)),
    "mistral-7b": Alias("mistral.mistral-7b-instruct-v0:2"),
    "mixtral-8x7b": Alias("mistral.mixtral-8x7b-instruct-v0:1"),
    "mistral-large": Alias("mistral.mistral-large-2402-v1:0"),
    "mistral-small": Alias("mistral.mistral-small-2402-v1:0"),
    "pixtral-large": Alias("mistral.pixtral-large-2502-v1:0", ("us", "eu")),
    "command-r": Alias("cohere.command-r-v1:0"),
    "command-r-plus": Alias("cohere.command-r-plus-v1:0"),
    "jamba-1.5-large": Alias("ai21.jamba-1-5-large-v1:0"),
    "jamba-1.5-mini": Alias("ai21.jamba-1-5-mini-v1:0"),
    "deepseek-r1": Alias("deepseek.r1-v1:0", ("us",)),
    "palmyra-x4": Alias("writer.palmyra-x4-v1:0", ("us",)),
    "palmyra-x5": Alias("writer.palmyra-x5-v1:0", ("us",)),
    "gpt-oss-20b": Alias("openai.gpt-oss-20b-1:0"),
    "gpt-oss-120b": Alias("openai.gpt-oss-120b-1:0"),
}

NOVAS = frozenset({"nova", "nova-2"})
"""The families of Amazon's own that `family_of` knows as these."""

_VENDORS = frozenset({"ai21", "anthropic", "cohere", "deepseek", "meta", "mistral", "openai", "writer"})
_AMAZON = re.compile(r"(nova-2|nova|titan-text|titan-tg1)")

# The first geography that has a profile is taken; the longest start of a region's name counts.
_GEOGRAPHIES: dict[str, tuple[str, ...]] = {
    "us-gov-": ("us-gov",),
    "us-": ("us", "global"),
    "eu-": ("eu", "global"),
    "ap-northeast-1": ("jp", "apac", "global"),
    "ap-northeast-3": ("jp", "apac", "global"),
    "ap-southeast-2": ("au", "apac", "global"),
    "ap-southeast-4": ("au", "apac", "global"),
    "ap-": ("apac", "global"),
    "": ("global",),
}
_HOME = "us-east-1"
_REGION = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")


def resolve(model: str, base_url: str) -> str:
    """The id to call `model` by: that of an alias, as the inference profile for the region where it needs one.

    The region is read from `base_url`; where that names none, an alias means the profile of the United States.
    """
    alias = ALIASES.get(model)
    if alias is None:
        return model
    found = _REGION.search(base_url)
    region = found.group(1) if found else _HOME
    start = max((start for start in _GEOGRAPHIES if region.startswith(start)), key=len)
    for geography in _GEOGRAPHIES[start]:
        if geography in alias.profiles:
            return f"{geography}.{alias.model}"
    return alias.model


def answering_model(model: str, base_url: str) -> str | None:
    """The id behind a short name; None for what is an id already."""
    resolved = resolve(model, base_url)
    return resolved if resolved != model else None


@functools.lru_cache(maxsize=256)
def family_of(model: str) -> str | None:
    """Whose model this is: a vendor's name; ``nova-2``, ``nova`` or ``titan`` for Amazon's own; None where not told.

    ARNs of application inference profiles, provisioned throughput and imported models do not tell.
    """
    name = model
    if model.startswith("arn:"):
        resource = model.split(":", 5)[-1]
        name = resource.partition("/")[2]
    parts = name.split(".")
    for at, vendor in enumerate(parts[:2]):  # a profile's geography may stand before it
        if vendor in _VENDORS and len(parts) > at + 1:
            return vendor
        if vendor == "amazon":
            found = _AMAZON.match(".".join(parts[at + 1 :]))
            return {"titan-text": "titan", "titan-tg1": "titan"}.get(found[1], found[1]) if found else None
    return None


def path_of(template: str, model: str) -> str:
    """`template` with the model's id for ``{model}``, percent-encoded as Amazon's SDKs do, slashes of ARNs included."""
    return template.replace("{model}", quote(model, safe=""))
