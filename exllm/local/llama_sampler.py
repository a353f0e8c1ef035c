"""How llama.cpp chooses the next token: a chain of its samplers, and a grammar beside it."""

from __future__ import annotations

import ctypes
import random
from typing import Any

from exllm.errors import InvalidRequest, ServerError
from exllm.local.llama_library import llama_library
from exllm.local.settings import Sampling


class LlamaSampler:
    """Chooses tokens for one answer.

    A grammar is asked about the chosen token alone, and about the whole vocabulary only when it refuses that one: the
    distribution is the same, and asking about all tokens is slow. llama.cpp ends the process when it has to accept a
    token that its grammar does not allow, so that never happens here.

    Raises: InvalidRequest for a grammar that cannot be parsed, or a bias for a token that the model does not have.
    """

    def __init__(self, context: Any, vocabulary: Any, vocabulary_tokens: int, sampling: Sampling) -> None:
        self._llama = llama_library()
        self._context = context
        self._vocabulary = vocabulary
        self._vocabulary_tokens = vocabulary_tokens
        self._grammar: Any = None
        self._chain: Any = self._make_chain(sampling)
        if sampling.grammar is not None:
            self._grammar = self._llama.llama_sampler_init_grammar(vocabulary, sampling.grammar.encode(), b"root")
            if not self._grammar:
                self.close()
                raise InvalidRequest("llama.cpp cannot read the grammar; its reason is on stderr", provider="local")
            self._candidates = _Candidates(vocabulary_tokens)

    def _make_chain(self, sampling: Sampling) -> Any:
        llama = self._llama
        beyond = [token for token in sampling.logit_bias if not 0 <= token < self._vocabulary_tokens]
        if beyond:
            raise InvalidRequest(
                f"logit_bias names token {beyond[0]}, but the model's tokens end at {self._vocabulary_tokens - 1}",
                provider="local",
            )
        chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())

        def add(sampler: Any) -> None:
            llama.llama_sampler_chain_add(chain, sampler)

        if sampling.logit_bias:
            biases = (llama.llama_logit_bias * len(sampling.logit_bias))(*sampling.logit_bias.items())
            add(llama.llama_sampler_init_logit_bias(self._vocabulary_tokens, len(biases), biases))
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        if penalties != (1.0, 0.0, 0.0):
            add(llama.llama_sampler_init_penalties(self._vocabulary_tokens, sampling.repeat_last_n, *penalties))
        if sampling.temperature == 0:
            add(llama.llama_sampler_init_greedy())
            return chain
        add(llama.llama_sampler_init_top_k(sampling.top_k))
        if sampling.typical_p < 1:
            add(llama.llama_sampler_init_typical(sampling.typical_p, 1))
        add(llama.llama_sampler_init_top_p(sampling.top_p, 1))
        add(llama.llama_sampler_init_min_p(sampling.min_p, 1))
        add(llama.llama_sampler_init_temp(sampling.temperature))
        seed = random.getrandbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
        add(llama.llama_sampler_init_dist(seed))
        return chain

    def sample(self) -> int:
        """The next token, after the last one evaluated. Raises ServerError when the grammar allows none."""
        llama = self._llama
        if self._grammar is None:
            return int(llama.llama_sampler_sample(self._chain, self._context, -1))
        candidates = self._candidates
        logits = _as_array(llama.llama_get_logits_ith(self._context, -1), self._vocabulary_tokens)
        candidates.fill(logits)
        llama.llama_sampler_apply(self._chain, candidates.pointer)
        token = candidates.chosen()
        candidates.fill_one(token)
        llama.llama_sampler_apply(self._grammar, candidates.pointer)
        if not candidates.any_allowed():
            candidates.fill(logits)
            llama.llama_sampler_apply(self._grammar, candidates.pointer)
            if not candidates.any_allowed():
                raise ServerError(
                    "the model's vocabulary has no token that the grammar allows here",
                    provider="local",
                    retryable=False,
                )
            llama.llama_sampler_apply(self._chain, candidates.pointer)
            token = candidates.chosen()
        llama.llama_sampler_accept(self._chain, token)
        if not llama.llama_vocab_is_eog(self._vocabulary, token):
            llama.llama_sampler_accept(self._grammar, token)
        return token

    def close(self) -> None:
        """Free the memory. Idempotent."""
        for name in ("_chain", "_grammar"):
            if getattr(self, name, None):
                self._llama.llama_sampler_free(getattr(self, name))
                setattr(self, name, None)


class _Candidates:
    """llama.cpp's array of tokens to choose from."""

    def __init__(self, vocabulary_tokens: int) -> None:
        import numpy

        llama = llama_library()
        kind = numpy.dtype([("id", numpy.int32), ("logit", numpy.float32), ("p", numpy.float32)])
        self._all: Any = numpy.zeros(vocabulary_tokens, kind)
        self._ids: Any = numpy.arange(vocabulary_tokens, dtype=numpy.int32)
        self._finite = numpy.isfinite
        self._array = llama.llama_token_data_array()
        self._data = self._all.ctypes.data_as(llama.llama_token_data_p)
        self.pointer = ctypes.byref(self._array)

    def fill(self, logits: Any) -> None:
        self._all["id"] = self._ids
        self._all["logit"] = logits
        self._reset(len(self._all))

    def fill_one(self, token: int) -> None:
        self._all[0] = (token, 1.0, 0.0)
        self._reset(1)

    def _reset(self, size: int) -> None:
        self._array.data, self._array.size, self._array.selected, self._array.sorted = self._data, size, -1, False

    def chosen(self) -> int:
        return int(self._array.data[self._array.selected].id)

    def any_allowed(self) -> bool:
        return bool(self._finite(self._all["logit"][: self._array.size]).any())


def _as_array(logits: Any, count: int) -> Any:
    import numpy

    return numpy.ctypeslib.as_array(logits, shape=(count,))


def likeliest(logits: Any, count: int, token: int, most: int) -> tuple[float, list[tuple[int, float]]]:
    """Log probability of `token`, and the `most` likeliest tokens with theirs, from the `count` raw logits."""
    import numpy

    values = _as_array(logits, count).astype(numpy.float64)
    values -= values.max()
    values -= numpy.log(numpy.exp(values).sum())
    if not most:
        return float(values[token]), []
    best = numpy.argpartition(-values, min(most, count) - 1)[:most]
    ranked = best[numpy.argsort(-values[best], kind="stable")]
    return float(values[token]), [(int(index), float(values[index])) for index in ranked]
