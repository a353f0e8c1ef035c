"""Keys that a function of the caller's gives: tokens of Microsoft Entra, of an identity provider, of a vault."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection, Mapping

from exllm.config import TokenProvider
from exllm.errors import AuthenticationError, ConfigurationError, ExLLMError


class TokenSigner:
    """Sends what `provide` gives as a bearer token, asked for at each attempt. See `Signer`.

    A plain function runs in a thread, because it may block while it refreshes; keeping tokens is its own business.
    """

    settings: Mapping[str, str] = {}
    fills: frozenset[str] = frozenset()

    def __init__(self, provide: TokenProvider, provider: str, label: str) -> None:
        self._provide = provide
        self._provider = provider
        self._label = label
        self.secrets: tuple[str, ...] = ()

    async def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, str]]:
        """See `Signer.sign`."""
        token = await self._token()
        if not isinstance(token, str) or not (token.isascii() and token.isprintable() and token.strip()):
            raise ConfigurationError(
                f"the function that gives keys for {self._label} gave none", provider=self._provider
            )
        token = token.strip()
        if token not in self.secrets:
            self.secrets += (token,)
        return url, {**headers, "authorization": f"Bearer {token}"}

    def lacks(self, unfilled: Collection[str]) -> list[str]:
        """See `Signer.lacks`."""
        return []

    async def _token(self) -> object:
        try:
            if inspect.iscoroutinefunction(self._provide):
                return await self._provide()
            given = await asyncio.to_thread(self._provide)
            return await given if inspect.isawaitable(given) else given
        except ExLLMError:
            raise
        except Exception as error:
            raise AuthenticationError(
                f"the function that gives keys for {self._label} failed: {type(error).__name__}: {error}",
                provider=self._provider,
            ) from error
