"""An issue tracker on loopback, as much of GitHub's and of GitLab's as their pages say; and a receiver of webhooks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Tracker:
    """`answers` come first, each once: a status, or a status and headers."""

    port: int = 0
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    authors: list[int] = field(default_factory=list)
    calls: list[tuple[str, str, Message, bytes]] = field(default_factory=list)
    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def github(self, token: str = "github-token") -> dict[str, str]:
        return {
            "PROMPTOPS_ISSUES_TOKEN": token,
            "GITHUB_REPOSITORY": "me/it",
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "17",
        }

    def gitlab(self, token: str = "gitlab-token") -> dict[str, str]:
        return {
            "PROMPTOPS_ISSUES_TOKEN": token,
            "CI_PROJECT_ID": "42",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_JOB_URL": "https://gitlab.example/me/it/-/jobs/17",
        }

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> tuple[int, Any]:
        """What either would answer; a token of the wrong kind is refused."""
        parts, github = urlsplit(target), target.startswith("/repos/me/it/issues")
        if not github and not target.startswith("/api/v4/projects/42/issues"):
            return (200, "ok") if method == "POST" else (404, {"message": "Not Found"})
        if (headers["authorization"] if github else headers["private-token"]) not in {
            "Bearer github-token",
            "gitlab-token",
        }:
            return 401, {"message": "Bad credentials"}
        number, opened = ("number", "open") if github else ("iid", "opened")
        asked, sent = parse_qs(parts.query), json.loads(body) if body else {}
        author = {"user" if github else "author": {"id": 7}}
        comment = re.search(rf"/(\d+)/{'comments' if github else 'notes'}$", parts.path)
        if method == "GET" and comment:
            here = [(by, text) for by, (number, text) in zip(self.authors, self.comments, strict=True)]
            return 200, [{"body": text, next(iter(author)): {"id": by}} for by, text in here]
        if method == "GET":
            assert asked["state"] == [opened]
            (label,) = asked["labels"]
            return 200, [i for i in self.issues if i["state"] == opened and label in i["labels"]]
        if comment:
            self.comments.append((int(comment[1]), sent["body"]))
            self.authors.append(7)
            return 201, {"id": 1}
        assert parts.path.endswith("/issues")
        labels = sent["labels"] if github else sent["labels"].split(",")
        text = sent["body"] if github else sent["description"]
        words = {"title": sent["title"], "text": text, "body" if github else "description": text}
        self.issues.append({number: len(self.issues) + 1, "state": opened, "labels": labels, **words, **author})
        return 201, self.issues[-1]


@contextmanager
def tracking() -> Iterator[Tracker]:
    tracker = Tracker()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Silent."""

        def _both(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            tracker.calls.append((self.command, self.path, self.headers, body))
            scripted = tracker.answers.pop(0) if tracker.answers else None
            more: dict[str, str] = {}
            if scripted is None:
                status, found = tracker.answer(self.command, self.path, self.headers, body)
            else:
                status, more = scripted if isinstance(scripted, tuple) else (scripted, {})
                found = {"message": "scripted"}
            text = json.dumps(found).encode()
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _both  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tracker.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield tracker
        finally:
            server.shutdown()
            thread.join()
