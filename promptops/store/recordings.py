"""Samples in git: `fixtures/<prompt>/recordings/<version>/<pin>.jsonl`, found by case, sample and request digest."""

from __future__ import annotations

import heapq
import shlex
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core.digest import short_digest
from promptops.errors import Problem, ProblemsError, StoreError
from promptops.models import Failure, Json, Pin, PlannedSample, Sample, SampleKey, Turn
from promptops.store.atomic import locked, write_parts
from promptops.store.recording_index import IndexedLines
from promptops.store.recording_lines import (
    MAX_FILE,
    Line,
    fields_of,
    is_too_deep,
    line_digest,
    parse_lines,
    render_line,
    sample_of,
)
from promptops.times import timestamp

__all__ = [
    "Recordings",
    "TextRedactor",
    "line_digest",
    "load",
    "recordings_path",
    "redacted",
    "write",
]


HELD_BYTES: Final = 8 << 20  # of a file whose lines are held in memory, about 20,000 of them


class TextRedactor(Protocol):
    """What removes secrets and `redact:` matches before anything is judged, digested or written."""

    def text(self, text: str, /) -> str: ...

    def json(self, value: Any, /) -> Any: ...


def recordings_path(fixtures_dir: Path, prompt: str, version: str, pin: Pin | str) -> Path:
    """The file that holds the samples of one version of one prompt with one pin."""
    name = (pin if isinstance(pin, Pin) else Pin.parse(pin)).file_name
    return fixtures_dir / prompt / "recordings" / version / f"{name}.jsonl"


class Recordings(Struct, frozen=True):
    """The recorded samples of one version and pin; empty where the file does not exist.

    `shown` is how messages name the file, `lines` maps (case, sample index) to the line. Those of a large file are read
    when they are asked for; that one of them is malformed may be found only then, as a `ProblemsError`.
    """

    path: Path
    shown: str
    lines: Mapping[tuple[str, int], Line] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def find(self, planned: PlannedSample, *, options: str = "") -> Sample:
        """Return the recorded sample for `planned`, or a sample whose failure says why there is none.

        `options` are further pytest options that the command in a hint needs, such as `--promptops-model PIN`.
        Failures: `missing_recording`; `edited_recording`; `stale_recording` where the request of a released version
        changed. A changed request of a version that is not released is a missing recording: nobody relies on it yet.
        """
        line = self.lines.get((planned.key.case, planned.key.index))
        if line is None:
            failure = self._missing(planned, options)
        elif not line.intact:
            failure = self._edited(line, planned, options)
        elif line.fields["request"] != planned.digest:
            failure = self._changed(line, planned, options)
        else:
            return sample_of(planned.key, line.fields)
        return Sample(planned.key, planned.digest, failure=failure, source="recorded")

    def otherwise_asked(self, planned: PlannedSample, found: Sample, *, options: str = "") -> Sample:
        """The failure of a recorded sample after which today something else would be asked, by its output contract."""
        line = self.lines[planned.key.case, planned.key.index]
        what = "would be asked again otherwise" if found.earlier else "would be asked again"
        message = (
            f"{self.shown}:{line.number}: the output contract finds the answer invalid, and the model {what} today"
        )
        if planned.released:
            failure = Failure("stale_recording", message, _record_and_accept(planned, options))
        else:
            failure = Failure("missing_recording", message, _command("new", planned, options))
        return Sample(planned.key, planned.digest, failure=failure, source="recorded")

    def samples(self) -> Iterator[Sample]:
        """All recorded samples by case and index, whatever the request is today; an edited line is a failure."""
        prompt, version, pin = _named_by(self.path)
        for case, index in self.lines if isinstance(self.lines, IndexedLines) else sorted(self.lines):
            key, line = SampleKey(prompt, version, pin, case, index), self.lines[case, index]
            if line.intact:
                yield sample_of(key, line.fields)
            else:
                failure = Failure("edited_recording", self._edited_message(line), self._restore())
                yield Sample(key, line.fields["request"], failure=failure, source="recorded")

    def edited(self) -> list[Problem]:
        """Every line that does not match its own digest, or is malformed."""
        hint = "restore the line from git, or record it again"
        found: list[Problem] = []
        for key in self.lines:
            try:
                if not (line := self.lines[key]).intact:
                    found.append(Problem(self.shown, line.number, "was edited after it was recorded", hint))
            except ProblemsError as error:
                found += error.problems
        return sorted(found)

    def _missing(self, planned: PlannedSample, options: str) -> Failure:
        key = planned.key
        others = (key.case, 1) in self.lines
        which = f"sample {key.index} of case {key.case!r}" if others or key.index else f"case {key.case!r}"
        why = f"{which} of {key.prompt}@{key.version} is not recorded with {key.pin}"
        return Failure("missing_recording", why, _command("new", planned, options))

    def _changed(self, line: Line, planned: PlannedSample, options: str) -> Failure:
        then, now = short_digest(line.fields["request"]), short_digest(planned.digest)
        when = line.fields["recorded_at"]
        message = (
            f"{self.shown}:{line.number}: the request changed since it was recorded on {when} ({then} then, {now} now)"
        )
        if planned.released:
            why = "; its version is frozen, so its case changed, or it was recorded before the release"
            return Failure("stale_recording", message + why, _record_and_accept(planned, options))
        return Failure("missing_recording", message, _command("new", planned, options))

    def _edited(self, line: Line, planned: PlannedSample, options: str) -> Failure:
        again = _record_and_accept(planned, options) if planned.released else _command("record", planned, options)
        return Failure("edited_recording", self._edited_message(line), f"{self._restore()}   or   {again}")

    def _restore(self) -> str:
        return f"git restore -- {shlex.quote(self.shown)}"

    def _edited_message(self, line: Line) -> str:
        return f"{self.shown}:{line.number}: the line was edited: it does not match its own digest"


