"""A short-lived key, for a browser or a device that is to open a realtime session without yours."""

from __future__ import annotations

import msgspec


class LiveToken(msgspec.Struct, frozen=True):
    """A short-lived key; `value` is a secret. Use it as ``api_key=``.

    Attributes:
        expires_at: Unix time from which it is worth nothing.
        opens_until: Unix time until which sessions may be opened with it, where that is another.
        uses: how many sessions it may open, where the service limits it.
    """

    value: str
    expires_at: float | None = None
    opens_until: float | None = None
    uses: int | None = None

    def __repr__(self) -> str:
        return f"LiveToken(value='***', expires_at={self.expires_at}, opens_until={self.opens_until}, uses={self.uses})"
