"""One text out of the messages of a call, for endpoints that complete a text and know no conversation.

The rule is plain, so that nothing is put into a prompt that its author did not write: one user message is the prompt,
as it stands. A conversation is refused, because models were trained on different forms of one, and none can be guessed.
"""

from __future__ import annotations

from collections.abc import Iterable

from exllm.errors import InvalidRequest
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import Part, Text


def refuse_conversation(spec: ProviderSpec, takes: str) -> InvalidRequest:
    """The error for messages that are more than a prompt; `takes` says what is taken."""
    instead = f"; {spec.config_of!r} takes conversations" if spec.config_of else ""
    return InvalidRequest(
        f"{spec.label} completes one prompt and takes {takes}. Write a conversation into that text, in the form that "
        f"the model was trained on{instead}",
        provider=spec.name,
    )


def text_alone(parts: Iterable[Part], spec: ProviderSpec) -> str:
    """The texts among `parts`, joined as they stand. Raises `InvalidRequest` for anything else."""
    texts: list[str] = []
    for part in parts:
        if not isinstance(part, Text):
            raise InvalidRequest(f"{spec.label} takes text, got a {type(part).__name__}", provider=spec.name)
        texts.append(part.text)
    return "".join(texts)


def markers(messages: Iterable[Message], spec: ProviderSpec) -> tuple[str, ...]:
    """Warnings of what messages carry beside their words."""
    said = []
    if any(message.name is not None for message in messages):
        said.append(f"{spec.label} takes no names of messages; they were not sent")
    if any(getattr(part, "cache_control", None) is not None for message in messages for part in message.parts):
        said.append(f"{spec.label} takes no cache_control; the breakpoints were not sent")
    return tuple(said)
