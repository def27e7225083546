from __future__ import annotations

import pytest

from promptops.core.select import Selector, default_selection, parse_selector, resolve
from promptops.errors import UsageError
from promptops.formats import Entry, Environment, Manifest

VERSIONS = {"booking": ("v1", "v2", "v10"), "sentiment": ("v1", "v2"), "empty": ()}


def entry(version: str) -> Entry:
    return Entry(version=version, digest="sha256:" + "0" * 64, pin="a/b", how="adopted", at="2026-01-01T00:00:00Z")


MANIFEST = Manifest(
    environments={
        "production": Environment(prompts={"booking": entry("v2"), "sentiment": entry("v2")}),
        "staging": Environment(prompts={"booking": entry("v1")}),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("booking", Selector("booking", "prompt", prompt="booking")),
        ("booking@v3", Selector("booking@v3", "version", prompt="booking", version="v3")),
        ("booking@production", Selector("booking@production", "served", prompt="booking", environment="production")),
        ("env:staging", Selector("env:staging", "environment", environment="staging")),
        ("candidate", Selector("candidate", "candidate")),
        ("all", Selector("all", "all")),
    ],
)
def test_every_form_is_read(text: str, expected: Selector) -> None:
    assert parse_selector(text) == expected


@pytest.mark.parametrize("text", ["", "@v1", "booking@", "Booking", "env:", "a@b@c", "../x", "booking@v1\n", "@x"])
def test_what_is_no_selector_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match="is not a selector: write booking, booking@v3"):
        parse_selector(text)


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([], ["booking@v1", "booking@v2", "booking@v10", "sentiment@v2"]),
        (["booking"], ["booking@v1", "booking@v2", "booking@v10"]),
        (["booking@v1", "booking@v1"], ["booking@v1"]),
        (["booking@staging"], ["booking@v1"]),
        (["env:production"], ["booking@v2", "sentiment@v2"]),
        (["candidate"], ["booking@v10"]),
        (["all"], ["booking@v1", "booking@v2", "booking@v10", "sentiment@v1", "sentiment@v2"]),
    ],
)
def test_selectors_resolve_to_versions_in_numeric_order(selectors: list[str], expected: list[str]) -> None:
    assert [f"{prompt}@{version}" for prompt, version in resolve(selectors, VERSIONS, MANIFEST)] == expected


def test_the_environment_narrows_what_counts_as_served() -> None:
    assert ("booking", "v1") not in default_selection(VERSIONS, MANIFEST, "production")


def test_a_served_version_without_a_file_is_still_selected() -> None:
    assert resolve(["booking@v2"], {"booking": ("v3",)}, MANIFEST) == [("booking", "v2")]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("bookin", "no prompt named 'bookin', did you mean 'booking'"),
        ("booking@v3", r"no version of 'booking' named 'v3' \(there is: v1, v2, v10\)"),
        ("booking@prod", "no environment named 'prod'"),
        ("sentiment@staging", "'staging' serves no version of 'sentiment'"),
    ],
)
def test_what_does_not_exist_is_named_with_its_nearest_match(selector: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve([selector], VERSIONS, MANIFEST)
