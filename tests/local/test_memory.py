from __future__ import annotations

from pathlib import Path

import pytest

from exllm.errors import ConfigurationError, Overloaded
from exllm.local.loaded import LoadedModel
from exllm.local.memory import choose_victims
from exllm.local.settings import LoadOptions


def _model(name: str, size_bytes: int, *, users: int = 0, last_used: float = 0.0) -> LoadedModel:
    model = LoadedModel(name, Path(name), LoadOptions(), size_bytes)
    model.users, model.last_used = users, last_used
    return model


@pytest.mark.parametrize(
    ("budget_bytes", "gone"),
    [(None, ""), (400, ""), (399, "b"), (300, "b"), (299, "ba"), (200, "ba")],
)
def test_the_least_recently_used_idle_models_go_and_no_more_than_needed(budget_bytes: int | None, gone: str) -> None:
    models = [
        _model("a", 100, last_used=2),
        _model("b", 100, last_used=1),
        _model("busy", 100, users=1, last_used=0),
    ]
    victims = choose_victims(models, _model("new", 100), budget_bytes)
    assert "".join(model.name for model in victims) == gone


def test_models_in_use_are_named_when_they_are_in_the_way() -> None:
    models = [_model("idle", 10), _model("x", 100, users=1), _model("y", 100, users=2)]
    with pytest.raises(Overloaded, match="in use: x, y"):
        choose_victims(models, _model("new", 100), 250)


def test_what_can_never_fit_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="new needs about"):
        choose_victims([], _model("new", 101), 100)
