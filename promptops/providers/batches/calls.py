"""The calls around a batch: bounded in size and time, without redirects, with the key to one host only.

A call is made again where its failure can pass and nothing is paid twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, field

from promptops.errors import ProviderError
from promptops.providers.bodies import MAX_EXCUSE
from promptops.providers.failures import of_exception, of_status
from promptops.providers.keys import Endpoint, KeySource
from promptops.providers.replies import parse_object

if TYPE_CHECKING:
    import httpx

MAX_DOCUMENT: Final = 4 << 20  # bytes: a page of a list of batches is the longest
MAX_LINE: Final = 64 << 20  # bytes of one result: a reply of at most 16 MB, which JSON may write as four times that
MOST_LEFT_OUT: Final = 1 << 30  # bytes of a line that is too long, after which its end is not waited for
TIMEOUT: Final = 60.0  # seconds for one piece of a reply; for an upload, for one piece of it to be taken
TRIES: Final = 5
LONGEST_PAUSE: Final = 60.0  # seconds between two tries
SLOWEST: Final = 10_000.0  # bytes a second, after the first TIMEOUT seconds: slower is no answer
LONGEST: Final = 6 * 3600.0  # seconds for one reply, however much of it comes
_CAN_PASS: Final = frozenset({"connection", "timeout", "server", "rate_limit"})


class Calls(Struct):
    """Calls to one endpoint with one key. `sleep` waits seconds, `clock` counts them; `headers` go with every call."""

    provider: str
    endpoint: Endpoint
    key: KeySource | None
    headers: Callable[[str | None], Mapping[str, str]]
    sleep: Callable[[float], object] = time.sleep
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    more: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> dict[str, Any]:
        """Get one JSON object; tried again where the failure can pass."""
        return self._again(lambda: self._document("GET", path))

    def post(self, path: str, *, again: bool = False, **content: Any) -> dict[str, Any]:
        """Post what httpx calls `json`, `content` or `data` and `files`; only with `again` more than once."""

        def once() -> dict[str, Any]:
            return self._document("POST", path, **content)

        return self._again(once) if again else once()

    def lines(self, path: str) -> Iterator[bytes]:
        """Get the lines of a file, as they come; raises in the middle where it breaks off.

        A line that is too long is left out: it must not keep the others from coming. Raises where it has no end, and
        where the file ends in the middle of a line.
        """
        with self._sent("GET", path, accept="*/*") as reply:
            held, left_out = bytearray(), 0
            for piece in self._pieces(reply):
                _, newline, after = piece.partition(b"\n") if left_out else (b"", b"", piece)
                if left_out and not newline:
                    left_out += len(piece)
                    if left_out > MOST_LEFT_OUT:
                        raise ProviderError("bad_reply", f"{self.provider}: a line of the results has no end")
                    continue
                left_out = 0
                first, *others = after.split(b"\n")
                held += first
                if others:
                    yield from (line for line in (bytes(held), *others[:-1]) if line.strip())
                    held = bytearray(others[-1])
                if len(held) > MAX_LINE:
                    left_out, held = len(held), bytearray()
            if held.strip():
                yield self._whole(bytes(held))

    def _whole(self, line: bytes) -> bytes:
        """The last line, if it is one: a file that was cut off in the middle of it ends without a newline, too."""
        try:
            parse_object(line)
        except ProviderError:
            text = f"{self.provider}: the results break off in the middle of a line"
            raise ProviderError("bad_reply", text) from None
        return line

    def _pieces(self, reply: httpx.Response) -> Iterator[bytes]:
        """What comes, as it comes; raises where it trickles, or never ends."""
        began, received = self.clock(), 0
        for piece in reply.iter_bytes():
            received += len(piece)
            seconds = self.clock() - began
            if seconds > min(LONGEST, TIMEOUT + received / SLOWEST):
                text = f"{self.provider}: only {received:,} bytes of the reply came in {seconds:,.0f} s"
                raise ProviderError("timeout", text)
            yield piece

    def path_of(self, url: str) -> str | None:
        """Return where `url` points below this endpoint; None where it points anywhere else: no key goes there."""
        ours, theirs = urlsplit(self.endpoint.url), urlsplit(url)
        try:
            same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
        except ValueError:
            return None
        if not same or "@" in theirs.netloc or not theirs.path.startswith(f"{ours.path}/"):
            return None
        return theirs.path.removeprefix(ours.path) + (f"?{theirs.query}" if theirs.query else "")

    def _document(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with self._sent(method, path, **content) as reply:
            body = bytearray()
            for piece in self._pieces(reply):
                body += piece
                if len(body) > MAX_DOCUMENT:
                    raise ProviderError("bad_reply", f"{self.provider}: the reply is too long")
        try:
            return parse_object(body)
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self.provider}: {error}") from None

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        *,
        accept: str = "application/json",
        headers: Mapping[str, str] = {},
        **content: Any,
    ) -> Iterator[httpx.Response]:
        """Send one request; the reply has a status of success. Everything that httpx raises is translated."""
        import httpx

        key = self.key.read(self.provider) if self.key else None
        sent = {**self.headers(key), **headers, **self.more, "accept": accept, "accept-encoding": "identity"}
        url = self.endpoint.url + path
        try:
            with (
                httpx.Client(follow_redirects=False, timeout=TIMEOUT, trust_env=not self.endpoint.loopback) as client,
                client.stream(method, url, headers=sent, **content) as reply,
            ):
                if reply.headers.get("content-encoding", "identity") != "identity":
                    raise ProviderError("bad_reply", f"{self.provider}: the reply is packed, which was not asked for")
                if not reply.is_success:
                    raise self._refused(reply)
                yield reply
        except ProviderError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise of_exception(error, provider=self.provider, url=self.endpoint.url) from error

    def _refused(self, reply: httpx.Response) -> ProviderError:
        said = bytearray()
        for piece in self._pieces(reply):
            said += piece[: MAX_EXCUSE - len(said)]
            if len(said) >= MAX_EXCUSE:
                break
        headers = {name.lower(): value for name, value in reply.headers.items()}
        variable = self.key.variable if self.key else None
        return of_status(
            reply.status_code, headers, said, provider=self.provider, model=reply.request.url.path, key=variable
        )

    def _again(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for tried in range(1, TRIES + 1):
            try:
                return call()
            except ProviderError as error:
                if error.kind not in _CAN_PASS or tried == TRIES:
                    raise
                pause = 2.0 ** (tried - 1) * (0.5 + self.chance() / 2)
                self.sleep(min(LONGEST_PAUSE, max(pause, error.retry_after or 0.0)))
        raise AssertionError("the last try returns or raises")
