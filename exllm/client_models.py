"""What a client tells of providers and their models, and what it asks them beside chats."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from exllm.access import Access
from exllm.budgeted_backend import charged
from exllm.call import Timeout, prepare
from exllm.client_core import ClientCore, is_local, unused
from exllm.config import lookup
from exllm.cost.running import RunningCost
from exllm.cost.text_tokens import tokens_of_text
from exllm.embedding_call import embed_by, embed_over_http, prepare_embedding
from exllm.errors import ConfigurationError, ExLLMError
from exllm.model_lists import DEFAULT_KINDS, catalog_models, of_kinds, with_catalog
from exllm.policies.budget import BudgetArgument, budgets_of
from exllm.providers import registry
from exllm.providers.provider import ListsModels
from exllm.providers.spec import ProviderSpec
from exllm.token_call import asks_provider, count_anyhow
from exllm.transport.http import USER_AGENT, HttpCall
from exllm.transport.model_list import fetch_models
from exllm.types.embedding import EmbeddingResponse
from exllm.types.model import ModelEntry
from exllm.types.normalise import Messages
from exllm.types.options import DEFAULT_TIMEOUTS, OptionArguments
from exllm.types.token_count import TokenCount

if TYPE_CHECKING:
    pass


class ModelMethods(ClientCore):
    """Embeddings, token counts, model lists, and what is configured."""

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
            if ignored := unused(request.provider, api_key, base_url):
                call = msgspec.structs.replace(call, warnings=(*call.warnings, *ignored))
            answer = embed_by(call)
        if not budgets:
            return await answer
        running = RunningCost(
            request.provider,
            request.model,
            tokens_of_text(sum(map(len, request.inputs))),
            local=is_local(call.backend),
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
            more = way.base_url + spec.paths.more_models if spec.paths.more_models else None
            told = await fetch_models(
                self._transport, call, more, spec, registry.wire(spec.wire), self._settings.retry or spec.retry
            )
            entries = with_catalog(told, spec.name)
            self._model_lists.put(spec.name, call, entries)
        return entries
