"""Who can be talked to: providers as data, the wires they speak, and how to add your own.

**A service that speaks a known wire** (``openai_chat``, ``anthropic_messages``) needs no Python. Write down what tells
it apart, and register the file, its text, or the same fields as a dict::

    # acme.yaml
    name: acme                                # before the slash of a model string: "acme/acme-large"
    label: Acme AI
    wire: openai_chat
    base_url: https://api.acme.example/v1
    base_url_env: [ACME_BASE_URL]             # environment variables; the first one set wins
    api_key_env: [ACME_API_KEY]
    paths: {models: /models, embeddings: /embeddings}  # chat is /chat/completions unless it says otherwise
    docs: https://docs.acme.example/api
    default_model: acme-large                 # what "acme" alone stands for
    aliases: [acme-ai]
    quirks: [max_tokens_field, no_developer_role]
    unsupported: [logit_bias, n]              # refused before any I/O
    parameters:
      reasoning_effort: [low, high]           # other values are refused before any I/O, for types, ranges, lists and
                                              # nested fields see `exllm.providers.parameters`
    limits: {images: 5}                       # in one request
    embeddings:                               # limits and formats, see `EmbeddingSpec`
      default_model: acme-embed
      max_inputs: 100
    headers: {X-Client: exllm}
    timeouts: {first_chunk: 300}              # seconds
    retry: {attempts: 2, base_s: 1.0}

::

    exllm.providers.register("acme.yaml")
    await exllm.chat("acme", "Hi")

The fields are those of `ProviderSpec`; what is misspelt is refused by name. Quirks are named flags of the wire:
``exllm.providers.openai_chat.QUIRKS`` tells what each means. The built-in specs in ``exllm/providers/specs`` are
examples of everything. A server without keys has ``auth: {required: false}``, one on your machine ``local: true``.

**A new wire** is one object with the functions of `exllm.providers.wire.Wire`, given to `register_wire`.
**A whole foreign backend** implements `Provider` and is registered like a spec; one that lists its models or embeds
texts implements `ListsModels` and `Embeds` as well.
"""

from exllm.providers.embedding_spec import EmbeddingSpec, ModelRules
from exllm.providers.provider import Embeds, ListsModels, Provider
from exllm.providers.registry import (
    ProviderInfo,
    configured,
    get,
    list_providers,
    parse_model,
    register,
    register_wire,
    unregister,
)
from exllm.providers.spec import Auth, Limits, Paths, ProviderSpec

__all__ = [
    "Auth",
    "EmbeddingSpec",
    "Embeds",
    "Limits",
    "ListsModels",
    "ModelRules",
    "Paths",
    "Provider",
    "ProviderInfo",
    "ProviderSpec",
    "configured",
    "get",
    "list_providers",
    "parse_model",
    "register",
    "register_wire",
    "unregister",
]
