"""Manifest entries against closures and each other: does every environment serve what it could have come to serve?"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.digest import short_digest, version_digest
from promptops.core.licence import side_of
from promptops.core.manifest import KEPT
from promptops.formats import Closure, Entry, Environment, Evidence, Manifest, Served
from promptops.project.manifest import manifest_path
from promptops.project.released import released_path
from promptops.release.verifying.findings import Collector
from promptops.release.verifying.licences import Place, check_licence
from promptops.release.verifying.times import is_before, time_of

HOW_TO_SERVE = (
    "manifest entries are written by `promptops promote`, `adopt` and `rollback`: restore the file, and use one"
)


def check_entries(
    found: Collector,
    manifest: Manifest,
    closures: Mapping[str, Closure | None],
    evidence: Mapping[str, Evidence | None],
) -> None:
    """Check every entry of the collector's prompt, in every environment."""
    for name, environment in sorted(manifest.environments.items()):
        entry = environment.prompts.get(found.prompt)
        if entry is None:
            continue
        where = f"environments.{name}.prompts.{found.prompt}"
        _check_after(found, where, entry, manifest, environment)
        for place in _chain(where, entry):
            _check_served(found, place, closures)
            _check_how(found, place)
            if place.served.how == "promoted":
                check_licence(found, place, environment, evidence)
    _check_known(found, manifest, closures)


def _chain(where: str, entry: Entry) -> list[Place]:
    """The entry and the last ten before it.

    What was rolled back to is kept as the tenth, so that what the ninth and the tenth replaced may be forgotten.
    """
    chain: tuple[Served, ...] = (entry, *entry.previous)
    full = len(entry.previous) == KEPT
    return [
        Place(
            where=f"{where}.previous[{number - 1}]" if number else where,
            served=served,
            earlier=chain[number + 1 :],
            known=not full or number < KEPT - 1,
            now=not number,
        )
        for number, served in enumerate(chain)
    ]


def _check_served(found: Collector, place: Place, closures: Mapping[str, Closure | None]) -> None:
    """The closure is there, and is what the manifest says."""
    path, served, where = manifest_path(found.project), place.served, place.where
    released = found.project.relative(released_path(found.project, found.prompt, served.version))
    if served.version not in closures:
        hint = f"restore it: git checkout <the commit before> -- {released}"
        found.problem(released, f"is gone, and {where} serves or served {served.version}", hint)
        return
    closure = closures[served.version]
    if closure is None:  # malformed or edited: told where it was read
        return
    if (actual := version_digest(closure)) != served.digest:
        message = f"{where}: says digest {short_digest(served.digest)}, and {released} has {short_digest(actual)}"
        found.problem(path, message, HOW_TO_SERVE)
    if closure.model != served.pin:
        found.problem(path, f"{where}: says pin {served.pin}, and {released} names {closure.model}", HOW_TO_SERVE)


def _check_how(found: Collector, place: Place) -> None:
    """Each way of getting served leaves its own marks."""
    path, served, before, where = manifest_path(found.project), place.served, place.before, place.where
    wrong = []
    if served.how == "promoted":
        wrong += ["was promoted, and names no evidence"] if served.evidence is None else []
        wrong += ["was promoted, and gives a reason, which only the other ways do"] if served.reason else []
    else:
        wrong += [f"names evidence, and was not promoted ({served.how})"] if served.evidence else []
        wrong += [f"names acknowledged cases, and was not promoted ({served.how})"] if served.acknowledged else []
    if served.how == "override" and not served.reason.strip():
        wrong.append("was let in without evidence, and gives no reason")
    if served.how == "adopted" and before is not None and place.known:
        wrong.append(f"was adopted, and replaced {before.version}")
    if served.how == "rolled-back" and place.known and side_of(served) not in map(side_of, place.earlier):
        wrong.append(f"was rolled back to {served.version}, which was not served before")
    wrong += _wrong_times(place)
    for message in wrong:
        found.problem(path, f"{where}: {message}", HOW_TO_SERVE)
    if served.how == "override" and place.now:
        reason = served.reason.strip() or "no reason"
        found.notice(path, f"{where}: {served.version} was let in without evidence: {reason}")


def _wrong_times(place: Place) -> list[str]:
    at, before = place.served.at, place.before
    if time_of(at) is None:
        return [f"says that it is served since {at!r}, which is no time"]
    if before is not None and place.known and is_before(at, before.at):
        return [f"is served since {at}, and replaced what is served since {before.at}"]
    return []


def _check_after(found: Collector, where: str, entry: Entry, manifest: Manifest, environment: Environment) -> None:
    """What `after` names exists, and served this version at some time."""
    if environment.after is None or entry.how != "promoted":
        return
    path = manifest_path(found.project)
    first = manifest.environments.get(environment.after)
    if first is None:
        known = ", ".join(sorted(manifest.environments))
        message = f"{where}: `after` names {environment.after!r}, which is no environment (there is: {known})"
        found.problem(path, message, "name one of them, or leave `after` out")
        return
    ahead = first.prompts.get(found.prompt)
    if ahead is None or side_of(entry) not in [side_of(item) for item in (ahead, *ahead.previous)]:
        found.notice(
            path, f"{where}: {environment.after} should have served {entry.version} first, and did not", HOW_TO_SERVE
        )


def _check_known(found: Collector, manifest: Manifest, closures: Mapping[str, Closure | None]) -> None:
    """Every released version is served or was, as far back as entries remember."""
    entries = [e.prompts[found.prompt] for e in manifest.environments.values() if found.prompt in e.prompts]
    if any(len(entry.previous) == KEPT for entry in entries):
        return
    known = {item.version for entry in entries for item in (entry, *entry.previous)}
    for version in closures:
        if version not in known:
            found.problem(
                released_path(found.project, found.prompt, version),
                f"was released, and no environment says that it serves or served {version}: its entry was removed, or "
                "lost in a merge",
                "restore the entry (what replaced it needs a canary against it), promote the version, or delete this "
                "file if it never was served" + found.last_change(manifest_path(found.project)),
            )
