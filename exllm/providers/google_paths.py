"""Where the Gemini API and Vertex AI keep their models: the last part of the path, before the method.

Sources: https://ai.google.dev/api/all-methods, https://docs.cloud.google.com/vertex-ai/docs/reference/rest
"""

from __future__ import annotations

from urllib.parse import quote

from exllm.errors import InvalidRequest
from exllm.providers.spec import ProviderSpec

_IN_FULL = ("models/", "tunedModels/", "publishers/", "endpoints/")


def model_path(model: str, spec: ProviderSpec) -> str:
    """The path of `model` below the base URL. `spec.paths.chat` is where the provider's models are.

    Tuned models, endpoints and other publishers' models may be given by their resource name.
    Raises: InvalidRequest for what cannot stand in a path.
    """
    if ".." in model or "//" in model or not set(model).isdisjoint("?#&% \\"):
        raise InvalidRequest(f"{model!r} is no name of a model of {spec.label}", provider=spec.name)
    if model.startswith("projects/"):
        raise InvalidRequest(
            f"{model!r}: project and location are settings of {spec.label}; write what follows them, 'endpoints/...' "
            f"or 'publishers/...'",
            provider=spec.name,
        )
    home = spec.paths.chat
    name = quote(model, safe="/:@._-~")
    if model.startswith(_IN_FULL):
        above = home.removesuffix("/models").partition("/publishers/")[0]
        return f"{above}/{name}"
    if "/" in model and "/publishers/" in home:
        publisher, _, name = name.partition("/")
        return f"{home.partition('/publishers/')[0]}/publishers/{publisher}/models/{name}"
    return f"{home}/{name}"
