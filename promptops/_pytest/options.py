"""The command-line options of one run, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct, field

from promptops.models import Caps, Mode, Pin
from promptops.runner.resuming import Resume


class Options(Struct, frozen=True):
    """What was asked for; None means that the option was not given."""

    mode: Mode
    select: tuple[str, ...] = ()
    changed: bool = False
    base: str | None = None
    accept: bool = False
    model: Pin | None = None
    samples: int | None = None
    concurrency: int | None = None
    caps: Caps = field(default_factory=Caps)
    reports: tuple[Path, ...] = ()
    resume: Resume = field(default_factory=Resume)
    cache: bool | None = None


def read_options(config: pytest.Config) -> Options:
    """Read and check the options; raises `pytest.UsageError` for what makes no sense together."""
    get = config.getoption
    folder = config.invocation_params.dir
    options = Options(
        mode=get("promptops_mode") or "replay",
        select=tuple(get("promptops_select") or ()),
        changed=bool(get("promptops_changed")) or get("promptops_base") is not None,
        base=get("promptops_base"),
        accept=bool(get("promptops_accept")),
        model=_pin(get("promptops_model")),
        samples=get("promptops_samples"),
        concurrency=get("promptops_concurrency"),
        caps=Caps(get("promptops_budget"), get("promptops_budget_tokens"), get("promptops_budget_requests")),
        reports=tuple(folder / path for path in get("promptops_report") or ()),
        resume=Resume(never=bool(get("promptops_no_resume")), demanded=bool(get("promptops_resume"))),
        cache=False if get("promptops_no_cache") else None,
    )
    _check(options)
    return options


def _pin(text: str | None) -> Pin | None:
    try:
        return Pin.parse(text) if text is not None else None
    except ValueError as error:
        raise pytest.UsageError(f"--promptops-model: {error}") from None


def _check(options: Options) -> None:
    if options.resume.demanded and (options.resume.never or options.mode == "replay"):
        raise pytest.UsageError(
            "--promptops-resume goes on with a run that asked: leave --promptops-no-resume out, and choose the mode it "
            "had, with --promptops-mode new, record or live"
        )
    if options.accept and options.mode == "live":
        raise pytest.UsageError(
            "--promptops-accept needs recordings, and --promptops-mode live writes none: use replay, new or record"
        )
    if options.accept and options.model is not None:
        raise pytest.UsageError(
            "--promptops-accept accepts outcomes of the pin that the version names: leave --promptops-model out, "
            "or write a new version with that pin"
        )
