"""A model in memory, by the low-level interface of llama-cpp-python.

The high-level `Llama` class is not used: it silences a loading model by pointing the process's stdout and stderr to
/dev/null, which loses what other threads print, and it decodes the whole answer again for every token.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exllm.errors import InvalidRequest, ServerError
from exllm.local.engine import Aborted
from exllm.local.llama_library import AbortFlag, llama_errors, llama_library
from exllm.local.llama_sampler import LlamaSampler, likeliest
from exllm.local.prompt import ChatFormat, chat_format
from exllm.local.settings import DEFAULT_CONTEXT_TOKENS, LoadOptions, Sampling

_ABORTED = 2  # what llama_decode returns
_NO_ROOM = 1
_ALL_LAYERS = 0x7FFFFFFF
_CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "bf16": 30}  # enum ggml_type
_DEFAULT_BATCH_TOKENS = 512


class LlamaEngine:
    """An `Engine`. Loading blocks, and stops with `Aborted` when `should_stop` says so.

    Args:
        vocabulary_only: only count tokens; loads in no time, and cannot answer.

    Raises: InvalidRequest when llama.cpp cannot load the file; MissingExtra.
    """

    def __init__(
        self,
        path: Path,
        options: LoadOptions,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        vocabulary_only: bool = False,
    ) -> None:
        self._llama = llama = llama_library()
        self._context: Any = None
        self._sampler: LlamaSampler | None = None
        self._flag = AbortFlag()
        self._formats: dict[tuple[str | None, str | None], ChatFormat] = {}  # a template takes a while to compile
        self._evaluated: list[int] = []  # what the attention cache holds
        self._pending: int | None = None  # chosen, and not evaluated yet
        self._memory: Any = None
        self._batch_tokens = _DEFAULT_BATCH_TOKENS
        self._model = self._load_model(path, options, should_stop, vocabulary_only)
        self._vocabulary = llama.llama_model_get_vocab(self._model)
        self._vocabulary_tokens: int = llama.llama_vocab_n_tokens(self._vocabulary)
        self.context_tokens = 0
        if not vocabulary_only:
            self._make_context(path, options)

    def _load_model(
        self, path: Path, options: LoadOptions, should_stop: Callable[[], bool], vocabulary_only: bool
    ) -> ctypes.c_void_p:
        llama = self._llama
        settings = llama.llama_model_default_params()
        settings.vocab_only = vocabulary_only
        wanted = options.use_extra_bufts
        # llama.cpp's AMX code crashes on virtual machines that promise AMX and do not keep it; llama-cpp-python does as
        # well. What it gains is no reason to risk the process unasked.
        settings.use_extra_bufts = b"AMX" not in llama.llama_print_system_info() if wanted is None else wanted
        settings.n_gpu_layers = _ALL_LAYERS if options.n_gpu_layers in (None, -1) else options.n_gpu_layers
        if options.main_gpu is not None:
            settings.main_gpu = options.main_gpu
        if options.tensor_split is not None:
            shares = (ctypes.c_float * llama.llama_max_devices())(*options.tensor_split)
            settings.tensor_split = shares
        settings.load_mode = {
            (True, False): llama.LLAMA_LOAD_MODE_MMAP,
            (True, True): llama.LLAMA_LOAD_MODE_MMAP_MLOCK,
            (False, True): llama.LLAMA_LOAD_MODE_MLOCK,
            (False, False): llama.LLAMA_LOAD_MODE_NONE,
        }[options.use_mmap is not False, options.use_mlock is True]
        goes_on = llama.llama_progress_callback(lambda _share, _data: not should_stop())
        settings.progress_callback = goes_on
        with llama_errors() as errors:
            model: ctypes.c_void_p | None = llama.llama_model_load_from_file(os.fsencode(path), settings)
        if model is None:
            if should_stop():
                raise Aborted
            raise InvalidRequest(f"llama.cpp cannot load {path}: {_last(errors)}", provider="local")
        return model

    def _make_context(self, path: Path, options: LoadOptions) -> None:
        llama = self._llama
        if llama.llama_model_has_encoder(self._model) or not llama.llama_model_has_decoder(self._model):
            self.close()
            raise InvalidRequest(f"{path} is a model that does not continue text, so it cannot chat", provider="local")
        self._context = self._new_context(path, self._context_settings(options, DEFAULT_CONTEXT_TOKENS))
        self._memory = llama.llama_get_memory(self._context)
        if self._memory is None:
            self.close()
            raise InvalidRequest(f"{path} is an embedding model, so it cannot chat", provider="local")

    def _context_settings(self, options: LoadOptions, most_tokens: int) -> Any:
        """The parameters of a context; `most_tokens` is its size for models that were trained with more."""
        llama = self._llama
        settings = llama.llama_context_default_params()
        trained_with = llama.llama_model_n_ctx_train(self._model)
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        settings.n_ctx = options.n_ctx or min(trained_with, most_tokens)
        settings.n_batch = min(options.n_batch or _DEFAULT_BATCH_TOKENS, settings.n_ctx)
        settings.n_ubatch = min(settings.n_ubatch, settings.n_batch)
        settings.n_threads = options.n_threads or max(1, cpus // 2)
        settings.n_threads_batch = options.n_threads_batch or cpus
        # On the CPU it makes prompts quicker and answers slower; and llama-cpp-python, without it, has other sums.
        flash = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if options.flash_attn else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if options.flash_attn is not None or not llama.llama_supports_gpu_offload():
            settings.flash_attn_type = flash
        for name in ("type_k", "type_v"):
            if (chosen := getattr(options, name)) is not None:
                setattr(settings, name, _CACHE_TYPES[chosen])
        for name in ("offload_kqv", "rope_freq_base", "rope_freq_scale"):
            if (chosen := getattr(options, name)) is not None:
                setattr(settings, name, chosen)
        settings.no_perf = True
        settings.abort_callback = self._flag.callback
        settings.abort_callback_data = self._flag.address
        return settings

    def _new_context(self, path: Path, settings: Any) -> Any:
        """A context; `context_tokens` tells its size. Raises InvalidRequest."""
        llama = self._llama
        with llama_errors() as errors:
            context = llama.llama_init_from_model(self._model, settings)
        if context is None:
            self.close()
            raise InvalidRequest(
                f"llama.cpp cannot make a context of {settings.n_ctx} tokens for {path}; try a smaller n_ctx. "
                f"It says: {_last(errors)}",
                provider="local",
            )
        self.context_tokens = llama.llama_n_ctx(context)
        self._batch_tokens = settings.n_batch
        return context

    # -- tokens

    def tokenize(self, text: str, *, add_bos: bool = False, special: bool = False) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8  # no token is shorter than a byte, but for the few added ones
        while True:
            tokens = (self._llama.llama_token * room)()
            count: int = self._llama.llama_tokenize(self._vocabulary, data, len(data), tokens, room, add_bos, special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def chat_format(self, template: str | None, name: str | None) -> ChatFormat:
        wanted = (template, name)
        if wanted not in self._formats:
            llama = self._llama
            self._formats[wanted] = chat_format(
                template or self._metadata("tokenizer.chat_template"),
                self._token_text(llama.llama_vocab_bos(self._vocabulary)),
                self._token_text(llama.llama_vocab_eos(self._vocabulary)),
                name=name,
            )
        return self._formats[wanted]

    def is_end(self, token: int) -> bool:
        return bool(self._llama.llama_vocab_is_eog(self._vocabulary, token))

    def piece(self, token: int, *, special: bool = False) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._llama.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def _token_text(self, token: int) -> str:
        return (
            self._llama.llama_vocab_get_text(self._vocabulary, token).decode("utf-8", "replace") if token >= 0 else ""
        )

    def _metadata(self, key: str) -> str | None:
        size = 4096
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._llama.llama_model_meta_val_str(self._model, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1

    # -- answers

    def begin(self, prompt: Sequence[int], sampling: Sampling) -> int:
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
        self._pending = None
        self._sampler = LlamaSampler(self._context, self._vocabulary, self._vocabulary_tokens, sampling)
        kept = self._keep_common(prompt)
        self._evaluate(prompt[kept:])
        return kept

    def next_token(self) -> int:
        assert self._sampler is not None, "begin() comes first"
        if self._pending is not None:
            self._evaluate((self._pending,))
        elif self._flag:
            raise Aborted
        self._pending = self._sampler.sample()
        return self._pending

    def log_probabilities(self, token: int, most: int) -> tuple[float, list[tuple[int, float]]]:
        return likeliest(self._llama.llama_get_logits_ith(self._context, -1), self._vocabulary_tokens, token, most)

    def _keep_common(self, prompt: Sequence[int]) -> int:
        """Forget all but the beginning that `prompt` shares with what was evaluated before; return its length."""
        shared = 0
        for old, new in zip(self._evaluated, prompt, strict=False):
            if old != new:
                break
            shared += 1
        shared = min(shared, len(prompt) - 1)  # the last token is evaluated in any case, for what follows it
        if shared == 0 or not self._llama.llama_memory_seq_rm(self._memory, 0, shared, -1):
            # Recurrent models cannot forget a part.
            self._llama.llama_memory_clear(self._memory, True)
            shared = 0
        del self._evaluated[shared:]
        return shared

    def _evaluate(self, tokens: Sequence[int]) -> None:
        llama = self._llama
        for start in range(0, len(tokens), self._batch_tokens):
            if self._flag:
                raise Aborted
            part = tokens[start : start + self._batch_tokens]
            array = (llama.llama_token * len(part))(*part)  # the batch only points at it
            with llama_errors() as errors:
                code = llama.llama_decode(self._context, llama.llama_batch_get_one(array, len(part)))
            if code == _ABORTED:
                raise Aborted
            if code == _NO_ROOM:
                raise ServerError("the context is full", provider="local", retryable=False)
            if code != 0:
                raise ServerError(f"llama.cpp failed to evaluate: {_last(errors)} ({code})", provider="local")
            self._evaluated += part

    # -- the end

    def abort(self) -> None:
        self._flag.set()

    def clear_abort(self) -> None:
        self._flag.clear()

    def close(self) -> None:
        with llama_errors():
            if self._sampler is not None:
                self._sampler.close()
                self._sampler = None
            if self._context is not None:
                self._llama.llama_free(self._context)
                self._context = None
            if self._model is not None:
                self._llama.llama_model_free(self._model)
                self._model = None  # type: ignore[assignment]


def _last(errors: Sequence[str]) -> str:
    return errors[-1] if errors else "it gives no reason"