def load(path: Path, *, root: Path | None = None) -> Recordings:
    """Read a recordings file; a missing one is empty. Messages name it relative to `root`.

    The lines of a file of more than `HELD_BYTES` stay in it. Raises `ProblemsError` with every malformed line,
    `StoreError` where the file cannot be read, is not a plain file or has a neighbour whose name differs only in case.
    """
    shown = _shown(path, root)
    _refuse_twins(path, shown)
    return Recordings(path, shown, _lines_of(path, shown))


def write(
    path: Path,
    samples: Iterable[Sample],
    *,
    replace: bool = False,
    redactor: TextRedactor | None = None,
    recorded_at: str | None = None,
) -> tuple[Sample, ...]:
    """Record the samples that have a reply and return them as they now stand in the file, with their digests.

    They are merged by (case, sample) with what is there; with `replace` every other line is dropped, except that of a
    sample that was asked for in `samples` and failed. Nothing is written where no sample has a reply. The file is
    sorted, written whole, and locked against other writers meanwhile; lines that stay keep every byte.

    `redactor` acts first; leave it out for samples that went through `redacted`. `recorded_at` is ISO 8601 in UTC
    (default: now).

    Raises `StoreError` where the file cannot be written, `ProblemsError` where a merge meets a malformed file,
    `ValueError` for samples of another prompt, version or pin.
    """
    asked = {(s.key.case, s.key.index): redacted(s, redactor) for s in samples if _belongs(s.key, path)}
    moment = recorded_at or timestamp(datetime.now(UTC))
    new = {key: fields_of(sample, recorded_at=moment) for key, sample in asked.items() if sample.reply is not None}
    if not new:
        return ()
    with locked(path):
        kept = _lines_to_keep(path, frozenset(asked) if replace else None, rewritten=new.keys())
        written = ((key, render_line(fields).encode("utf-8")) for key, fields in sorted(new.items()))
        write_parts(path, (line + b"\n" for _, line in heapq.merge(kept, written)))
    return tuple(sample_of(asked[key].key, fields) for key, fields in sorted(new.items()))


def redacted(sample: Sample, redactor: TextRedactor | None = None) -> Sample:
    """The sample as a recording would give it back: what live judging must see so that replay equals live.

    Secrets are gone, half characters (unpaired surrogates) are U+FFFD and latency is rounded to a microsecond. A reply
    that JSON cannot hold (NaN in a tool call) becomes the failure `bad_reply`.
    """
    if sample.earlier:
        sample = replace(sample, earlier=tuple(_clean_turn(turn, redactor) for turn in sample.earlier))
    reply = sample.reply
    if reply is None:
        return sample
    try:
        calls = _clean_calls(reply.tool_calls, redactor) if reply.tool_calls else ()
    except (ValueError, TypeError, RecursionError) as error:
        failure = Failure("bad_reply", f"a tool call in the reply is not JSON: {error}")
        return replace(sample, reply=None, failure=failure)
    text = _clean_text(reply.text, redactor)
    cleaned = {
        "text": text,
        "logprobs": reply.logprobs if text == reply.text else (),  # a secret stands in its tokens, piece by piece
        "tool_calls": calls,
        "finish_reason": None if reply.finish_reason is None else _clean_text(reply.finish_reason, redactor),
        "served_model": None if reply.served_model is None else _clean_text(reply.served_model, redactor),
        "latency": round(reply.latency, 6),
    }
    changed: dict[str, Any] = {name: value for name, value in cleaned.items() if value != getattr(reply, name)}
    return replace(sample, reply=replace(reply, **changed)) if changed else sample


