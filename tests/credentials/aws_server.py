"""An AWS of our own on the loopback interface: it checks signatures with botocore, and gives out credentials."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.faults.server import Peer, Received

ANSWER = json.dumps(
    {
        "id": "1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "signed"}, "finish_reason": "stop"}],
    }
).encode()
MODELS = b'{"data": [{"id": "m"}]}'


def botocores_signature(request: Received, secret: str, service: str, region: str) -> str:
    """What botocore makes of the request as it came over the wire."""
    names = signed_headers(request)
    given = AWSRequest(
        request.method,
        request.path if "://" in request.path else f"http://{request.headers['host']}{request.path}",
        {name: request.headers[name] for name in names},
        request.body,
    )
    given.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("unused", secret), service, region)
    text: str = signer.string_to_sign(given, signer.canonical_request(given))
    proof: str = signer.signature(text, given)
    return proof


def signed_headers(request: Received) -> list[str]:
    _, _, rest = request.headers["authorization"].partition("SignedHeaders=")
    return rest.partition(",")[0].split(";")


def key_of(request: Received) -> str:
    """The id of the access key that a request names."""
    _, _, rest = request.headers["authorization"].partition("Credential=")
    return rest.partition("/")[0]


class Bedrock:
    """Behaviour of a service that answers what is signed rightly and refuses the rest.

    Args:
        secrets: by the id of the access key; tokens must be the key's id with ``-token``, where there are any.
        region, service: what a signature must be for.
        answer: what is said to those who may ask.
    """

    def __init__(
        self,
        secrets: dict[str, str],
        *,
        region: str = "eu-central-1",
        service: str = "bedrock",
        answer: bytes = ANSWER,
    ) -> None:
        self.answer = answer
        self.secrets = secrets
        self.region = region
        self.service = service
        self.keys: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        request = peer.request
        key_id = key_of(request)
        self.keys.append(key_id)
        made = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        scope = f"{key_id}/{made:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        token = request.headers.get("x-amz-security-token")
        is_good = (
            abs(made.timestamp() - time.time()) < 300
            and f"Credential={scope}," in request.headers["authorization"]
            and token in (None, f"{key_id}-token")
            and {"host", "x-amz-date"} <= set(signed_headers(request))
            and {name for name in request.headers if name.startswith("x-amz")} <= set(signed_headers(request))
            and request.headers["authorization"].endswith(
                botocores_signature(request, self.secrets[key_id], self.service, self.region)
            )
        )
        if is_good:
            await peer.answer(MODELS if request.method == "GET" else self.answer)
        else:
            told = f"The request signature does not match. {token} {self.secrets[key_id]}"
            await peer.answer(json.dumps({"message": told}).encode(), "403 Forbidden")


class Vault:
    """Behaviour of the services that give out temporary keys, each time new ones.

    Attributes:
        secrets: those given out, by the id of the key, for `Bedrock`.
        asked: what was asked for, in order.
    """

    def __init__(self, lifetime_s: float = 3600) -> None:
        self.lifetime_s = lifetime_s
        self.secrets: dict[str, str] = {}
        self.asked: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        request = peer.request
        if request.method == "PUT":  # the instance metadata service's session token
            await peer.answer(b"session", "200 OK", "text/plain")
        elif request.path.endswith("/security-credentials/"):
            await peer.answer(b"a-role", "200 OK", "text/plain")
        elif request.path.startswith("/federation"):
            self.asked.append(f"sso {request.headers['x-amz-sso_bearer_token']}")
            key_id, secret, end = self._new()
            keys = {"accessKeyId": key_id, "secretAccessKey": secret, "sessionToken": f"{key_id}-token"}
            await self._json(peer, {"roleCredentials": {**keys, "expiration": int(end * 1000)}})
        elif request.method == "GET":
            self.asked.append(f"get {request.path} {request.headers.get('authorization', '')}".strip())
            key_id, secret, end = self._new()
            keys = {"AccessKeyId": key_id, "SecretAccessKey": secret, "Token": f"{key_id}-token"}
            await self._json(peer, {"Code": "Success", **keys, "Expiration": written(end)})
        else:
            form = parse_qs(request.body.decode())
            action = form["Action"][0]
            self.asked.append(" ".join([action, form["RoleArn"][0], *form.get("WebIdentityToken", [])]))
            key_id, secret, end = self._new()
            xml = (
                f"<{action}Response><{action}Result><Credentials><AccessKeyId>{key_id}</AccessKeyId>"
                f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{key_id}-token</SessionToken>"
                f"<Expiration>{written(end)}</Expiration></Credentials></{action}Result></{action}Response>"
            )
            await peer.answer(xml.encode(), "200 OK", "text/xml")

    def _new(self) -> tuple[str, str, float]:
        key_id = f"ASIA{len(self.secrets) + 1:012}"
        secret = self.secrets[key_id] = f"secret/of+{key_id}="
        return key_id, secret, time.time() + self.lifetime_s

    async def _json(self, peer: Peer, value: object) -> None:
        await peer.answer(json.dumps(value).encode())


def written(unix_time: float) -> str:
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
