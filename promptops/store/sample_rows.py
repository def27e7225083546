"""A sample as a row of the run store, and back: everything but keys as compact JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptops.models import Attempt, Failure, Reply, Sample, SampleKey, Turn, Usage

KEYS: Final = ("run", "prompt", "version", "pin", "case_id", "sample")
COLUMNS: Final = (
    *KEYS,
    *("request", "reply", "failure", "source", "cost", "latency", "recorded_at", "digest", "round", "attempts"),
)
SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM samples"  # noqa: S608 - our names

Row = tuple[Any, ...]


@functools.lru_cache(maxsize=128)
def upsert(count: int) -> str:
    """The one statement that writes `count` rows; a row of the same key is replaced.

    One, because `sqlite3` lets other threads run at each row of `executemany`, and then waits until it may go on.
    """
    row = f"({', '.join('?' * len(COLUMNS))})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEYS)
    return (
        f"INSERT INTO samples ({', '.join(COLUMNS)}) VALUES {', '.join([row] * count)} "  # noqa: S608 - our names
        f"ON CONFLICT ({', '.join(KEYS)}) DO UPDATE SET {changed}"
    )


def row_of(run: str, round_: int, sample: Sample) -> Row:
    """The values of `COLUMNS`."""
    key, reply, failure = sample.key, sample.reply, sample.failure
    earlier = {"earlier": [_turn_fields(turn) for turn in sample.earlier]} if sample.earlier else {}
    return (
        run,
        key.prompt,
        key.version,
        key.pin,
        key.case,
        key.index,
        sample.request,
        None if reply is None else dump({**_fields(reply), "usage": _fields(reply.usage), **earlier}),
        None if failure is None else dump({**_fields(failure), **earlier}),
        sample.source,
        sample.cost,
        None if reply is None else reply.latency,
        sample.recorded_at,
        sample.digest,
        round_,
        dump([_fields(attempt) for attempt in sample.attempts]) if sample.attempts else None,
    )


def sample_of(row: Sequence[Any]) -> Sample:
    """Read what `row_of` wrote."""
    _, prompt, version, pin, case, index, request, reply, failure, source, cost, _, recorded_at, digest, _, tries = row
    answered = None if reply is None else json.loads(reply)
    failed = None if failure is None else json.loads(failure)
    earlier = [turn for found in (answered, failed) if found for turn in found.pop("earlier", ())]
    return Sample(
        SampleKey(prompt, version, pin, case, index),
        request,
        reply=None if answered is None else _reply(answered),
        failure=None if failed is None else Failure(**failed),
        source=source,
        cost=cost,
        recorded_at=recorded_at,
        digest=digest,
        attempts=() if tries is None else tuple(Attempt(**attempt) for attempt in json.loads(tries)),
        earlier=tuple(_turn(turn) for turn in earlier),
    )


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple | set) else str(value)


#: ASCII only: half a character in a reply must not keep the batch from being written.
dump = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def _fields(record: Reply | Usage | Failure | Attempt | Turn) -> dict[str, Any]:
    """Like `asdict`, which would copy every tool call."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _turn_fields(turn: Turn) -> dict[str, Any]:
    return {**_fields(turn), "usage": _fields(turn.usage)}


def _turn(fields: dict[str, Any]) -> Turn:
    return Turn(**{**fields, "usage": Usage(**fields["usage"]), "problems": tuple(fields["problems"])})


def _reply(fields: dict[str, Any]) -> Reply:
    fields["usage"] = Usage(**fields["usage"])
    fields["tool_calls"] = tuple(fields["tool_calls"])
    fields["logprobs"] = tuple(fields.get("logprobs") or ())
    fields["deviations"] = tuple(fields.get("deviations") or ())
    return Reply(**fields)