def _clean_turn(turn: Turn, redactor: TextRedactor | None) -> Turn:
    named = {
        name: _clean_text(text, redactor) for name in ("finish_reason", "served_model") if (text := getattr(turn, name))
    }
    problems = tuple(_clean_text(problem, redactor) for problem in turn.problems)
    changed: dict[str, Any] = {**named, "text": _clean_text(turn.text, redactor), "problems": problems}
    return replace(turn, **changed, latency=round(turn.latency, 6))


def _clean_calls(calls: Iterable[Mapping[str, Json]], redactor: TextRedactor | None) -> tuple[Any, ...]:
    """Raises `ValueError`, `TypeError` or `RecursionError` for what JSON cannot hold."""
    cleaned = tuple(_clean(dict(call), redactor) for call in calls)
    if is_too_deep(cleaned):
        raise ValueError("it is nested too deeply")
    render_line({"tool_calls": cleaned})
    return cleaned


def _command(mode: str, planned: PlannedSample, options: str) -> str:
    select = f"{planned.key.prompt}@{planned.key.version}"
    return f"pytest --promptops --promptops-mode {mode} --promptops-select {select}" + (
        f" {options}" if options else ""
    )


def _record_and_accept(planned: PlannedSample, options: str) -> str:
    return f"{_command('record', planned, options)} --promptops-accept"


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()


def _named_by(path: Path) -> tuple[str, str, str]:
    """Prompt, version and pin, which a recordings path spells out."""
    return path.parent.parent.parent.name, path.parent.name, unquote(path.name.removesuffix(".jsonl"))


def _belongs(key: SampleKey, path: Path) -> bool:
    if (key.prompt, key.version, key.pin) != (named := _named_by(path)):
        raise ValueError(f"a sample of {key} does not belong into the recordings of {named}")
    return True


def _lines_of(path: Path, shown: str) -> Mapping[tuple[str, int], Line]:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{shown} is not a plain file: recordings are read from plain files only")
        if found.st_size > MAX_FILE:
            raise ProblemsError([Problem(shown, 0, f"is larger than {MAX_FILE >> 30} GB", "restore the file from git")])
        if found.st_size > HELD_BYTES:
            return IndexedLines(path, shown=shown)
        return {line.key: line for line in parse_lines(path.read_bytes(), path=shown)}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{shown} cannot be read: {error.strerror or error}") from error


def _refuse_twins(path: Path, shown: str) -> None:
    """Some file systems take two names that differ only in case for one: such a checkout would mix two pins."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return
    folded = path.name.casefold()
    if twins := sorted(name for name in names if name != path.name and name.casefold() == folded):
        raise StoreError(
            f"{shown} and {twins[0]!r} beside it differ only in upper and lower case, which not every file "
            "system keeps apart: remove the one whose pin is misspelt"
        )


def _lines_to_keep(
    path: Path, only: Collection[tuple[str, int]] | None, *, rewritten: Collection[tuple[str, int]]
) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The lines of a file as they stand in it, sorted: those in `only` (None: all) that are not `rewritten`."""
    try:
        old = load(path).lines
    except ProblemsError:
        if only is None:
            raise
        return iter(())  # a full record is what mends a broken file
    lines = old.raw() if isinstance(old, IndexedLines) else ((key, old[key].raw.strip()) for key in sorted(old))
    return ((key, raw) for key, raw in lines if key not in rewritten and (only is None or key in only))


def _clean(value: Json, redactor: TextRedactor | None) -> Any:
    return _whole(value if redactor is None else redactor.json(value))


def _clean_text(text: str, redactor: TextRedactor | None) -> str:
    return str(_whole(text if redactor is None else redactor.text(text)))


def _whole(value: Any) -> Any:
    """The value with every unpaired surrogate, which UTF-8 cannot hold, replaced."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value
