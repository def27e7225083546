"""Opens one issue where a job of GitHub or GitLab runs: while it is open, the next alarm is a comment on it.

Sources: https://docs.github.com/rest/issues/issues, https://docs.github.com/rest/issues/comments,
https://docs.gitlab.com/api/issues/, https://docs.gitlab.com/api/notes/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from promptops.core.nightly.messages import Told, issue, mark
from promptops.runner.nightly.posting import Undelivered, address, again, secret, send

if TYPE_CHECKING:
    from promptops.times import Clock

TOKEN: Final = "PROMPTOPS_ISSUES_TOKEN"  # noqa: S105 - the variable's name
LABEL: Final = "promptops-drift"
"""By which the open issue is found: only people who belong to the project can give it to one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where issues are, and what each of the two calls things."""

    name: str
    issues: str
    headers: Mapping[str, str]
    run: str
    opened: str
    number: str
    author: str
    text: str
    comments: str
    written: Callable[[str, str], dict[str, Any]]


class Tracker:
    """The issues of the project that this job belongs to; raises `Undelivered` where a variable makes no sense."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        token = secret(environ, TOKEN, "it opens the issue")
        if environ.get("GITHUB_REPOSITORY"):
            self._place = _github(environ, token)
        elif environ.get("CI_PROJECT_ID"):
            self._place = _gitlab(environ, token)
        else:
            raise Undelivered(f"${TOKEN} is set, and this is no job of GitHub or GitLab", mistaken=True)
        self.name = self._place.name

    def tell(self, told: Sequence[Told], clock: Clock) -> str:
        """Open the issue, or comment on the open one; returns what was done, in words. Raises `Undelivered`."""
        return again(lambda: self._once(told), clock)

    def _once(self, told: Sequence[Told]) -> str:
        place = self._place
        found = self._open()  # each time: an attempt that failed on its way back may have opened it
        if found is None:
            opened = self._ask("POST", place.issues, place.written(*issue(told, place.run)))
            return f"opened issue {_number(opened, place.number) or ''}".rstrip()
        number = _number(found, place.number)
        fresh = self._unsaid(told, found)
        if not fresh:
            return f"issue {number} says it already"
        title, body = issue(fresh, place.run)
        self._ask("POST", f"{place.issues}/{number}/{place.comments}", {"body": f"{title}\n\n{body}"})
        return f"commented on issue {number}"

    def _open(self) -> Mapping[str, Any] | None:
        """The oldest open issue with the label."""
        place = self._place
        query = urlencode({"state": place.opened, "labels": LABEL, "per_page": 20})
        found = self._ask("GET", f"{place.issues}?{query}")
        numbers = {
            number: one
            for one in (found if isinstance(found, list) else [])
            if not _is_pull_request(one) and (number := _number(one, place.number)) is not None
        }
        return numbers[min(numbers)] if numbers else None

    def _unsaid(self, told: Sequence[Told], found: Mapping[str, Any]) -> list[Told]:
        """What neither the issue nor a comment on it tells of: a run that was cut off may have."""
        said = str(found.get(self._place.text) or "")
        left = [one for one in told if mark(one) not in said]
        said = self._comments(found) if left else ""
        return [one for one in left if mark(one) not in said]

    def _comments(self, found: Mapping[str, Any]) -> str:
        """What its author said below it: anybody else could hide an alarm by a comment."""
        place, author = self._place, _author(found, self._place)
        address = f"{place.issues}/{_number(found, place.number)}/{place.comments}?per_page=100"
        try:
            comments = self._ask("GET", address)
        except Undelivered:
            return ""  # then it is rather said twice than never
        listed = comments if isinstance(comments, list) else []
        return "\n".join(str(one.get("body")) for one in listed if author is not None and _author(one, place) == author)

    def _ask(self, method: str, url: str, fields: Mapping[str, Any] | None = None) -> Any:
        body = None if fields is None else json.dumps(fields).encode()
        answer = send(method, url, self._place.headers, body)
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise Undelivered("it answered with something else than JSON") from None


def _github(environ: Mapping[str, str], token: str) -> _Place:
    repository = _matching(environ, "GITHUB_REPOSITORY", r"[\w.-]{1,100}/[\w.-]{1,100}")
    server, run = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_RUN_ID", "")
    return _Place(
        name="github",
        issues=f"{address(environ, 'GITHUB_API_URL').rstrip('/')}/repos/{repository}/issues",
        headers={
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            **_HEADERS,
        },
        run=f"{server}/{repository}/actions/runs/{run}" if server and run else "",
        opened="open",
        number="number",
        author="user",
        text="body",
        comments="comments",
        written=lambda title, body: {"title": title, "body": body, "labels": [LABEL]},
    )


def _gitlab(environ: Mapping[str, str], token: str) -> _Place:
    project = _matching(environ, "CI_PROJECT_ID", r"\d{1,20}")
    return _Place(
        name="gitlab",
        issues=f"{address(environ, 'CI_API_V4_URL').rstrip('/')}/projects/{project}/issues",
        headers={"private-token": token, **_HEADERS},
        run=environ.get("CI_JOB_URL", ""),
        opened="opened",
        number="iid",
        author="author",
        text="description",
        comments="notes",
        written=lambda title, body: {"title": title, "description": body, "labels": LABEL},
    )


_HEADERS: Final = {"content-type": "application/json", "user-agent": "promptops"}


def _matching(environ: Mapping[str, str], variable: str, pattern: str) -> str:
    text = environ.get(variable, "")
    if not re.fullmatch(pattern, text, re.ASCII):
        raise Undelivered(f"${variable} is not what a job of this kind has", mistaken=True)
    return text


def _number(found: object, key: str) -> int | None:
    number = found.get(key) if isinstance(found, Mapping) else None
    return number if isinstance(number, int) and number > 0 else None


def _author(found: object, place: _Place) -> int | None:
    author = found.get(place.author) if isinstance(found, Mapping) else None
    return _number(author, "id")


def _is_pull_request(found: object) -> bool:
    return isinstance(found, Mapping) and "pull_request" in found
