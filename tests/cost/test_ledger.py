"""What many calls cost together."""

from __future__ import annotations

import csv
import io
import json
import threading

import msgspec
import pytest

import exllm
from exllm.cost import Cost, Ledger, Line
from exllm.errors import ConfigurationError
from exllm.types.usage import Usage


def _spent() -> Ledger:
    ledger = Ledger()
    for tokens in (1_000, 3_000):
        usage = Usage(input_tokens=tokens, output_tokens=100)
        cost = Cost(input=tokens * 1e-6, output=0.0002, total=tokens * 1e-6 + 0.0002)
        ledger.add(exllm.Response(provider="openai", model="gpt-a", usage=usage, cost=cost))
    ledger.add_cost("openai", "gpt-b", Cost(total=0.5, source="provider"))
    ledger.add_cost("acme", "m|1", Cost(reason="nobody knows"), Usage(input_tokens=7))
    return ledger


def test_costs_add_up_by_model_and_by_provider_and_unknown_ones_are_counted() -> None:
    ledger = _spent()
    assert ledger.total == pytest.approx(0.5044)
    assert (ledger.calls, ledger.unknown) == (4, 1)
    assert [(line.model, line.calls) for line in ledger.lines()] == [("gpt-b", 1), ("gpt-a", 2), ("m|1", 1)]
    openai, acme = ledger.lines("provider")
    assert (openai.provider, openai.model, openai.calls) == ("openai", None, 3)
    assert openai.total == pytest.approx(0.5044)
    assert openai.input == pytest.approx(0.004)
    assert openai.input_tokens == 4_000
    assert (acme.unknown, acme.total, acme.input_tokens) == (1, 0.0, 7)


def test_tables_in_four_forms() -> None:
    ledger = _spent()
    text = ledger.table().splitlines()
    assert text[0].split()[:3] == ["provider", "model", "calls"]
    assert text[-1].split()[0] == "total"
    assert text[-1].endswith("$0.50 + 1 unknown")
    assert len({len(line) for line in text}) == 1
    markdown = ledger.table("markdown").splitlines()
    assert markdown[1].startswith("|---|---|---:|")
    assert all(line.replace("\\|", "").count("|") == 11 for line in markdown)
    rows = list(csv.DictReader(io.StringIO(ledger.table("csv"))))
    assert [row["model"] for row in rows] == ["gpt-b", "gpt-a", "m|1"]
    assert float(rows[1]["total"]) == 0.0044
    data = json.loads(ledger.table("json", by="provider"))
    assert [line["provider"] for line in data] == ["openai", "acme"]
    assert data[1]["unknown"] == 1
    with pytest.raises(ConfigurationError, match="unknown format 'xml'"):
        ledger.table("xml")  # type: ignore[arg-type]


def test_an_empty_ledger_is_a_head_without_lines() -> None:
    assert len(Ledger().table().splitlines()) == 1
    assert Ledger().table("json") == "[]"
    assert Ledger().total == 0


def test_a_ledger_goes_on_from_its_lines() -> None:
    stored = msgspec.json.encode(_spent().lines())
    again = Ledger(msgspec.json.decode(stored, type=list[Line]))
    assert again.lines() == _spent().lines()
    again.add_cost("openai", "gpt-b", Cost(total=0.25))
    assert again.total == pytest.approx(0.7544)


def test_an_alert_is_told_once_when_its_total_is_reached() -> None:
    told: list[tuple[float, float]] = []
    ledger = Ledger(alert_at=[2.0, 1.0, 9.0], on_alert=lambda usd, ledger: told.append((usd, ledger.total)))
    for usd in (0.5, 0.5, 1.5, 0.1):
        ledger.add_cost("p", "m", Cost(total=usd))
    assert told == [(1.0, 1.0), (2.0, 2.5)]
    later = Ledger(ledger.lines(), alert_at=[2.0, 3.0], on_alert=lambda usd, _: told.append((usd, 0)))
    later.add_cost("p", "m", Cost(total=0.5))
    assert told[2:] == [(3.0, 0)]


def test_threads_lose_no_call() -> None:
    ledger = Ledger()

    def add() -> None:
        for _ in range(500):
            ledger.add_cost("p", "m", Cost(total=1.0))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.calls, ledger.total) == (2_000, 2_000.0)
