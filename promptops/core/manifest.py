"""How a manifest changes: promotion, adoption, rollback. Pure: a manifest in, another one out."""

from __future__ import annotations

from typing import Any

from promptops.errors import UsageError, did_you_mean
from promptops.formats import Entry, Environment, Manifest, Served

KEPT = 10  # how many served versions an entry remembers


def serving(manifest: Manifest, environment: str, prompt: str) -> Entry | None:
    """What `environment` serves of `prompt`; None where it serves nothing of it."""
    found = manifest.environments.get(environment)
    return found.prompts.get(prompt) if found else None


def policy(manifest: Manifest, environment: str) -> Environment:
    """The policy of `environment`: the default one where the manifest does not know it yet."""
    return manifest.environments.get(environment) or Environment()


def check_environment(manifest: Manifest, environment: str, default: str) -> None:
    """Raise `UsageError` for an environment that is neither in the manifest nor the project's own (`default`)."""
    known = {*manifest.environments, default}
    if environment not in known:
        raise UsageError(
            f"there is no environment {environment!r}{did_you_mean(environment, known)} "
            f"(there is: {', '.join(sorted(known))}); a new one is a line under `environments` in manifest.yaml: "
            f"`{environment}: {{}}`"
        )


def serve(manifest: Manifest, environment: str, prompt: str, served: Served) -> Manifest:
    """Let `environment` serve `served`; what it served before becomes the first of `previous`, which keeps ten."""
    before = serving(manifest, environment, prompt)
    previous = [as_served(before), *before.previous][:KEPT] if before else []
    entry = Entry(**_fields(served), previous=previous)
    known = policy(manifest, environment)
    changed = known.model_copy(update={"prompts": {**known.prompts, prompt: entry}})
    return manifest.model_copy(update={"environments": {**manifest.environments, environment: changed}})


def rollback(
    manifest: Manifest, environment: str, prompt: str, *, at: str, to: str | None = None, reason: str = ""
) -> Manifest:
    """Let `environment` serve what it served before again, or the version `to` that it served at some time.

    Rolling back twice goes back twice: it never returns to the version that was just rolled back from. Raises
    `UsageError` where nothing was served before.
    """
    current = serving(manifest, environment, prompt)
    if current is None:
        raise UsageError(f"{environment!r} serves no version of {prompt!r}: there is nothing to roll back")
    target = _named(current, environment, prompt, to) if to else _before(current, environment, prompt)
    text = reason or f"rolled back from {current.version}"
    again = Served(version=target.version, digest=target.digest, pin=target.pin, how="rolled-back", reason=text, at=at)
    return _remembered(serve(manifest, environment, prompt, again), environment, prompt, target)


def _remembered(manifest: Manifest, environment: str, prompt: str, target: Served) -> Manifest:
    """Keep what was rolled back to among the last ten, so that anybody can see that it was served before."""
    entry = manifest.environments[environment].prompts[prompt]
    if any(_same(item, target) for item in entry.previous):
        return manifest
    kept = entry.model_copy(update={"previous": [*entry.previous[: KEPT - 1], target]})
    known = manifest.environments[environment]
    changed = known.model_copy(update={"prompts": {**known.prompts, prompt: kept}})
    return manifest.model_copy(update={"environments": {**manifest.environments, environment: changed}})


def as_served(entry: Served) -> Served:
    """`entry` without its own `previous`."""
    return Served(**_fields(entry))


def _fields(served: Served) -> dict[str, Any]:
    return {name: getattr(served, name) for name in Served.model_fields}


def _same(one: Served, other: Served) -> bool:
    return (one.version, one.digest, one.pin) == (other.version, other.digest, other.pin)


def _before(current: Entry, environment: str, prompt: str) -> Served:
    """What was served before `current` got there the first time: behind a rollback, further back."""
    earlier = list(current.previous)
    if current.how == "rolled-back":
        place = next((index for index, item in enumerate(earlier) if _same(item, current)), len(earlier))
        earlier = earlier[place + 1 :]
    if not earlier:
        known = ", ".join(dict.fromkeys(item.version for item in current.previous if not _same(item, current)))
        hint = f"name what to serve with --to ({known})" if known else "promote another version instead"
        raise UsageError(f"{environment!r} served nothing of {prompt!r} before {current.version}: {hint}")
    return earlier[0]


def _named(current: Entry, environment: str, prompt: str, version: str) -> Served:
    if version == current.version:
        raise UsageError(f"{environment!r} serves {prompt} {version} already")
    for item in current.previous:
        if item.version == version:
            return item
    known = list(dict.fromkeys(item.version for item in current.previous))
    raise UsageError(
        f"{environment!r} did not serve {prompt} {version} among its last {KEPT}"
        f"{did_you_mean(version, known)} (it served: {', '.join(known) or 'nothing else'})"
    )
