"""The region of a profile is the one that botocore would take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore.session import Session

from exllm.credentials.aws_region import profile_region

CONFIG = """
[default]
region = eu-central-1
[profile work]
region=us-west-2
s3 =
  addressing_style = path
[profile both]
region = eu-west-1
[profile "spa ced"]
region = eu-west-3
[profile none]
output = json
[sso-session work]
sso_region = us-east-1
"""
CREDENTIALS = """
[both]
aws_access_key_id = AKID
[keys-only]
aws_access_key_id = AKID
region = sa-east-1
"""


@pytest.fixture
def files(home: Path) -> None:
    (home / "config").write_text(CONFIG)
    (home / "credentials").write_text(CREDENTIALS)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("profile", "region"),
    [
        (None, "eu-central-1"),
        ("default", "eu-central-1"),
        ("work", "us-west-2"),
        ("both", "eu-west-1"),
        ("spa ced", "eu-west-3"),
        ("none", None),
        ("keys-only", "sa-east-1"),
    ],
)
def test_it_is_botocores(profile: str | None, region: str | None) -> None:
    assert Session(profile=profile).get_config_variable("region") == region
    assert profile_region(profile) == region


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_environment_chooses_the_profile(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "both")
    assert profile_region(None) == "eu-west-1"
    assert profile_region("keys-only") == "sa-east-1"


def test_changed_files_are_read_again(files: None, home: Path) -> None:
    assert profile_region("both") == "eu-west-1"
    (home / "config").write_text(CONFIG.replace("eu-west-1", "eu-south-2"))
    os.utime(home / "config", (1, 1))
    assert profile_region("both") == "eu-south-2"


@pytest.mark.parametrize("content", [b"", b"region = x", b"[default\nregion = x", b"\xff\xfe", b"[default]\nregion"])
def test_files_that_cannot_be_read_name_no_region(content: bytes, home: Path) -> None:
    (home / "config").write_bytes(content)
    assert profile_region(None) is None


def test_no_files_no_region(home: Path) -> None:
    assert profile_region(None) is None
