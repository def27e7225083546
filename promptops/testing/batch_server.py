"""A real HTTP server on loopback that speaks the batch APIs of OpenAI and Anthropic, and keeps what it is given.

Sources: https://developers.openai.com/api/docs/guides/batch and
https://platform.claude.com/docs/en/build-with-claude/batch-processing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import Struct, field

from promptops.testing.answers import Answer
from promptops.testing.batch_replies import anthropic_line, anthropic_other, openai_expired, openai_line

Vendor = Literal["openai", "anthropic"]
Ending = Literal["completed", "expired", "cancelled", "failed"]
Fault = Literal["refuse", "drop", "drop after", "cut"]


class ServedBatch(Struct):
    """One batch as the server has it. `asked` are its requests by `custom_id`; `polls` counts questions after it."""

    name: str
    vendor: Vendor
    asked: dict[str, dict[str, Any]]
    created: datetime
    headers: dict[str, str]
    file: str = ""
    url: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    polls: int = 0
    ending: Ending | None = None
    cancelled: bool = False
    output: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


class BatchServer:
    """Serves batches on 127.0.0.1 while the `with` block lasts.

    ::

        with BatchServer(lambda asked: Answer("hi"), polls=2) as server:
            project.provider("acme", server.base_url)

    `answer` is a text, an `Answer` or a function of one request's body; an `Answer` with a status of 400 and up is an
    errored request. A batch ends at the question number `polls` (None: when `finish` is called), with `ending`; of one
    that ends otherwise than `completed` the first `worked_on` requests are answered. `fault` is asked for each HTTP
    request (`"POST /batches"`, and how often it came) what goes wrong: it is refused with 503, or the connection drops
    before or after it did its work, or the body is cut in the middle. `results_host` lies about where results are.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], Answer | str] | Answer | str = "ok",
        *,
        polls: int | None = 1,
        ending: Ending = "completed",
        worked_on: int = 0,
        fault: Callable[[str, int], Fault | None] = lambda _call, _times: None,
        results_host: str = "",
        port: int = 0,
    ) -> None:
        self._answer, self._polls, self._ending, self._worked_on = answer, polls, ending, worked_on
        self.fault, self._results_host, self._port = fault, results_host, port
        self.lock = threading.RLock()
        self.batches: dict[str, ServedBatch] = {}
        self.files: dict[str, bytes] = {}
        self.uploads: list[dict[str, str]] = []
        self.calls: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` must be: `http://127.0.0.1:<port>/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def paid(self) -> list[dict[str, Any]]:
        """Every request of every batch that was made: what a vendor would bill."""
        with self.lock:
            return [asked for batch in self.batches.values() for asked in batch.asked.values()]

    def finish(self, name: str, ending: Ending = "completed") -> None:
        """Let a batch come to its end now."""
        with self.lock:
            self._end(self.batches[name], ending)

    def start(self) -> Self:
        """Listen; raises `OSError` where the port is taken."""
        handler = type("Handler", (_Handler,), {"desk": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening. May be called twice."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what the calls do; `path` is below /v1

    def serve(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Do one call; returns status and body."""
        with self.lock:
            found = self._routed(method, path.strip("/").split("/"), query, headers, body)
        if found is None:
            return 404, json.dumps({"error": {"message": f"no such path: {method} {path}"}}).encode()
        return 200, found if isinstance(found, bytes) else json.dumps(found).encode()

    def _routed(
        self, method: str, path: list[str], query: str, headers: dict[str, str], body: bytes
    ) -> dict[str, Any] | bytes | None:
        match (method, *path):
            case ("POST", "files"):
                return self._upload(headers, body)
            case ("GET", "files", name, "content"):
                return self.files.get(name)
            case ("POST", "batches"):
                return self._create_openai(json.loads(body), headers)
            case ("POST", "messages", "batches"):
                return self._create_anthropic(json.loads(body), headers)
            case ("GET", "batches"):
                return self._page("openai", query)
            case ("GET", "messages", "batches"):
                return self._page("anthropic", query)
            case ("GET", "messages", "batches", name, "results"):
                return _jsonl(self.batches[name].output) if name in self.batches else None
            case ("GET", *_, "batches", name) if name in self.batches:
                return self._polled(self.batches[name])
            case ("POST", *_, "batches", name, "cancel") if name in self.batches:
                self.batches[name].cancelled = True
                return self._shown(self.batches[name])
        return None

    def _upload(self, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        parts = message_from_bytes(b"content-type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
        fields: dict[str, str] = {}
        name = f"file-{len(self.files) + 1}"
        for part in parts.get_payload():
            field_name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
            data = part.get_payload(decode=True)  # type: ignore[union-attr]
            if (filename := part.get_filename()) is not None:  # type: ignore[union-attr]
                self.files[name], fields["filename"] = data, filename  # type: ignore[assignment]
            else:
                fields[str(field_name)] = data.decode()  # type: ignore[union-attr]
        self.uploads.append(fields)
        return {"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": 0, **fields}

    def _create_openai(self, asked: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines() if line]
        batch = self._made("openai", {line["custom_id"]: line["body"] for line in lines}, headers)
        batch.file, batch.url, batch.metadata = asked["input_file_id"], asked["endpoint"], asked.get("metadata") or {}
        return self._shown(batch)

    def _create_anthropic(self, asked: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        return self._shown(
            self._made("anthropic", {row["custom_id"]: row["params"] for row in asked["requests"]}, headers)
        )

    def _made(self, vendor: Vendor, asked: dict[str, dict[str, Any]], headers: dict[str, str]) -> ServedBatch:
        name = f"{'batch' if vendor == 'openai' else 'msgbatch'}_{len(self.batches) + 1}"
        batch = self.batches[name] = ServedBatch(name, vendor, asked, datetime.now(UTC), headers)
        return batch

    def _page(self, vendor: Vendor, query: str) -> dict[str, Any]:
        """The newest first; `after` and `after_id` are not known to a server with so few."""
        shown = [self._shown(batch) for batch in reversed(self.batches.values()) if batch.vendor == vendor]
        shown = [] if "after" in query else shown
        return {"object": "list", "data": shown, "has_more": False, "first_id": None, "last_id": None}

    def _polled(self, batch: ServedBatch) -> dict[str, Any]:
        batch.polls += 1
        if batch.ending is None and batch.cancelled:
            self._end(batch, "cancelled")
        elif batch.ending is None and self._polls is not None and batch.polls >= self._polls:
            self._end(batch, self._ending)
        return self._shown(batch)

    def _end(self, batch: ServedBatch, ending: Ending) -> None:
        """Answer what is answered by then, in an order that is not that of the requests."""
        batch.ending = ending
        worked_on = len(batch.asked) if ending == "completed" else 0 if ending == "failed" else self._worked_on
        for place, (custom_id, asked) in reversed(list(enumerate(batch.asked.items()))):
            if place < worked_on:
                self._worked(batch, custom_id, asked)
            elif batch.vendor == "anthropic":
                batch.output.append(anthropic_other(custom_id, "canceled" if ending == "cancelled" else "expired"))
            elif ending == "expired":
                batch.errors.append(openai_expired(custom_id))

    def _worked(self, batch: ServedBatch, custom_id: str, asked: dict[str, Any]) -> None:
        said = self._answer(asked) if callable(self._answer) else self._answer
        answer = Answer(said) if isinstance(said, str) else said
        if batch.vendor == "anthropic":
            batch.output.append(anthropic_line(custom_id, answer, asked))
        else:
            lines = batch.output if answer.status < 400 else batch.errors
            lines.append(openai_line(custom_id, batch.url, answer, asked))

    def _shown(self, batch: ServedBatch) -> dict[str, Any]:
        return self._shown_openai(batch) if batch.vendor == "openai" else self._shown_anthropic(batch)

    def _shown_openai(self, batch: ServedBatch) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": batch.name,
            "object": "batch",
            "endpoint": batch.url,
            "errors": None,
            "input_file_id": batch.file,
            "completion_window": "24h",
            "status": batch.ending or ("cancelling" if batch.cancelled else "in_progress"),
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(batch.created.timestamp()),
            "request_counts": {
                "total": len(batch.asked),
                "completed": len(batch.output),
                "failed": len(batch.errors),
            },
            "metadata": batch.metadata,
        }
        for kind, lines in (("output", batch.output), ("error", batch.errors)):
            if batch.ending and lines:
                shown[f"{kind}_file_id"] = f"{batch.name}-{kind}"
                self.files[f"{batch.name}-{kind}"] = _jsonl(lines)
        if batch.ending == "failed":
            error = {
                "code": "model_not_found",
                "message": "The model does not exist.",
                "line": 1,
                "param": "body.model",
            }
            shown["errors"] = {"object": "list", "data": [error]}
        return shown

    def _shown_anthropic(self, batch: ServedBatch) -> dict[str, Any]:
        results = [line["result"]["type"] for line in batch.output]
        counts = {kind: results.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
        host = self._results_host or self.base_url.removesuffix("/v1")
        url = f"{host}/v1/messages/batches/{batch.name}/results"
        return {
            "id": batch.name,
            "type": "message_batch",
            "processing_status": "ended" if batch.ending else "canceling" if batch.cancelled else "in_progress",
            "request_counts": {"processing": len(batch.asked) - len(results), **counts},
            "created_at": batch.created.isoformat(),
            "expires_at": (batch.created + timedelta(hours=24)).isoformat(),
            "ended_at": batch.created.isoformat() if batch.ending else None,
            "cancel_initiated_at": batch.created.isoformat() if batch.cancelled else None,
            "archived_at": None,
            "results_url": url if batch.ending else None,
        }


class _Server(ThreadingHTTPServer):
    """Clients that are killed in the middle are what it is for: it says nothing of them."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Drop the connection."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    desk: BatchServer

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Say nothing."""

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        path = path.removeprefix("/v1")
        call = f"{method} {path}"
        with self.desk.lock:
            self.desk.calls.append(call)
            fault = self.desk.fault(call, self.desk.calls.count(call))
        if fault == "drop":
            self.close_connection = True
            return
        if fault == "refuse":
            self._send(503, b'{"error": {"message": "overloaded"}}')
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = self.desk.serve(method, path, query, headers, body)
        if fault == "drop after":
            self.close_connection = True
            return
        self._send(status, answer, cut=fault == "cut")

    def _send(self, status: int, body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


def _jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
