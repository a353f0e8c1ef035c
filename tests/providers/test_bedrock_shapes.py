"""What we send to Bedrock and read of it, held against botocore's service models: names, values, places, errors."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

import exllm
from exllm.config import Static
from exllm.errors import ExLLMError, InvalidRequest, UnsupportedOption
from exllm.providers import ProviderSpec, registry
from exllm.providers.bedrock_converse_decode import FINISH_REASONS
from exllm.providers.bedrock_converse_events import Delta, Metadata
from exllm.providers.bedrock_converse_media import KINDS
from exllm.providers.bedrock_converse_request import FIELDS
from exllm.providers.bedrock_invoke_families import _FAMILIES
from exllm.providers.model_rows import read_page
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.faults.dialects import BEDROCK, INVOKE, TEXT
from tests.faults.server import FaultServer

RUNTIME = botocore.session.Session().get_service_model("bedrock-runtime")
CONTROL = botocore.session.Session().get_service_model("bedrock")


def _spec(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


CONVERSE, NATIVE = _spec("bedrock"), _spec("bedrock-invoke")


def _members(shape: str) -> dict[str, Any]:
    return dict(RUNTIME.shape_for(shape).members)


def _request(spec: ProviderSpec, model: str, *, stream: bool = True, extra: Any = None, **options: Any) -> Request:
    return Request(spec.name, model, (Message("user", "Hi"),), check_options(options), extra or {}, stream)


# -- Converse


def test_fields_of_requests_are_those_of_the_service() -> None:
    for shape in ("ConverseRequest", "ConverseStreamRequest"):
        assert {*FIELDS} == {*_members(shape)} - {"modelId"}


def test_formats_of_media_are_those_of_the_service() -> None:
    for kind, formats in KINDS.items():
        known = {*RUNTIME.shape_for(f"{kind.capitalize()}Format").enum}
        assert {*formats.values()} <= known


def test_every_reason_to_stop_is_known() -> None:
    assert {*RUNTIME.shape_for("StopReason").enum} <= {*FINISH_REASONS}


def test_every_piece_of_a_block_is_read() -> None:
    assert {*Delta.__struct_fields__} == {*_members("ContentBlockDelta")}
    assert {*Metadata.__struct_fields__} == {*_members("ConverseStreamMetadataEvent")}


def test_parameters_allow_what_the_service_allows() -> None:
    rules = CONVERSE.parameters
    assert {*rules["serviceTier"].fields["type"].values} == {*RUNTIME.shape_for("ServiceTierType").enum}
    assert {*rules["performanceConfig"].fields["latency"].values} == {
        *RUNTIME.shape_for("PerformanceConfigLatency").enum
    }
    guardrail = rules["guardrailConfig"].fields
    assert {*guardrail} == {*_members("GuardrailStreamConfiguration")}
    assert {*guardrail["trace"].values} == {*RUNTIME.shape_for("GuardrailTrace").enum}
    assert {*guardrail["streamProcessingMode"].values} == {*RUNTIME.shape_for("GuardrailStreamProcessingMode").enum}
    version = RUNTIME.shape_for("GuardrailVersion").metadata["pattern"]
    for good in ("1", "12345678", "DRAFT"):
        assert re.fullmatch(version, good)
        assert re.fullmatch(guardrail["guardrailVersion"].pattern or "", good)


def test_how_a_guardrail_reads_a_stream_is_said_for_streams_alone() -> None:
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1", "streamProcessingMode": "async"}
    wire = registry.wire("bedrock_converse")
    for stream, shape in ((True, "GuardrailStreamConfiguration"), (False, "GuardrailConfiguration")):
        request = _request(CONVERSE, "nova-lite", stream=stream, extra={"guardrailConfig": guardrail})
        http = wire.build(request, CONVERSE)
        assert json.loads(http.body)["guardrailConfig"].keys() <= {*_members(shape)}
        assert bool(http.warnings) is not stream
    assert "streamProcessingMode" in guardrail  # the caller's own dict stays as it is


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"])
def test_every_error_of_the_service_has_its_class(operation: str) -> None:
    model = RUNTIME.operation_model(operation)
    spec = CONVERSE if "Converse" in operation else NATIVE
    wire = registry.wire(spec.wire)
    for shape in model.error_shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        error = wire.parse_error(status, {"x-amzn-errortype": shape.name}, b'{"message": "words"}', spec)
        assert isinstance(error, ExLLMError)
        assert (error.code, error.status, error.message) == (shape.name, status, "words")
        assert error.retryable is (status >= 500 or status in (408, 424, 429)), shape.name


# -- InvokeModel


def test_headers_of_invoke_are_where_the_service_model_has_them() -> None:
    extra = {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled_full"},
        "performanceConfig": {"latency": "optimized"},
    }
    request = _request(
        NATIVE, "amazon.nova-lite-v1:0", extra=extra, service_tier="flex", metadata={"team": "a"}, max_tokens=5
    )
    headers = registry.wire("bedrock_invoke").build(request, NATIVE).headers
    places = {
        shape.serialization["name"].lower(): shape
        for shape in _members("InvokeModelWithResponseStreamRequest").values()
        if shape.serialization.get("location") == "header"
    }
    sent = {name: value for name, value in headers.items() if name.startswith("x-amzn-bedrock")}
    assert len(sent) == 6
    for name, value in sent.items():
        allowed = getattr(places[name], "enum", None)
        assert not allowed or value in allowed


# -- options that only some models have


@pytest.mark.parametrize(
    ("spec", "model", "options"),
    [
        (CONVERSE, "meta.llama3-3-70b-instruct-v1:0", {"top_k": 3, "thinking": True, "temperature": 0.5}),
        (CONVERSE, "amazon.nova-lite-v1:0", {"reasoning_effort": "low", "seed": 1, "top_k": 2}),
        (CONVERSE, "anthropic.claude-sonnet-4-5-20250929-v1:0", {"web_search": True, "seed": 1, "top_k": 2}),
        (NATIVE, "meta.llama3-3-70b-instruct-v1:0", {"top_k": 3, "stop": ["x"], "temperature": 0.5}),
        (NATIVE, "mistral.mistral-7b-instruct-v0:2", {"seed": 3, "top_k": 2, "frequency_penalty": 0.1}),
    ],
)
async def test_what_a_model_has_no_word_for_is_refused_or_dropped_with_a_warning(
    spec: ProviderSpec, model: str, options: dict[str, Any]
) -> None:
    wire: Any = registry.wire(spec.wire)
    lacking = options.keys() - wire.options_of(model, spec)
    assert lacking
    assert lacking < options.keys()
    dialect = BEDROCK if spec is CONVERSE else INVOKE
    dialect = dialect._replace(body=_body_of(model)) if spec is NATIVE else dialect
    async with FaultServer(dialect.reply()) as server:
        config = Static({spec.name: {"api_key": "key-0123456789", "base_url": server.url}})
        async with exllm.Client(config=config) as strict:
            with pytest.raises(UnsupportedOption):
                await strict.chat(f"{spec.name}/{model}", "Hi", **options)
        assert not server.requests
        async with exllm.Client(config=config, drop_unsupported=True) as lenient:
            response = await lenient.chat(f"{spec.name}/{model}", "Hi", **options)
    assert response.text == TEXT
    assert sorted(response.warnings) == sorted(f"{model} cannot take {name}; it was dropped" for name in lacking)


def _body_of(model: str) -> Any:
    if model.startswith("meta."):
        return lambda text: json.dumps({"generation": text, "stop_reason": "stop"}).encode()
    return lambda text: json.dumps({"outputs": [{"text": text, "stop_reason": "stop"}]}).encode()


@pytest.mark.parametrize("spec", [CONVERSE, NATIVE], ids=lambda spec: spec.name)
def test_what_is_said_to_be_taken_is_taken(spec: ProviderSpec) -> None:
    """`options_of` and the requests themselves agree, option by option."""
    values: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 1, "frequency_penalty": 0.1, "presence_penalty": 0.1,
        "stop": ["x"], "max_tokens": 3000, "thinking": False, "reasoning_effort": "low", "web_search": True, "n": 1,
    }  # fmt: skip
    wire: Any = registry.wire(spec.wire)
    models = {
        "anthropic": "anthropic.claude-sonnet-4-5-20250929-v1:0", "nova": "amazon.nova-lite-v1:0",
        "nova-2": "amazon.nova-2-lite-v1:0", "titan": "amazon.titan-text-lite-v1", "meta": "meta.llama3-3-70b-v1:0",
        "mistral": "mistral.mistral-7b-instruct-v0:2", "cohere": "cohere.command-r-v1:0",
        "ai21": "ai21.jamba-1-5-large-v1:0", "deepseek": "deepseek.r1-v1:0", "openai": "openai.gpt-oss-20b-1:0",
        "writer": "writer.palmyra-x5-v1:0",
    }  # fmt: skip
    assert {family for family, _, _ in _FAMILIES} <= models.keys()
    for model in models.values():
        taken = wire.options_of(model, spec)
        for name, value in values.items():
            if name not in wire.options:
                continue
            try:
                wire.build(_request(spec, model, **{name: value}), spec)
            except UnsupportedOption:
                assert name not in taken, (model, name)
            except InvalidRequest:  # of these values, not of the option
                assert name in taken, (model, name)
            else:
                assert name in taken, (model, name)


# -- the control plane


def test_a_list_of_models_of_the_services_shape_is_read_as_botocore_reads_it() -> None:
    """Every field that the service model has is in the row, with a value that it allows."""
    summary: dict[str, Any] = {}
    for name, shape in CONTROL.shape_for("FoundationModelSummary").members.items():
        summary[name] = _example(shape)
    summary |= {
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        "modelId": "amazon.nova-lite-v1:0", "modelName": "Nova Lite", "providerName": "Amazon",
        "inputModalities": ["TEXT", "IMAGE"], "outputModalities": ["TEXT"],
    }  # fmt: skip
    embedder = summary | {"modelId": "amazon.titan-embed-text-v2:0", "outputModalities": ["EMBEDDING"]}
    body = json.dumps({"modelSummaries": [summary, embedder]}).encode()
    operation = CONTROL.operation_model("ListFoundationModels")
    parsed = create_parser("rest-json").parse(
        {"body": body, "status_code": 200, "headers": {}}, operation.output_shape
    )  # fmt: skip
    entries = read_page(body, CONVERSE).entries
    for theirs, ours in zip(parsed["modelSummaries"], entries, strict=True):
        assert (ours.id, ours.name, ours.owned_by) == (theirs["modelId"], theirs["modelName"], theirs["providerName"])
        assert [word.upper() for word in ours.output_modalities] == theirs["outputModalities"]
        assert {*theirs} == {*ours.raw}  # botocore, too, knows every field
    assert [entry.kinds for entry in entries] == [("chat",), ("embedding",)]
    assert CONVERSE.paths.models is not None
    assert CONVERSE.paths.models.endswith(operation.http["requestUri"])
    assert operation.http["method"] == "GET"


def test_inference_profiles_are_read_as_botocore_reads_them() -> None:
    """What AWS defined is called by its id, what an application defined by its ARN; the kind is that of the model."""
    summary: dict[str, Any] = {}
    for name, shape in CONTROL.shape_for("InferenceProfileSummary").members.items():
        summary[name] = _example(shape)
    models = [
        {"modelArn": f"arn:aws:bedrock:{region}::foundation-model/anthropic.claude-opus-4-20250514-v1:0"}
        for region in ("us-east-1", "us-west-2")
    ]
    system = summary | {
        "inferenceProfileId": "us.anthropic.claude-opus-4-20250514-v1:0", "inferenceProfileName": "US Claude Opus 4",
        "type": "SYSTEM_DEFINED", "models": models, "createdAt": "2025-05-22T00:00:00+00:00",
    }  # fmt: skip
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
    embedder = [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-english-v3"}]
    own = summary | {
        "inferenceProfileId": "a1b2c3d4e5f6", "inferenceProfileArn": arn, "type": "APPLICATION", "models": embedder,
    }  # fmt: skip
    body = json.dumps({"inferenceProfileSummaries": [system, own], "nextToken": "more"}).encode()
    operation = CONTROL.operation_model("ListInferenceProfiles")
    parsed = create_parser("rest-json").parse(
        {"body": body, "status_code": 200, "headers": {}}, operation.output_shape
    )  # fmt: skip
    page = read_page(body, CONVERSE)
    theirs = parsed["inferenceProfileSummaries"]
    assert [entry.id for entry in page.entries] == [theirs[0]["inferenceProfileId"], theirs[1]["inferenceProfileArn"]]
    assert [entry.name for entry in page.entries] == [each["inferenceProfileName"] for each in theirs]
    assert [entry.kinds for entry in page.entries] == [("chat",), ("embedding",)]
    assert page.entries[0].created == int(theirs[0]["createdAt"].timestamp())
    assert page.next == {"nextToken": parsed["nextToken"]}
    request = create_serializer("rest-json").serialize_to_request({"maxResults": 1000}, operation)
    assert CONVERSE.paths.more_models == f"{request['url_path']}?maxResults={request['query_string']['maxResults']}"
    assert operation.input_shape.members["maxResults"].metadata["max"] == 1000


@pytest.mark.parametrize("models", [None, [], "x", [7], [{}], [{"modelArn": 5}]])
def test_a_profile_that_names_no_model_is_still_listed(models: object) -> None:
    row = {"inferenceProfileId": "us.meta.llama4-scout-17b-instruct-v1:0", "models": models, "type": "SYSTEM_DEFINED"}
    (entry,) = read_page(json.dumps({"inferenceProfileSummaries": [row]}).encode(), CONVERSE).entries
    assert (entry.id, entry.kinds) == (row["inferenceProfileId"], ("chat",))


def _example(shape: Any) -> Any:
    """A value that the shape allows."""
    match shape.type_name:
        case "structure":
            return {name: _example(member) for name, member in shape.members.items()}
        case "list":
            return [_example(shape.member)]
        case "boolean":
            return True
        case "timestamp":
            return "2026-01-01T00:00:00Z"
        case "integer" | "long":
            return 1
        case _:
            return next(iter(getattr(shape, "enum", ())), "text")
