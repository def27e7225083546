"""Who reads a test reads what it tests, what it takes for granted, what it promises, and whose it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptops.core import statistics

STATED = ("h0", "assum", "guarantee", "source")


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions, and classes that are fed with observations."""
    for module in pkgutil.iter_modules(statistics.__path__):
        found = importlib.import_module(f"{statistics.__name__}.{module.name}")
        for name, thing in vars(found).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != found.__name__:
                continue
            decides = (
                inspect.isclass(thing) and hasattr(thing, "add") and name != "Worse"
            )  # the protocol of two of them
            if inspect.isfunction(inspect.unwrap(thing)) or decides:
                yield f"{module.name}.{name}", thing


@pytest.mark.parametrize(("name", "thing"), list(public()))
def test_it_states_hypothesis_assumptions_guarantee_and_source(name: str, thing: Callable[..., Any]) -> None:
    text = (inspect.getdoc(inspect.unwrap(thing)) or "").casefold()
    assert [word for word in STATED if word not in text] == [], name


def test_there_are_all_of_them() -> None:
    names = {name for name, _ in public()}
    assert len(names) >= 40
    assert {"trial.Trial", "sign_test.SequentialSignTest", "planning.detectable_drop", "tango.tango_score"} <= names
