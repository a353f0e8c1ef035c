"""No credentials of whoever runs the tests are seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exllm.providers import ProviderSpec, register, registry
from exllm.providers.spec import Auth, Paths

PREFIXES = ("AWS_", "GOOGLE_", "GCLOUD_", "GCE_", "CLOUDSDK_", "K_SERVICE")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory; AWS's files are in it, and there is no metadata service."""
    for name in os.environ:
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.fixture
def aws_provider() -> Iterator[ProviderSpec]:
    """A provider whose requests are signed, in a dialect that every test knows."""
    spec = ProviderSpec(
        name="signed",
        label="Signed",
        wire="openai_chat",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        settings={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
        api_key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        auth=Auth(kind="aws", service="bedrock"),
        paths=Paths(models="/foundation-models"),
        default_model="m",
    )
    register(spec)
    yield spec
    registry.unregister("signed")


@pytest.fixture
def google_provider() -> Iterator[ProviderSpec]:
    """A provider that wants Google's tokens."""
    spec = ProviderSpec(
        name="tokened",
        label="Tokened",
        wire="openai_chat",
        base_url="https://aiplatform.googleapis.com/v1/projects/{project}",
        base_url_env=("TOKENED_BASE_URL",),
        settings={"project": "GOOGLE_CLOUD_PROJECT"},
        auth=Auth(kind="google"),
        default_model="m",
    )
    register(spec)
    yield spec
    registry.unregister("tokened")
