"""Realtime endpoints as data: every section is right, and a wrong one is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.errors import ConfigurationError
from exllm.providers import registry
from exllm.providers.live_wire import check_live, live_wire
from exllm.providers.spec import ProviderSpec, parse_spec
from exllm.types.live_settings import LiveSettings

SPECS = [spec for spec in registry._built_in_specs() if spec.live.wire]
LIVE = {"wire": "openai_realtime", "url": "wss://rt.example.com", "path": "/rt?model={model}"}


def spec_with(**live: Any) -> ProviderSpec:
    fields = {"name": "mine", "wire": "openai_chat", "base_url": "https://x.example.com/v1", "live": {**LIVE, **live}}
    return parse_spec(fields, "mine.yaml")


def test_there_are_all_that_were_promised() -> None:
    assert {spec.name for spec in SPECS} >= {"openai", "azure", "azure-voice-live", "xai", "gemini", "vertex"}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_section_is_complete(spec: ProviderSpec) -> None:
    live = spec.live
    check_live(spec, spec.name)
    wire = live_wire(live.wire)
    assert live.docs.startswith("https://")
    assert live.url.startswith("wss://")
    assert live.unsupported <= wire.settings
    model = "projects/p/locations/l/publishers/google/models/m" if spec.name == "vertex" else live.default_model or "m"
    protocol = wire.protocol(LiveSettings(model), spec)
    assert protocol.address().path.startswith("/")
    assert len(protocol.connect()) == 1
    assert protocol.warnings == []


@pytest.mark.parametrize(
    ("live", "words"),
    [
        ({"url": "https://rt.example.com"}, "live.url"),
        ({"url": "wss://{region}.example.com"}, "placeholders"),
        ({"path": "rt"}, "live.path"),
        ({"paths": {"other": "rt"}}, "live.path"),
        ({"path": "/rt?model={modle}"}, "live.path has placeholders"),
        ({"paths": {"other": "/rt/{place}"}}, "live.path has placeholders"),
        ({"model": "models/{modle}"}, "live.model has placeholders"),
        ({"unsupported": ["voise"]}, "voise"),
        ({"colour": "red"}, "live.colour"),
    ],
)
def test_a_wrong_section_is_refused_by_name(live: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        spec_with(**live)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize("live", [{"quirks": ["speaks_latin"]}, {"wire": "openai_reeltime"}])
def test_what_only_the_wire_knows_is_checked_when_a_provider_is_registered(live: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"speaks_latin|openai_reeltime"):
        registry.register(spec_with(**live))
    assert registry.registered("mine") is None


def test_a_provider_of_ones_own_speaks_a_known_protocol() -> None:
    spec = spec_with(quirks=["any_rate"], default_model="m")
    registry.register(spec)
    try:
        protocol = live_wire("openai_realtime").protocol(LiveSettings("m", input_rate_hz=16_000), spec)
        assert protocol.address().path == "/rt?model=m"
    finally:
        registry.unregister("mine")
