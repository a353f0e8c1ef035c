"""The bare wheel signs with plain keys and takes tokens; what needs an extra is not imported before it is used."""

from __future__ import annotations

import subprocess
import sys

BARE = """
import asyncio, os, sys

class Bare:
    # A finder that does not see what the extras bring.

    def __init__(self, inner):
        self.inner = inner

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("botocore", "requests", "google"):
            return None
        return self.inner.find_spec(name, path, target)

if IS_BARE:
    sys.meta_path[:] = map(Bare, sys.meta_path)
for name in list(os.environ):
    if name.startswith(("AWS_", "GOOGLE_")):
        del os.environ[name]

import exllm
from exllm.access import access
from exllm.config import Env, Static
from exllm.providers import registry

async def main():
    bedrock, vertex = registry.get("bedrock"), registry.get("vertex")
    keys = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret", "region": "us-east-1"}
    way = access(bedrock, Static({"bedrock": keys}), None, None)
    _, headers = await way.signer.sign("POST", way.base_url + "/model/x/converse", {}, b"")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert registry.configured("bedrock", Static({"bedrock": keys}))
    os.environ["AWS_BEARER_TOKEN_BEDROCK"], os.environ["AWS_REGION"] = "bearer", "us-east-1"
    assert access(bedrock, Env(), None, None).headers["authorization"] == "Bearer bearer"
    os.environ["GOOGLE_CLOUD_PROJECT"] = "p"
    assert access(vertex, Env(), "ya29.x", None).headers["authorization"] == "Bearer ya29.x"
    del os.environ["AWS_BEARER_TOKEN_BEDROCK"]
    async with exllm.Client() as client:
        for name, extra in (("bedrock", "bedrock"), ("vertex", "google")) if IS_BARE else ():
            assert not client.configured(name)
            try:
                await client.chat(name, "Hi")
            except exllm.MissingExtra as error:
                assert f'pip install "exllm[{extra}]"' in error.message, error.message
            else:
                raise AssertionError(name)
    assert not {"botocore", "google.auth", "requests"} & set(sys.modules)

asyncio.run(main())
"""


def _run(*, bare: bool) -> None:
    code = BARE.replace("IS_BARE", str(bare))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_plain_keys_and_tokens_need_no_extra_and_the_rest_names_it() -> None:
    _run(bare=True)


def test_with_the_extras_installed_plain_keys_and_tokens_import_neither() -> None:
    _run(bare=False)
