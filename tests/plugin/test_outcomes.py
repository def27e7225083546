"""Every row of the outcome table: letter, pytest outcome, exit code, JUnit element."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.plugin.world import World


def served(world: World) -> None:
    """v1 is served: c1 passes, c2 is a known failure, c3 passes."""
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})
    world.serve("v1")


def candidate(world: World, answers: dict[str, str]) -> None:
    """v2 is the candidate, with these recordings."""
    world.greeting(versions=2)
    world.record("v2", answers)


def junit(path: Path) -> dict[str, str]:
    """The first element of each test case, with its type: `skipped promptops.unmeasurable`."""
    found = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        element = next((child for child in case if child.tag != "properties"), None)
        found[case.attrib["name"]] = " ".join(
            part for part in ((element.tag, element.get("type", "")) if element is not None else ("nothing",)) if part
        )
    return found


def test_a_served_version_replays_green_with_its_known_failure(world: World) -> None:
    served(world)

    result = world.run("--promptops", "--junitxml=junit.xml", "-v")

    result.assert_outcomes(passed=2, xfailed=1)
    assert result.ret == 0
    result.stdout.re_match_lines([r".*prompts/greeting/v1\.j2::test/model-1::c2 XFAIL.*"])
    assert junit(world.pytester.path / "junit.xml") == {"c1": "nothing", "c2": "skipped pytest.xfail", "c3": "nothing"}


def test_a_candidate_breaks_fixes_and_cannot_be_measured(world: World) -> None:
    served(world)
    candidate(world, {"c1": "no", "c2": "yes"})

    result = world.run("--promptops", "--promptops-select", "greeting@v2", "--junitxml=junit.xml", "-q")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "F.U" in result.stdout.str()
    assert result.parseoutcomes() == {"failed": 1, "passed": 1, "unmeasurable": 1}
    assert junit(world.pytester.path / "junit.xml") == {
        "c1": "failure",
        "c2": "nothing",
        "c3": "skipped promptops.unmeasurable",
    }
    result.stdout.fnmatch_lines(
        [
            "*BROKE: greeting@v2 case c1*",
            "*baseline   *v1, accepted 2026-11-22T07:00:00Z: pass*",
            "*asked      Version 2: say 1*",
            "*answered   no*",
            "*fixed: greeting@v2 c2*",
            "*unmeasurable: greeting@v2 c3*missing recording*",
            "*next: pytest --promptops --promptops-mode new --promptops-select greeting@v2*",
            "FAILED *::c1 - broke: *",
        ]
    )


def test_unmeasurable_alone_ends_in_10(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes"})

    result = world.run("--promptops", "-v")

    assert result.ret == 10
    assert result.parseoutcomes() == {"passed": 1, "unmeasurable": 2}
    result.stdout.fnmatch_lines(["*::c2 UNMEASURABLE*"])


def test_undecided_alone_ends_in_11_and_unmeasurable_beats_it(world: World) -> None:
    world.greeting(yaml="samples: 2\npass_rate: 0.9\n")
    world.record("v1", {"c1": ["yes", "no"], "c2": ["yes", "yes"], "c3": ["yes", "yes"]})
    world.serve("v1")

    alone = world.run("--promptops", "--junitxml=junit.xml")

    assert alone.parseoutcomes() == {"passed": 2, "xfailed": 1, "undecided": 1}
    assert alone.ret == 11
    assert junit(world.pytester.path / "junit.xml")["[suite]"] == "skipped promptops.undecided"

    world.greeting(name="other", cases=1)
    both = world.run("--promptops")

    assert both.parseoutcomes() == {"passed": 2, "xfailed": 1, "undecided": 1, "unmeasurable": 1}
    assert both.ret == 10


def test_a_failure_elsewhere_beats_10(world: World) -> None:
    world.greeting()
    world.pytester.makepyfile("def test_it(): assert False")

    assert world.run("--promptops").ret == pytest.ExitCode.TESTS_FAILED


def test_an_error_of_a_check_is_red_and_an_error_in_junit(world: World) -> None:
    world.greeting(cases=1, yaml="checks:\n  - python: checks.py:broken\n")
    world.project.write("prompts/greeting/checks.py", "def broken(output, case):\n    raise ValueError('oh dear')\n")
    world.record("v1", "yes")

    result = world.run("--promptops", "--junitxml=junit.xml")

    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert junit(world.pytester.path / "junit.xml") == {"c1": "error"}
    suite = ET.parse(world.pytester.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    result.stdout.fnmatch_lines(["*ERROR: greeting@v1 case c1*", "*oh dear*"])


def test_a_failure_without_a_baseline_is_red(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})

    result = world.run("--promptops")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*none: nothing was accepted yet*"])


def test_gate_cases_makes_known_failures_red(world: World) -> None:
    served(world)
    world.greeting(yaml="gate: cases\n")

    world.run("--promptops").assert_outcomes(passed=2, failed=1)


def test_the_standing_is_a_property_in_junit(world: World) -> None:
    served(world)

    world.run("--promptops", "--junitxml=junit.xml")

    text = (world.pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert re.findall(r'name="promptops.standing" value="(\w+)"', text) == ["passed", "known", "passed"]
