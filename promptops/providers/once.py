"""One small request beside the samples: no retries, no redirects, bounded in time and size."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from promptops.errors import ProviderError
from promptops.providers.failures import of_status
from promptops.providers.keys import Endpoint
from promptops.providers.replies import excerpt

MAX_BODY: Final = 16 << 20  # bytes
TIMEOUT: Final = 20.0  # seconds for the whole of it


def ask_once(
    provider: str,
    endpoint: Endpoint,
    path: str,
    headers: Mapping[str, str],
    *,
    post: Mapping[str, Any] | None = None,
) -> bytes:
    """Get `path` below an endpoint, or post a JSON document to it, and return the body of the reply.

    Raises `ProviderError`, and nothing else, for whatever the endpoint does.
    """
    import httpx

    ends, body = time.monotonic() + TIMEOUT, bytearray()
    sent = {**headers, "accept": "application/json", "accept-encoding": "identity"}
    content = None
    if post is not None:
        sent["content-type"] = "application/json"
        content = json.dumps(post, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    try:
        with (
            httpx.Client(follow_redirects=False, timeout=TIMEOUT, trust_env=not endpoint.loopback) as client,
            client.stream(
                "GET" if post is None else "POST", endpoint.url + path, headers=sent, content=content
            ) as reply,
        ):
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise ProviderError("bad_reply", f"{provider}: the reply is packed, which was not asked for")
            for piece in reply.iter_raw():
                body += piece
                if len(body) > MAX_BODY:
                    raise ProviderError("bad_reply", f"{provider}: the reply has more than {MAX_BODY >> 20} MB")
                if time.monotonic() > ends:
                    raise ProviderError("timeout", f"{provider}: no whole reply within {TIMEOUT:g} s")
    except httpx.TimeoutException as error:
        raise ProviderError("timeout", f"{provider}: no whole reply within {TIMEOUT:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise ProviderError("connection", f"{provider}: {excerpt(str(error))}") from error
    if not 200 <= reply.status_code < 300:
        lower = {name.lower(): value for name, value in reply.headers.items()}
        raise of_status(reply.status_code, lower, bytes(body), provider=provider, model="", key=None)
    return bytes(body)
