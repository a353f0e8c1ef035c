"""From what was typed to what the client takes."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from exllm.cli.arguments import collect_options
from exllm.types.options import Timeouts
from tests.cli.command import KEY


@pytest.mark.parametrize(
    ("pair", "options"),
    [
        ("top_p=0.9", {"top_p": 0.9}),
        ("top-p=0.9", {"top_p": 0.9}),
        ("user=somebody", {"user": "somebody"}),
        ('user="7"', {"user": "7"}),
        ("user=a=b", {"user": "a=b"}),
        ("web_search=true", {"web_search": True}),
        ('stop=["a", "b"]', {"stop": ["a", "b"]}),
        ('extra={"own": 1}', {"extra": {"own": 1}}),
        ("timeout=30", {"timeout": 30}),
        ('timeout={"idle": 5}', {"timeout": Timeouts(idle=5)}),
        ("base_url=http://localhost:1", {"base_url": "http://localhost:1"}),
    ],
)
def test_a_value_is_json_or_else_text(pair: str, options: dict[str, Any]) -> None:
    assert collect_options({}, [pair]) == options


def test_options_that_were_not_given_are_left_to_the_model() -> None:
    assert collect_options({"temperature": None, "seed": 0}, []) == {"seed": 0}


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        ("temprature=1", "did you mean 'temperature'"),
        ("top_p", "expected KEY=VALUE"),
        ("=1", "expected KEY=VALUE"),
        ("top_p=high", "top_p"),
        ("top_p=2", "between 0 and 1"),
        ("temperature=1", "given twice"),
        (f"api_key={KEY}", "set its variable"),
        ("response_model=int", "response_format"),
        ("accumulate=false", "unknown option 'accumulate'"),
        ("extra=7", "JSON object"),
        ("timeout=soon", "timeout is seconds"),
        ('timeout={"idle": "x"}', "timeout is seconds"),
    ],
)
def test_what_cannot_be_an_option_is_refused(pair: str, complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint) as caught:
        collect_options({"temperature": 0.5}, [pair])
    assert KEY not in str(caught.value)
