"""What a nightly job needs to know, whoever runs it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from promptops.formats import PROMPT_NAME_PATTERN

GREEN = "0|1|10|11"
"""Exit codes after which a job stays green: an issue, a webhook or a summary tells them. An outage is no failure.

A mistake of the configuration ends in 2, and so does an alarm that nobody is told of.
"""


_PLACE = re.compile(r"[\w./ @+=-]+")
"""Of a folder in a job: nothing else, for a shell, YAML and the expressions of GitHub and GitLab all read it."""
_NAME = re.compile(r"\w[\w./:@+-]*")
_BARE = re.compile(r"\.|[\w.][\w./-]*/[\w./-]*")

OR_LOST = '[ -e "$PROMPTOPS_DRIFT_STATE/state.jsonl" ] || exit "$code"'
"""Before a job is green where nobody else would say that its log is lost."""


class Job(Struct, frozen=True):
    """One nightly check of an environment, and the hourly readings of its calibration.

    `keys` are the variables with keys and addresses, to come from secrets; `keep` is how the log is kept, `state` the
    folder it is in, from the project's root `root`, and `home` the store folder; `folder` is the project's place below
    the repository. `requirement` is what is installed, `models` the local models that are pulled.
    """

    environment: str
    hour: int
    minute: int
    keys: tuple[str, ...]
    keep: str
    state: str
    store: str
    home: Path
    root: Path
    program: Path
    python: str
    requirement: str
    models: tuple[str, ...] = ()
    folder: str = "."
    image: str = ""
    flock: str | None = None

    @property
    def calibration_minute(self) -> int:
        """When in the hour the calibration is read: not when the night is."""
        return (self.minute + 30) % 60

    @property
    def night(self) -> str:
        """The command of the night."""
        return f"promptops drift --env {self.environment} --require-state"

    @property
    def hourly(self) -> str:
        """The command of the calibration."""
        return f"promptops drift calibrate --env {self.environment}"

    @property
    def install(self) -> str:
        """What makes the commands work on a machine that has nothing."""
        pulls = "".join(f" && promptops models pull {shlex.quote(name)}" for name in self.models)
        return f'pip install --quiet "{self.requirement}"{pulls}'

    @property
    def place(self) -> str:
        """The folder of the log from the repository's root."""
        return self.state if self.folder == "." else f"{self.folder}/{self.state}"

    def problems(self) -> Iterator[str]:
        """What would not be taken as it is written, in words: a name of something else, or a command."""
        if not re.fullmatch(PROMPT_NAME_PATTERN, self.environment):  # an environment's is of the same kind
            yield f"{self.environment!r} is no name of an environment"
        if self.image and not _NAME.fullmatch(self.image):
            yield f"--image {self.image!r} is no name of an image"
        yield from (f"{name!r} is no name of a local model" for name in self.models if not _NAME.fullmatch(name))
        if not str(self.root).isprintable():
            yield f"{str(self.root)!r} has characters that no line of a job may have: move the project"

    def problems_of_places(self) -> Iterator[str]:
        """The same of its folders, where the job is a file of YAML."""
        for what, place in (("the project's folder", self.folder), ("the log's", self.state), ("store", self.store)):
            if not _PLACE.fullmatch(place):
                yield f"{what}, {place!r}, is to have letters, digits, blanks and ./@+=-_ only: YAML and shells read it"
        if self.keep in {"cache", "artifact"} and (self.state.startswith("/") or ".." in self.state.split("/")):
            yield f"the log's folder, {self.state!r}, is not below the project: a job keeps no other by {self.keep}"


def scalar(text: str) -> str:
    """A place as YAML that is text, whatever it looks like."""
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class Writer(Struct, frozen=True):
    """A scheduler: what writes its text, how it can keep the log (the first by default), and where its file goes.

    `images`: it runs the job in a container.
    """

    write: Callable[[Job], str]
    keeps: tuple[str, ...]
    path: str = ""
    images: bool = False
