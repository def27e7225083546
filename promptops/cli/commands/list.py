"""`promptops list`: prompts, versions, pins, and what each environment serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say

if TYPE_CHECKING:
    from promptops.formats import Manifest
    from promptops.project.root import Project

EXAMPLES = ("promptops list", "promptops list --json")


def list_(*, as_json: JsonOption = False) -> None:
    """List the prompts, their versions and pins, and what each environment serves."""
    from promptops.project.manifest import load_manifest

    project = current_project()
    manifest = load_manifest(project)
    served = {name for environment in manifest.environments.values() for name in environment.prompts}
    rows = [_row(project, manifest, name) for name in sorted({*project.prompt_names(), *served})]
    if as_json:
        emit_json({"prompts": rows})
        return
    for row in rows:
        say(row["name"] + (f"  {row['description']}" if row["description"] else ""))
        for version in row["versions"]:
            state = [
                *(f"served by {name}" for name in version["served_by"]),
                *(["released"] if version["released"] else []),
            ]
            say(
                f"  {version['name']:<5} {version['pin'] or '(does not load)'}"
                + (f"  {', '.join(state)}" if state else "")
            )
        if row["problems"]:
            say(f"  {row['problems']} problem{'s' * (row['problems'] != 1)}: promptops lint {row['name']}")
    if not rows:
        note("no prompt yet: promptops init, or promptops new NAME")


def _row(project: Project, manifest: Manifest, name: str) -> dict[str, Any]:
    from promptops.core.select import number_of
    from promptops.errors import ProblemsError, UsageError
    from promptops.project.prompts import load_prompt, version_names
    from promptops.project.released import released_versions

    served = {
        environment: entry.prompts[name]
        for environment, entry in manifest.environments.items()
        if name in entry.prompts
    }
    pins: dict[str, str] = {entry.version: entry.pin for entry in served.values()}
    description, problems = "", 0
    try:
        prompt = load_prompt(project, name)
        description = prompt.spec.description
        pins |= {version.name: str(version.pin) for version in prompt.versions}
    except ProblemsError as error:
        problems = len(error.problems)
        pins |= {version: _pin(project, name, version) for version in version_names(project, name)}
    except UsageError:
        problems = 1  # served, and its folder is gone
    released = set(released_versions(project, name))
    versions = [
        {
            "name": version,
            "pin": pins[version],
            "released": version in released,
            "served_by": sorted(environment for environment, entry in served.items() if entry.version == version),
        }
        for version in sorted(pins, key=number_of)
    ]
    return {"name": name, "description": description, "versions": versions, "problems": problems}


def _pin(project: Project, name: str, version: str) -> str:
    """The pin of a version of a prompt that has problems; empty where the version itself has."""
    from promptops.errors import ProblemsError
    from promptops.project.prompts import load_version

    try:
        return str(load_version(project, name, version).pin)
    except ProblemsError:
        return ""
