"""What can be set when a local model is loaded and when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from exllm.config import ConfigSource, lookup
from exllm.errors import ConfigurationError, InvalidRequest
from exllm.providers.spec import near
from exllm.types.options import Options

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
PoolingType = Literal["mean", "cls", "last"]
T = TypeVar("T")
DEFAULT_EMBEDDING_TOKENS = 2048  # a text is evaluated in one step, whose memory grows with the square of its length
DEFAULT_CONTEXT_TOKENS = 8192  # of a model that was trained with more; the cache of 128k would take many gigabytes


class LoadOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a model is loaded; None leaves it to llama.cpp unless said otherwise. The names are llama-cpp-python's.

    Attributes:
        n_ctx: context window in tokens; by default what the model was trained with, at most 8192.
        n_batch: most prompt tokens evaluated in one step (512).
        n_threads, n_threads_batch: CPU threads for the answer and for the prompt (half of the CPUs, all of them).
        n_gpu_layers: layers to put on the GPU; -1, the default, is all. Without a GPU it has no effect.
        main_gpu, tensor_split: which GPU, or the share of each.
        offload_kqv: keep the attention cache on the GPU (True).
        flash_attn: flash attention; by default where a GPU has it.
        use_mmap, use_mlock: map the file into memory (True), keep it from being swapped out (False).
        type_k, type_v: number format of the attention cache (``"f16"``).
        rope_freq_base, rope_freq_scale: stretch the context beyond the training length.
        use_extra_bufts: rearrange the weights for this CPU's own instructions (True, but False where the CPU says that
            it has AMX: on some virtual machines that crashes the process).
        embedding: load the model to embed texts, and not to chat (False); `Client.embed` sees to it.
        pooling_type: how the vectors of a text's tokens become one: their ``"mean"``, that of the first (``"cls"``) or
            of the ``"last"``; by default what the model was trained with, ``"mean"`` where it does not say.
    """

    n_ctx: int | None = None
    n_batch: int | None = None
    n_threads: int | None = None
    n_threads_batch: int | None = None
    n_gpu_layers: int | None = None
    main_gpu: int | None = None
    tensor_split: tuple[float, ...] | None = None
    offload_kqv: bool | None = None
    flash_attn: bool | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    type_k: CacheType | None = None
    type_v: CacheType | None = None
    rope_freq_base: float | None = None
    rope_freq_scale: float | None = None
    use_extra_bufts: bool | None = None
    embedding: bool | None = None
    pooling_type: PoolingType | None = None

    def given(self) -> dict[str, Any]:
        """The options that were set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def over(self, base: LoadOptions) -> LoadOptions:
        """These options where set, those of `base` elsewhere."""
        return LoadOptions(**{**base.given(), **self.given()})

    def satisfied_by(self, other: LoadOptions) -> bool:
        """Whether a model loaded with `other` has all that is asked for here."""
        return bool(self.embedding) == bool(other.embedding) and all(
            getattr(other, name) == value for name, value in self.given().items()
        )


class CallExtras(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of ``extra={...}`` that speak of one call.

    Attributes:
        chat_template: Jinja text used in place of the file's.
        chat_format: one of llama-cpp-python's named formats, such as ``"chatml"``, in place of the file's template.
        grammar: GBNF text that the answer must follow; its root rule is ``root``.
        typical_p, repeat_penalty, repeat_last_n: samplers that other providers do not have.
    """

    chat_template: str | None = None
    chat_format: str | None = None
    grammar: str | None = None
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64


class EmbeddingExtras(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of ``extra={...}`` that speak of one call of `Client.embed`.

    Attributes:
        normalize: scale each vector to the length 1, as most providers do (True).
    """

    normalize: bool = True


class Sampling(msgspec.Struct, frozen=True):
    """How the next token is chosen. The defaults are llama.cpp's; `temperature` 0 takes the likeliest token.

    `grammar` is GBNF text, `logit_bias` goes by token number.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: dict[int, float] = {}
    seed: int | None = None
    grammar: str | None = None


def load_options(values: Mapping[str, Any]) -> LoadOptions:
    """Check keyword arguments of `load`. Raises InvalidRequest, with the nearest name for an unknown one."""
    return _convert(values, LoadOptions, LoadOptions.__struct_fields__)


def configured_options(source: ConfigSource) -> LoadOptions:
    """The options that the config sets for every model: keys of ``local``, or variables like EXLLM_LOCAL_N_CTX.

    Raises: ConfigurationError for a value that an option cannot take.
    """
    values: dict[str, Any] = {}
    for name in LoadOptions.__struct_fields__:
        if name == "embedding":  # what a model is loaded for is not for all of them
            continue
        text = lookup(source, "local", name, (f"EXLLM_LOCAL_{name.upper()}",))
        if text is not None:
            values[name] = text.split(",") if name == "tensor_split" else text
    try:
        return msgspec.convert(values, LoadOptions, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"a setting of local models is wrong: {error}", provider="local") from None


def split_extra(extra: Mapping[str, Any]) -> tuple[LoadOptions, CallExtras]:
    """The two halves of a chat's ``extra={...}``. Raises InvalidRequest for what is neither."""
    return _split(extra, CallExtras)


def split_embedding_extra(extra: Mapping[str, Any]) -> tuple[LoadOptions, EmbeddingExtras]:
    """The same for a call that embeds."""
    loading, calling = _split(extra, EmbeddingExtras)
    return msgspec.structs.replace(loading, embedding=True), calling


def _split(extra: Mapping[str, Any], kind: type[T]) -> tuple[LoadOptions, T]:
    loaded_with = tuple(name for name in LoadOptions.__struct_fields__ if name != "embedding")
    loading = {name: value for name, value in extra.items() if name in loaded_with}
    calling = {name: value for name, value in extra.items() if name not in loading}
    known = (*loaded_with, *(field.name for field in msgspec.structs.fields(kind)))  # type: ignore[arg-type]
    return _convert(loading, LoadOptions, known), _convert(calling, kind, known)


def sampling(options: Options, extras: CallExtras, grammar: str | None) -> Sampling:
    """The sampling that a call asks for. Raises InvalidRequest for a `logit_bias` that is not by token number."""
    wanted: dict[str, Any] = {
        name: value
        for name in ("temperature", "top_k", "top_p", "min_p", "frequency_penalty", "presence_penalty", "seed")
        if (value := getattr(options, name)) is not None
    }
    if options.logit_bias:
        try:
            wanted["logit_bias"] = {int(token): float(bias) for token, bias in options.logit_bias.items()}
        except ValueError:
            raise InvalidRequest("logit_bias goes by token number for a local model", provider="local") from None
    return Sampling(
        typical_p=extras.typical_p,
        repeat_penalty=extras.repeat_penalty,
        repeat_last_n=extras.repeat_last_n,
        grammar=grammar,
        **wanted,
    )


def _convert(values: Mapping[str, Any], kind: type[T], known: tuple[str, ...]) -> T:
    for name in values:
        if name not in known:
            raise InvalidRequest(
                f"a local model has no setting {name!r}{near(name, known)}; there are {', '.join(known)}",
                provider="local",
            )
    try:
        return msgspec.convert(dict(values), kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"a setting of the local model is wrong: {error}", provider="local") from None
