"""Who can be talked to: providers as data, the wires they speak, and how to add your own.

::

    exllm.providers.register({
        "name": "acme",
        "wire": "openai_chat",
        "base_url": "https://api.acme.example/v1",
        "api_key_env": ["ACME_API_KEY"],
        "default_model": "acme-large",
    })
    await exllm.chat("acme", "Hi")
"""

from exllm.providers.provider import Provider
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
from exllm.providers.spec import Auth, Paths, ProviderSpec

__all__ = [
    "Auth",
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
