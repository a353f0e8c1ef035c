"""Config sources: what they find, and what they never show."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from exllm.config import Chain, ConfigSource, Env, File, Static, lookup
from exllm.errors import ConfigurationError

SECRET = "sk-do-not-show-0123456789"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI", "GROQ", "AZURE", "GOOGLE", "GEMINI")):
            monkeypatch.delenv(name)


def test_env_reads_the_generic_variable_at_every_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Env()
    assert source.get("groq", "api_key") is None
    monkeypatch.setenv("GROQ_API_KEY", "one")
    assert source.get("groq", "api_key") == "one"
    monkeypatch.setenv("GROQ_API_KEY", "two")
    assert source.get("groq", "api_key") == "two"


def test_env_turns_dashes_and_dots_of_names_into_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_OPENAI_API_KEY", "x")
    assert Env().get("gemini-openai", "api_key") == "x"
    monkeypatch.setenv("OPENROUTER_HTTP_REFERER", "y")
    assert Env().get("openrouter", "http-referer") == "y"


def test_lookup_prefers_the_variables_of_the_spec_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "second")
    monkeypatch.setenv("GEMINI_OPENAI_API_KEY", "generic")
    variables = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    assert lookup(Env(), "gemini-openai", "api_key", variables) == "second"
    monkeypatch.setenv("GEMINI_API_KEY", "first")
    assert lookup(Env(), "gemini-openai", "api_key", variables) == "first"
    assert lookup(Env(), "gemini-openai", "api_key") == "generic"


def test_empty_and_blank_values_are_unknown_and_white_space_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("GROQ_API_KEY", "  ")
    assert lookup(Env(), "openai", "api_key", ("GROQ_API_KEY",)) is None
    assert lookup(Static({"openai": {"api_key": f" {SECRET}\n"}}), "openai", "api_key") == SECRET


def test_static_knows_what_it_was_given_and_nothing_else() -> None:
    source = Static({"openai": {"api_key": SECRET, "base_url": None}})
    assert source.get("openai", "api_key") == SECRET
    assert source.get("openai", "base_url") is None
    assert source.get("groq", "api_key") is None


def test_static_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "from the environment")
    assert lookup(Static({}), "groq", "api_key", ("GROQ_API_KEY",)) is None


def test_static_keeps_its_own_copy() -> None:
    values = {"openai": {"api_key": "one"}}
    source = Static(values)
    values["openai"]["api_key"] = "two"
    assert source.get("openai", "api_key") == "one"


@pytest.mark.parametrize(
    "wrong", [{"openai": SECRET}, {"openai": {"api_key": SECRET.encode()}}, [SECRET], {1: {"a": SECRET}}]
)
def test_static_of_a_wrong_form_is_refused_without_showing_the_value(wrong: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Static(wrong)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_file_is_read_at_the_first_lookup_and_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    source = File(path)
    path.write_text(f"openai:\n  api_key: {SECRET}\nazure:\n  api_version: 2024-10-21\n  port: 0123\n  none:\n")
    assert lookup(source, "openai", "api_key") == SECRET
    path.unlink()
    assert source.get("azure", "api_version") == "2024-10-21"
    assert source.get("azure", "port") == "0123"
    assert lookup(source, "azure", "none") is None


def test_an_empty_file_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text("# nothing yet\n")
    assert File(str(tmp_path / "keys.yaml")).get("openai", "api_key") is None


def test_a_missing_file_is_a_configuration_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no config file at .*absent\.yaml"):
        File(tmp_path / "absent.yaml").get("openai", "api_key")
    with pytest.raises(ConfigurationError, match="cannot read"):
        File(tmp_path).get("openai", "api_key")


@pytest.mark.parametrize(
    "text", [f"openai:\n  api_key: '{SECRET}\n", f"openai: {SECRET}", f"- {SECRET}", f"openai:\n  api_key: [{SECRET}]"]
)
def test_a_bad_file_is_a_configuration_error_that_shows_no_line_of_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.yaml") as caught:
        File(path).get("openai", "api_key")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in repr(pickle.loads(pickle.dumps(caught.value)).__dict__)


class Vault:
    def __init__(self) -> None:
        self.token = SECRET

    def get(self, provider: str, key: str) -> str | None:
        return self.token if (provider, key) == ("openai", "api_key") else None

    def __repr__(self) -> str:
        return f"Vault({self.token})"


def test_chain_asks_in_order_and_each_env_in_it_tries_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "from the environment")
    source = Chain(Vault(), Chain(Env(), Static({"huggingface": {"api_key": "static"}})))
    assert lookup(source, "openai", "api_key", ("HF_TOKEN",)) == SECRET
    assert lookup(source, "huggingface", "api_key", ("HF_TOKEN",)) == "from the environment"
    assert source.get("huggingface", "api_key") == "static"


def test_a_dict_in_a_chain_is_refused_because_its_get_means_something_else() -> None:
    with pytest.raises(ConfigurationError, match="Static"):
        Chain({"openai": {"api_key": SECRET}})  # type: ignore[arg-type]


def test_a_source_that_gives_no_text_is_named() -> None:
    class Wrong:
        def get(self, provider: str, key: str) -> str | None:
            return 42  # type: ignore[return-value]

    with pytest.raises(ConfigurationError, match=r"Wrong\.get\('openai', 'api_key'\) gave int"):
        lookup(Wrong(), "openai", "api_key")


def test_all_are_config_sources() -> None:
    for source in (Env(), Static({}), File("x"), Chain(), Vault()):
        assert isinstance(source, ConfigSource)


def test_no_repr_shows_a_key_but_which_there_are(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"groq:\n  api_key: {SECRET}\n")
    file = File(path)
    assert file.get("groq", "api_key") == SECRET
    chain = Chain(Static({"openai": {"api_key": SECRET}}), file, Vault(), Env())
    for shown in (repr(chain), str(chain), f"{chain!s}"):
        assert SECRET not in shown
        assert "openai: {api_key: ***}" in shown
        assert "groq: {api_key: ***}" in shown
        assert "<Vault>" in shown


def test_sources_survive_pickle_and_deepcopy_and_file_takes_no_key_along(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"groq:\n  api_key: {SECRET}\n")
    file = File(path)
    file.get("groq", "api_key")
    assert SECRET.encode() not in pickle.dumps(file)
    source = Chain(Static({"openai": {"api_key": "static"}}), file, Env())
    for again in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert again.get("openai", "api_key") == "static"
        assert again.get("groq", "api_key") == SECRET
