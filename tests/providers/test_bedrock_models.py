"""Bedrock's model ids: short names, profiles of the regions, families, and how they stand in a path."""

from __future__ import annotations

import re

import pytest

from exllm.errors import UnsupportedOption
from exllm.providers.bedrock_models import ALIASES, family_of, path_of, resolve
from tests.providers.bedrock_recordings import MODEL


def url(region: str) -> str:
    return f"https://bedrock-runtime.{region}.amazonaws.com"


@pytest.mark.parametrize(
    ("region", "model"),
    [
        ("us-east-1", "us.amazon.nova-lite-v1:0"),
        ("us-west-2", "us.amazon.nova-lite-v1:0"),
        ("eu-central-1", "eu.amazon.nova-lite-v1:0"),
        ("ap-southeast-1", "apac.amazon.nova-lite-v1:0"),
        ("ap-northeast-1", "apac.amazon.nova-lite-v1:0"),
        ("sa-east-1", "amazon.nova-lite-v1:0"),
        ("us-gov-west-1", "amazon.nova-lite-v1:0"),
    ],
)
def test_a_short_name_means_the_profile_of_the_region(region: str, model: str) -> None:
    assert resolve("nova-lite", url(region)) == model


@pytest.mark.parametrize(
    ("name", "region", "model"),
    [
        ("claude-sonnet-4-5", "ap-northeast-1", "jp.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "ap-southeast-2", "au.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "sa-east-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "us-gov-west-1", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-opus-4", "us-east-1", "us.anthropic.claude-opus-4-20250514-v1:0"),
        ("llama-3.3-70b", "us-east-2", "us.meta.llama3-3-70b-instruct-v1:0"),
        ("titan-express", "us-east-1", "amazon.titan-text-express-v1"),
        ("palmyra-x5", "us-west-2", "us.writer.palmyra-x5-v1:0"),
        ("deepseek-r1", "us-east-1", "us.deepseek.r1-v1:0"),
    ],
)
def test_short_names(name: str, region: str, model: str) -> None:
    assert resolve(name, url(region)) == model


@pytest.mark.parametrize(
    "address",
    [
        "https://vpce-0a1b-c2d3.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
        "https://bedrock-runtime-fips.eu-west-1.amazonaws.com",
        "https://bedrock-runtime.eu-west-1.api.aws",
    ],
)
def test_the_region_is_read_from_other_endpoints_as_well(address: str) -> None:
    assert resolve("nova-pro", address) == "eu.amazon.nova-pro-v1:0"


@pytest.mark.parametrize("address", ["http://127.0.0.1:4010", "https://bedrock-runtime.{region}.amazonaws.com"])
def test_an_address_without_a_region_counts_as_the_first_one(address: str) -> None:
    assert resolve("nova-pro", address) == "us.amazon.nova-pro-v1:0"


@pytest.mark.parametrize(
    "model",
    [
        "eu.amazon.nova-lite-v1:0",
        "amazon.nova-lite-v1:0",
        "anthropic.claude-v9",
        "arn:aws:bedrock:us-east-1::foundation-model/x",
    ],
)
def test_an_id_is_left_as_it_is(model: str) -> None:
    assert resolve(model, url("us-east-1")) == model


@pytest.mark.parametrize("name", ALIASES)
def test_every_short_name_is_an_id_that_the_service_could_take(name: str) -> None:
    pattern = MODEL.operation_model("Converse").input_shape.members["modelId"].metadata["pattern"]
    for region in ("us-east-1", "eu-west-1", "ap-south-1"):
        model = resolve(name, url(region))
        assert re.fullmatch(pattern, model)
        assert family_of(model) is not None
        assert model not in ALIASES


ARN = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("amazon.nova-lite-v1:0", "nova"),
        ("us.amazon.nova-2-lite-v1:0", "nova-2"),
        ("amazon.titan-text-express-v1", "titan"),
        ("amazon.titan-tg1-large", "titan"),
        ("amazon.titan-embed-text-v2:0", None),
        ("deepseek.v3.2", "deepseek"),
        (f"{ARN}:inference-profile/us.anthropic.claude-opus-4-20250514-v1:0", "anthropic"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0", "nova"),
        (f"{ARN}:custom-model/amazon.titan-text-lite-v1/abcdefghijkl", "titan"),
        (f"{ARN}:default-prompt-router/anthropic.claude:1", "anthropic"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.meta.llama3-8b-v1:0", "meta"),
        (f"{ARN}:application-inference-profile/abcdefghijkl", None),
        (f"{ARN}:provisioned-model/abcdefghijkl", None),
        (f"{ARN}:imported-model/abcdefghijkl", None),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", None),
        ("stability.sd3-large-v1:0", None),
        ("anthropic", None),
        ("x.y.anthropic.z", None),
        ("", None),
    ],
)
def test_whose_model_it_is(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_an_id_is_encoded_whole() -> None:
    assert path_of("/model/{model}/invoke", f"{ARN}:inference-profile/us.x-v1:0~é") == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x-v1%3A0~%C3%A9/invoke"
    )


def test_options_of_a_family_are_those_of_the_model_behind_a_short_name() -> None:
    from exllm.providers import registry
    from exllm.types.message import Message
    from exllm.types.options import Options
    from exllm.types.request import Request

    spec = registry.get("bedrock")
    wire = registry.wire("bedrock_converse")
    messages = (Message("user", "Hi"),)
    body = wire.build(Request("bedrock", "claude-3-haiku", messages, Options(top_k=5)), spec).body  # type: ignore[arg-type]
    assert b'"top_k":5' in body
    with pytest.raises(UnsupportedOption):
        wire.build(Request("bedrock", "llama-3.3-70b", messages, Options(top_k=5)), spec)  # type: ignore[arg-type]
