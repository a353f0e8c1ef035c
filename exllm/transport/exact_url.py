"""URLs whose path goes out as it was written."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, urlsplit

from yarl import URL

_LEFT_ALONE = "/%:@!$&'()*+,;=~"


@lru_cache(512)
def exact_url(url: str) -> URL:
    """`url` with what is percent-encoded in its path left so.

    yarl decodes what need not be encoded. Amazon's model ids hold colons and slashes, and its signatures cover the path
    as it is sent.
    """
    parsed, path = URL(url), urlsplit(url).path
    if "%" not in path:
        return parsed
    exact = parsed.with_path(quote(path, safe=_LEFT_ALONE), encoded=True)
    return URL(f"{exact}?{parsed.raw_query_string}", encoded=True) if parsed.raw_query_string else exact
