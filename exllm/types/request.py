"""What is asked of a provider, after everything was checked and normalised."""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.types.message import Message
from exllm.types.options import Options, Timeouts


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call, as a wire or a foreign `Provider` gets it. Plain data; holds no key.

    Attributes:
        provider, model: both halves of the model string; `model` is never empty.
        messages: normalised; media given by path have been read.
        options: checked.
        extra: the provider's own fields, merged last into the wire body.
        stream: whether the answer should arrive in pieces.
        timeouts: all limits filled in.
        include_raw: keep the provider's last object in `Response.raw`.
    """

    provider: str
    model: str
    messages: tuple[Message, ...]
    options: Options = Options()
    extra: dict[str, Any] = {}
    stream: bool = True
    timeouts: Timeouts = Timeouts()
    include_raw: bool = False
