"""`exllm providers` and `exllm models`."""

from __future__ import annotations

import json

import pytest

from exllm.providers import list_providers
from tests.cli.command import KEY, run
from tests.faults.server import FaultServer, Peer

MODELS = {
    "object": "list",
    "data": [
        {"id": "gpt-b", "object": "model", "created": 1763500000, "owned_by": "openai"},
        {"id": "gpt-a", "object": "model", "created": 1763500000, "owned_by": "openai", "context_window": 128000},
    ],
}


async def _list(peer: Peer) -> None:
    assert peer.request.method == "GET"
    await peer.answer(json.dumps(MODELS).encode())


async def test_providers_in_a_pipe_are_lines_of_tab_separated_fields() -> None:
    result = await run("providers", ANTHROPIC_API_KEY=KEY, OPENAI_API_KEY="")
    assert (result.code, result.err) == (0, "")
    rows = {line.split("\t")[0]: line.split("\t") for line in result.out.splitlines()}
    assert rows.keys() == {info.name for info in list_providers()}
    assert all(len(row) == 6 for row in rows.values())
    assert rows["anthropic"][3] == "ready"
    assert rows["openai"][3] == "needs OPENAI_API_KEY"
    assert rows["azure"][3] == "needs AZURE_OPENAI_API_KEY and AZURE_RESOURCE_NAME"
    assert rows["mock"][3] == "no key needed"
    assert KEY not in result.out


async def test_providers_as_json_tell_the_same() -> None:
    result = await run("providers", "--json")
    rows = {row["name"]: row for row in json.loads(result.out)}
    assert rows["openai"]["access"] == "ready"
    assert rows["openai"]["wire"] == "openai_chat"
    assert KEY not in result.out


async def test_models_are_what_the_provider_lists() -> None:
    async with FaultServer(_list) as server:
        result = await run("models", "openai", OPENAI_BASE_URL=server.url)
    assert (result.code, result.err) == (0, "")
    assert result.out == "openai/gpt-a\t128,000\t-\t-\t-\t-\t-\nopenai/gpt-b\t-\t-\t-\t-\t-\t-\n"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_models_as_json_carry_the_model_string() -> None:
    async with FaultServer(_list) as server:
        result = await run("models", "openai", "--json", OPENAI_BASE_URL=server.url)
    assert [row["model"] for row in json.loads(result.out)] == ["openai/gpt-a", "openai/gpt-b"]


async def test_models_without_a_provider_are_those_of_all_whose_key_is_set() -> None:
    async with FaultServer(_list) as server:
        result = await run("models", OPENAI_BASE_URL=server.url)
    names = [line.split("\t")[0] for line in result.out.splitlines() if not line.startswith("local/")]
    assert names == ["openai/gpt-a", "openai/gpt-b"]
    assert [request.path for request in server.requests] == ["/models"]  # one list, though it speaks two protocols


async def test_a_second_protocol_is_listed_when_it_is_named() -> None:
    async with FaultServer(_list) as server:
        result = await run("models", "openai-responses", OPENAI_BASE_URL=server.url)
    assert [line.split("\t")[0] for line in result.out.splitlines()] == [
        "openai-responses/gpt-a",
        "openai-responses/gpt-b",
    ]


@pytest.mark.parametrize(
    ("status", "hint"), [("401 Unauthorized", "OPENAI_API_KEY"), ("403 Forbidden", "OPENAI_API_KEY")]
)
async def test_a_list_that_cannot_be_had_ends_with_1(status: str, hint: str) -> None:
    async with FaultServer(lambda peer: peer.answer(b'{"error": {"message": "no"}}', status)) as server:
        result = await run("models", "openai", OPENAI_BASE_URL=server.url)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert hint in result.err
    assert KEY not in result.err


async def test_an_unknown_provider_has_no_models() -> None:
    result = await run("models", "opnai")
    assert result.code == 1
    assert "openai" in result.err
