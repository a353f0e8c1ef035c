from __future__ import annotations

import pytest

from exllm.config import Env, Static
from exllm.errors import ConfigurationError, InvalidRequest
from exllm.local.settings import (
    CallExtras,
    LoadOptions,
    Sampling,
    configured_options,
    load_options,
    sampling,
    split_extra,
)
from exllm.types.options import Options


def test_extra_is_split_into_what_loads_and_what_calls() -> None:
    assert split_extra({"n_ctx": 512, "repeat_penalty": 1.1}) == (
        LoadOptions(n_ctx=512),
        CallExtras(repeat_penalty=1.1),
    )


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidRequest, match="did you mean 'n_gpu_layers'"):
        split_extra({"n_gpu_layer": 1})
    with pytest.raises(InvalidRequest, match="'repeat_penalty'"):
        load_options({"repeat_penalty": 1.1})


def test_a_setting_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="n_ctx"):
        load_options({"n_ctx": "many"})


def test_the_config_sets_options_for_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Static({"local": {"n_ctx": "512", "flash_attn": "false", "tensor_split": "0.25,0.75", "type_k": "q8_0"}})
    expected = LoadOptions(n_ctx=512, flash_attn=False, tensor_split=(0.25, 0.75), type_k="q8_0")
    assert configured_options(source) == expected
    monkeypatch.setenv("EXLLM_LOCAL_N_GPU_LAYERS", "12")
    assert configured_options(Env()) == LoadOptions(n_gpu_layers=12)
    assert LoadOptions(n_ctx=1024).over(expected) == LoadOptions(
        n_ctx=1024, flash_attn=False, tensor_split=(0.25, 0.75), type_k="q8_0"
    )


def test_a_wrong_option_in_the_config_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="n_ctx"):
        configured_options(Static({"local": {"n_ctx": "large"}}))


def test_a_loaded_model_serves_whoever_asks_for_no_more_than_it_has() -> None:
    loaded = LoadOptions(n_ctx=2048, flash_attn=True)
    assert LoadOptions().satisfied_by(loaded)
    assert LoadOptions(n_ctx=2048).satisfied_by(loaded)
    assert not LoadOptions(n_ctx=4096).satisfied_by(loaded)
    assert not LoadOptions(n_threads=2).satisfied_by(loaded)


def test_sampling_takes_what_was_asked_and_llama_cpps_defaults_else() -> None:
    made = sampling(
        Options(temperature=0.0, top_k=5, logit_bias={"17": -2.0}), CallExtras(typical_p=0.9), "root ::= [a]"
    )
    assert made == Sampling(
        temperature=0.0, top_k=5, typical_p=0.9, logit_bias={17: -2.0}, grammar="root ::= [a]", top_p=0.95, min_p=0.05
    )


def test_a_bias_for_something_else_than_a_token_number_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="token number"):
        sampling(Options(logit_bias={"hello": 1.0}), CallExtras(), None)
