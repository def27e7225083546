"""What a model writes is hostile text: harmless on the terminal, in CI logs and in JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.plugin.world import World

HOSTILE = "\x1b[2J\x1b]0;owned\x07\n::error file=x::owned\n##[error]owned\n]]><failure>&\x00\x01\ufffe\u202e"


@pytest.mark.parametrize("color", ["yes", "no"])
def test_a_hostile_reply_is_shown_safely(world: World, color: str) -> None:
    world.greeting(cases=1, yaml="checks:\n  - python: checks.py:loud\n")
    check = "def loud(output, case):\n    print(output)\n    return 'said ' + str(output)\n"
    world.project.write("prompts/greeting/checks.py", check)
    world.record("v1", HOSTILE)

    result = world.run("--promptops", "--junitxml=junit.xml", f"--color={color}", "-rA", "-vv")

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())
    if color == "no":
        assert "\x1b" not in text
    root = ET.parse(world.pytester.path / "junit.xml").getroot()
    assert len(list(root.iter("failure"))) == 1


def test_a_hostile_provider_error_is_shown_safely(world: World) -> None:
    from promptops.testing import Answer, LoopbackServer

    world.greeting(cases=1)
    with LoopbackServer(Answer(HOSTILE, status=400)) as server:
        world.project.provider("test", server.base_url, retries=0)

        result = world.process("--promptops-mode", "live", "--junitxml=junit.xml", "--color=no", "-rA")

    text = result.stdout.str()
    assert result.ret == 10
    assert "\x1b" not in text
    assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())
    ET.parse(world.pytester.path / "junit.xml")
