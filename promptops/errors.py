"""Every exception that promptops raises.

::

    PromptopsError                 exit code 2 unless a subclass says otherwise
    ├── UsageError                 an option, a selector or a name makes no sense here
    │   └── ModelFileError         a local model's file is missing, another one, or cannot be fetched
    ├── ProblemsError              one or many problems of files, each with path and line
    │   └── ConfigError            … of [tool.promptops] in pyproject.toml
    ├── TemplateRefused            rendering hit the sandbox, a cap or a missing variable
    ├── OutputInvalid              a reply does not satisfy the output contract (Python API only)
    ├── UserCodeError              schema.py or a Python check could not be loaded
    ├── MissingExtra               an optional dependency is not installed
    ├── GitError                   no git, no repository, a shallow clone, dirty files
    ├── StoreError                 a recording file or the run store cannot be read or written
    ├── PromotionRefused           exit 1: the environment's policy is not satisfied
    └── ProviderError              exit 10: a request could not be answered; `.kind` says why

An error carries data and words its own message: what happened, to which object, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

FailureKind = Literal[
    "connection",  # refused, reset, DNS, TLS
    "timeout",  # a deadline of ours passed
    "rate_limit",  # 429
    "server",  # 5xx, 529
    "outage",  # the endpoint failed so often that it is not asked any more
    "auth",  # 401, 403 or no key
    "request",  # other 4xx: this request can never succeed
    "not_found",  # 404: the model is retired or misspelt
    "bad_reply",  # the body is not what the wire format promises
    "identity",  # another model answered, or a gateway's cache or fallback did
    "budget",  # the cap was reached before this request
    "cancelled",  # the run ended first
    "template",  # the prompt could not be rendered for this case
    "missing_recording",
    "stale_recording",  # the request changed since it was recorded
    "edited_recording",  # the line does not match its own digest
    "unreadable_recordings",  # the file is malformed
]


class PromptopsError(Exception):
    """The root of every error that promptops raises on purpose."""

    exit_code = 2


class UsageError(PromptopsError):
    """An option, a selector or a name that makes no sense here."""


class ModelFileError(UsageError):
    """The file of a local model is missing, is another one, or cannot be fetched."""


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong with one file.

    `path` is relative to the project root where possible, `line` counts from 1 (0: the file as a whole), `hint`
    says what to do. A `warning` is unwise, not wrong.
    """

    path: str
    line: int
    message: str
    hint: str = ""
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        level = "warning: " if self.level == "warning" else ""
        return f"{where}: {level}{self.message}" + (f"\n    {self.hint}" if self.hint else "")


class ProblemsError(PromptopsError):
    """All problems found in one go; `problems` is sorted by path and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(ProblemsError):
    """`[tool.promptops]` in pyproject.toml is wrong."""


class TemplateRefused(PromptopsError):
    """A template could not be rendered: the sandbox, a cap or a missing variable stopped it."""

    def __init__(self, message: str, *, path: str = "", line: int = 0) -> None:
        self.path, self.line, self.reason = path, line, message
        where = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(where + message)


class OutputInvalid(PromptopsError):
    """A reply's text does not satisfy the output contract; `text` is the reply, `problems` say where it fails."""

    exit_code = 1

    def __init__(self, what: str, problems: Sequence[str], *, text: str) -> None:
        self.problems, self.text = tuple(problems), text
        super().__init__("\n".join([f"{what} does not satisfy the output contract", *(f"  - {p}" for p in problems)]))


class UserCodeError(PromptopsError):
    """Python of the repository (schema.py, a check) could not be loaded; `detail` is its traceback."""

    def __init__(self, reference: str, message: str, *, detail: str = "") -> None:
        self.reference, self.detail = reference, detail
        super().__init__(f"{reference}: {message}" + (f"\n{detail}" if detail else ""))


class MissingExtra(PromptopsError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, why: str) -> None:
        self.extra = extra
        super().__init__(f"{why} needs an optional part: pip install 'pytest-promptops[{extra}]'")


class GitError(PromptopsError):
    """git is missing, refused, or the repository is not in a state this needs."""


class StoreError(PromptopsError):
    """A recording file or the run store cannot be read or written."""


class PromotionRefused(PromptopsError):
    """The environment's policy is not satisfied; `missing` lists what, `command` is how to get it."""

    exit_code = 1

    def __init__(self, what: str, missing: Sequence[str], *, command: str = "") -> None:
        self.missing, self.command = tuple(missing), command
        lines = [what, *(f"  - {item}" for item in missing)]
        super().__init__("\n".join(lines) + (f"\nNext: {command}" if command else ""))


class ProviderError(PromptopsError):
    """A request could not be answered: never a failed check, always unmeasurable.

    `status` is the HTTP status where there was one, `retry_after` seconds where the server named them.
    """

    exit_code = 10

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.kind: FailureKind = kind
        self.status, self.retry_after = status, retry_after
        super().__init__(message)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `", did you mean 'x'?"` for the nearest choice, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
