"""The seam between a request and what proves who sends it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class Signer(Protocol):
    """Proves, for one call, who is calling: adds to each attempt the headers that its provider asks for."""

    secrets: tuple[str, ...]
    """What must not be seen in any message: all that `sign` ever added."""

    settings: Mapping[str, str]
    """Values of placeholders of the base URL that are told by where the credentials are: the region of a profile."""

    fills: frozenset[str]
    """The placeholders that `sign` can fill: only the credentials themselves know the value."""

    # A signer may have ``is_steady = True``: its credentials are the same for ever, and calls may share it.

    async def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, str]]:
        """The URL and all headers of this attempt: a signature holds the time, and a token runs out.

        The URL is quoted as it will be on the wire.

        Raises: ConfigurationError, AuthenticationError, ConnectionFailed when there are no credentials to be had.
        """

    def lacks(self, unfilled: Collection[str]) -> list[str]:
        """What `sign` would miss: ``"credentials"``, and those of the placeholders `unfilled` that it could not fill.

        As far as that can be told without the network; reads files.
        """
