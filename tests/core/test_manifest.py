from __future__ import annotations

import pytest

from promptops.core.manifest import KEPT, check_environment, policy, rollback, serve, serving
from promptops.errors import UsageError
from promptops.formats import Environment, Manifest, Served


def served(version: str, how: str = "promoted") -> Served:
    digest = "sha256:" + version[1:].rjust(64, "0")
    return Served.model_validate(
        {"version": version, "digest": digest, "pin": "a/b", "how": how, "at": f"2026-01-{int(version[1:]):02}"}
    )


def after(*versions: str) -> Manifest:
    manifest = Manifest()
    for version in versions:
        manifest = serve(manifest, "production", "booking", served(version))
    return manifest


def now(manifest: Manifest) -> tuple[str, list[str]]:
    entry = serving(manifest, "production", "booking")
    assert entry is not None
    return entry.version, [item.version for item in entry.previous]


def test_what_was_served_before_is_kept_newest_first() -> None:
    assert now(after("v1", "v2", "v3")) == ("v3", ["v2", "v1"])


def test_the_last_ten_are_kept() -> None:
    version, previous = now(after(*(f"v{number}" for number in range(1, 14))))
    assert (version, len(previous), previous[-1]) == ("v13", KEPT, "v3")


def test_other_prompts_environments_and_policies_are_left_alone() -> None:
    manifest = Manifest(
        environments={"production": Environment(require="run", after="staging"), "staging": Environment()}
    )
    manifest = serve(serve(manifest, "production", "booking", served("v1")), "staging", "other", served("v2"))
    assert policy(manifest, "production").require == "run"
    assert policy(manifest, "production").after == "staging"
    assert serving(manifest, "staging", "booking") is None
    assert serving(manifest, "nowhere", "booking") is None


def test_a_rollback_serves_what_was_served_before() -> None:
    manifest = rollback(after("v1", "v2", "v3"), "production", "booking", at="2026-02-01")
    entry = serving(manifest, "production", "booking")
    assert entry is not None
    assert now(manifest) == ("v2", ["v3", "v2", "v1"])
    assert (entry.how, entry.reason, entry.evidence, entry.digest) == (
        "rolled-back",
        "rolled back from v3",
        None,
        served("v2").digest,
    )


def test_rolling_back_again_never_returns_to_the_bad_version() -> None:
    manifest = after("v1", "v2", "v3")
    for expected in ("v2", "v1"):
        manifest = rollback(manifest, "production", "booking", at="2026-02-01")
        assert now(manifest)[0] == expected
    with pytest.raises(
        UsageError, match=r"served nothing of 'booking' before v1: name what to serve with --to \(v2, v3\)"
    ):
        rollback(manifest, "production", "booking", at="2026-02-01")


def test_a_rollback_may_name_any_version_served_before() -> None:
    assert now(rollback(after("v1", "v2", "v3"), "production", "booking", at="x", to="v1"))[0] == "v1"


@pytest.mark.parametrize(
    ("manifest", "to", "message"),
    [
        (Manifest(), None, "serves no version of 'booking': there is nothing to roll back"),
        (after("v1"), None, "served nothing of 'booking' before v1: promote another version"),
        (after("v1", "v2"), "v2", "serves booking v2 already"),
        (after("v1", "v2"), "v7", r"did not serve booking v7 among its last 10.*\(it served: v1\)"),
    ],
)
def test_a_rollback_to_nowhere_is_refused(manifest: Manifest, to: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rollback(manifest, "production", "booking", at="x", to=to)


def test_a_misspelt_environment_is_refused_with_the_nearest_one() -> None:
    manifest = Manifest(environments={"staging": Environment()})
    check_environment(manifest, "staging", "production")
    check_environment(manifest, "production", "production")
    with pytest.raises(UsageError, match="no environment 'prodution', did you mean 'production'"):
        check_environment(manifest, "prodution", "production")


def test_what_was_rolled_back_to_stays_among_the_last_ten() -> None:
    manifest = rollback(after(*(f"v{n}" for n in range(1, 12))), "production", "booking", at="x", to="v1")
    version, previous = now(manifest)
    assert (version, len(previous), previous[0], previous[-1]) == ("v1", KEPT, "v11", "v1")
