"""Where a request may go, and which key may go with it.

Keys come from `*_API_KEY` variables only. A known vendor's key goes to that vendor's hosts and nowhere else, whatever
a pull request writes into pyproject.toml; and nothing leaves this machine unencrypted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import Struct

from promptops.core.wire.vendors import KEY_HOSTS
from promptops.errors import ProviderError

_OUR_HEADERS = re.compile(
    r"authorization|proxy-.*|.*(api-?key|token|secret).*|cookie|host|connection|expect|te|upgrade|"
    r"content-.*|transfer-.*|accept|accept-encoding",
    re.IGNORECASE,
)


class Endpoint(Struct, frozen=True):
    """A checked base URL: `url` without a slash at its end; `loopback` says that it never leaves this machine."""

    url: str
    host: str
    secure: bool
    loopback: bool


@dataclass(frozen=True, slots=True)
class KeySource:
    """The environment variable that holds a key; the key itself is read when it is sent, and is in no repr."""

    variable: str
    environ: Mapping[str, str] = field(repr=False)

    def read(self, provider: str) -> str:
        """Return the key; raises `ProviderError("auth")` that names the variable where it is missing or no key."""
        key = self.environ.get(self.variable, "").strip()
        if not key:
            raise ProviderError(
                "auth", f"{provider}: ${self.variable} is not set; it must hold the key for this provider"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ProviderError("auth", f"{provider}: ${self.variable} holds something that cannot be a key")
        return key


def parse_endpoint(base_url: str) -> Endpoint:
    """Check a base URL; raises `ValueError` that says what is wrong with it."""
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise ValueError(f"{base_url!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _clean(base_url):
        raise ValueError(f"{base_url!r} is not a base URL: write https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a base URL must not hold a user or a password: name a key's variable with api_key_env")
    if parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} must end in its path: no ? and no #")
    loopback = _is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise ValueError(f"{base_url!r} is not encrypted: write https (http is for this machine only)")
    return Endpoint(base_url.rstrip("/"), host, parts.scheme == "https", loopback)


def check_key_goes_home(variable: str, endpoint: Endpoint) -> None:
    """Raise `ValueError` where a known vendor's key would be sent to a host that is not that vendor's."""
    hosts = KEY_HOSTS.get(variable)
    if hosts is None or any(endpoint.host == host or endpoint.host.endswith(f".{host}") for host in hosts):
        return
    raise ValueError(
        f"{variable} goes to {' or '.join(hosts)} only, not to {endpoint.host!r}: name another variable for its key"
    )


def check_header(name: str) -> None:
    """Raise `ValueError` for a header that the configuration may not set: those of keys, and of HTTP itself."""
    if _OUR_HEADERS.fullmatch(name):
        raise ValueError(f"headers may not set {name!r}: keys come from api_key_env, the rest is not for you to say")


def _clean(url: str) -> bool:
    return url.isascii() and url.isprintable() and not any(character in url for character in ' \\"<>^`{|}')


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
