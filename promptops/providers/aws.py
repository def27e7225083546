"""AWS credentials out of the environment, and the signature of a request by them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore does it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.errors import ProviderError

_HOST = re.compile(r"[a-z-]+\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:api\.)?(?:amazonaws\.com(?:\.cn)?|aws)")
# What is sent: the host's part is signed too, so that a signature is of no use to another host.
_SENT = ("authorization", "x-amz-date", "x-amz-security-token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the token of a session that has one."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Credentials:
        """Read `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.

        Raises `ProviderError("auth")` where the first two are not both there. Files and services that could hold
        credentials are not asked: keys come from the environment only.
        """
        access, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
        if not access.strip() or not secret.strip():
            raise ProviderError(
                "auth",
                "$AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY are not both set; "
                "`aws configure export-credentials --format env` prints those of a profile",
            )
        return cls(access.strip(), secret.strip(), environ.get("AWS_SESSION_TOKEN", "").strip() or None)


def region_of(host: str, environ: Mapping[str, str]) -> str:
    """Return the region in the host's name, else `AWS_REGION` or `AWS_DEFAULT_REGION`.

    Raises `ProviderError("request")` where nothing names one.
    """
    if found := _HOST.fullmatch(host):
        return found.group(1)
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ProviderError("request", f"neither the host {host!r} nor $AWS_REGION names a region")
    return region


def sign(url: str, body: bytes, credentials: Credentials, *, service: str, region: str) -> dict[str, str]:
    """Return the headers of signature version 4 for a POST of JSON, names lower-case."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Signer

    request = AWSRequest(method="POST", url=url, data=body, headers={"content-type": "application/json"})
    signer = Signer(credentials.access_key, credentials.secret_key, credentials.token)
    SigV4Auth(signer, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() in _SENT}
