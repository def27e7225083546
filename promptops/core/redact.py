"""Removes keys and whatever a project's `redact` patterns match, before a text is shown or written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus

from promptops.core.regexes import TIME_LIMIT, compile_pattern
from promptops.errors import UsageError
from promptops.models import Json

REPLACEMENT = "[redacted]"
TOO_SLOW = "[redacted: a redact pattern took too long on this text]"
_MORE_SECRETS = frozenset({"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "PROMPTOPS_ISSUES_TOKEN"})
SHORTEST_SECRET = 8  # characters; anything shorter would tear ordinary words apart


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of all `*_API_KEY` variables, of what signs AWS requests, and of a drift job's secrets."""
    named = (value for name, value in sorted(environ.items()) if name.endswith("_API_KEY") or name in _MORE_SECRETS)
    return tuple(value for value in named if value)


class Redactor:
    """Replaces secrets and matches of patterns by `[redacted]`.

    `patterns` are regular expressions, applied in order; `secrets` are keys, found as they are and in the forms that
    errors quote them in (URL-encoded, escaped in JSON, base64, hexadecimal). Secrets under 8 characters are ignored.
    Redacting twice changes nothing more, as long as no pattern matches `[redacted]` itself. Raises `UsageError` for a
    broken pattern.
    """

    def __init__(self, patterns: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret.strip())}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self.patterns = tuple(dict.fromkeys(patterns))
        for pattern in self.patterns:
            try:
                compile_pattern(pattern)
            except ValueError as error:
                raise UsageError(f"redact: {error}") from None

    def text(self, text: str) -> str:
        """Return `text` without secrets; never raises, and takes at most a second for each pattern.

        Where a pattern takes longer, the whole text is replaced: what cannot be searched cannot be shown.
        """
        if self._secrets is not None:
            text = self._secrets.sub(REPLACEMENT, text)
        for pattern in self.patterns:
            try:
                text = compile_pattern(pattern).sub(_replacement, text, timeout=TIME_LIMIT)
            except TimeoutError:
                return TOO_SLOW
        return text

    def json(self, value: Json) -> Json:
        """Return `value` with every string in it, keys included, redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.json(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.json(item) for item in value]
        return value


def _replacement(match: re.Match[str]) -> str:
    """An empty match stays empty: a pattern such as `x*` must not write between all letters."""
    return REPLACEMENT if match.group() else ""


def _forms(secret: str) -> Iterator[str]:
    """Yield `secret` as it may stand in a URL, in JSON, in base64 (alone or inside `user:key`)."""
    if len(secret) < SHORTEST_SECRET:
        return
    yield from {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    data = secret.encode("utf-8", "surrogatepass")
    yield from {quote(data, safe=""), quote_plus(data), quote(data)}
    yield from {data.hex(), data.hex().upper()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data)
        # Only the characters that depend on no neighbour: what precedes and follows the secret is unknown.
        first, last = (0, 2, 3)[shift], len(encoded) - (4 if (shift + len(data)) % 3 else 0)
        inner = encoded[first:last].decode("ascii")
        if len(inner) >= SHORTEST_SECRET:
            yield from {inner, inner.replace("+", "-").replace("/", "_")}
