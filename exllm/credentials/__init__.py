"""Credentials beyond a key in a header: requests signed for AWS, tokens fetched from Google and IBM.

Nothing of it is imported before a provider needs it, and botocore and google-auth only to look for credentials.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from exllm.config import ConfigSource
from exllm.credentials.signer import Signer

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec

_FINDERS = {
    "aws": "exllm.credentials.aws:find_signer",
    "google": "exllm.credentials.google:find_signer",
    "ibm": "exllm.credentials.ibm:find_signer",
}


def signer_for(spec: ProviderSpec, source: ConfigSource) -> Signer | None:
    """What signs the calls to a provider whose auth is not of the kind ``key``. No I/O.

    None when a plain key comes first: `source` has one, and its sources are asked in their order.

    Raises: ConfigurationError when `source` has neither, with what to set; MissingExtra.
    """
    module, _, function = _FINDERS[spec.auth.kind].partition(":")
    signer: Signer | None = getattr(import_module(module), function)(spec, source)
    return signer
