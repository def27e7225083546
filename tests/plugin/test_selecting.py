"""What is collected, and how -k, -m, node ids, paths and selectors choose among it."""

from __future__ import annotations

import pytest

from tests.plugin.world import World

BOTH = ["prompts/greeting/v1.j2::test/model-1::c1", "prompts/greeting/v2.j2::test/model-1::c1"]


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and not line.startswith(("FAILED", "ERROR"))]


def prepared(world: World) -> None:
    """Three versions; v1 is served, v3 the newest; two cases, one of them tagged."""
    world.greeting(cases=2)
    world.record("v1", "yes")
    world.serve("v1")
    world.greeting(versions=3, cases=2)
    rows = [{"id": f"c{n}", "inputs": {"text": "x"}, "expected": "yes", "tags": ["quick"] * (n == 2)} for n in (1, 2)]
    world.project.dataset("greeting", rows)
    world.pytester.makepyfile("def test_normal(): pass")


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], ["v1 c1", "v1 c2", "v3 c1", "v3 c2"]),
        (["-k", "quick"], ["v1 c2", "v3 c2"]),
        (["-k", "greeting and v3"], ["v3 c1", "v3 c2"]),
        (["-k", "not quick and v1"], ["v1 c1"]),
        (["-m", "promptops"], ["v1 c1", "v1 c2", "v3 c1", "v3 c2"]),
        (["prompts/greeting/v2.j2"], ["v2 c1", "v2 c2"]),
        (["prompts/greeting/v2.j2::test/model-1::c2"], ["v2 c2"]),
        (["prompts/greeting/v2.j2::test/model-1"], ["v2 c1", "v2 c2"]),
        (["prompts/greeting"], ["v1 c1", "v1 c2", "v3 c1", "v3 c2"]),
        (["prompts"], ["v1 c1", "v1 c2", "v3 c1", "v3 c2"]),
        (["--promptops-select", "greeting@v2"], ["v2 c1", "v2 c2"]),
        (["--promptops-select", "candidate"], ["v3 c1", "v3 c2"]),
        (["--promptops-select", "greeting@production"], ["v1 c1", "v1 c2"]),
        (["--promptops-select", "env:production"], ["v1 c1", "v1 c2"]),
        (["--promptops-select", "all", "-k", "c1"], ["v1 c1", "v2 c1", "v3 c1"]),
        (["--promptops-select", "greeting@v1", "--promptops-select", "greeting@v2", "-k", "c1"], ["v1 c1", "v2 c1"]),
        (["--deselect", "prompts/greeting/v1.j2"], ["v3 c1", "v3 c2"]),
        (["-k", "normal"], []),
        (["-m", "not promptops"], []),
    ],
)
def test_what_is_selected(world: World, arguments: list[str], ids: list[str]) -> None:
    prepared(world)

    result = world.run("--promptops", "--collect-only", "-q", "--strict-markers", *arguments)

    assert [
        f"{line.split('/')[2].split('.')[0]} {line.rsplit('::', 1)[1]}"
        for line in collected(result)
        if line.startswith("prompts/")
    ] == ids


def test_normal_tests_run_beside_the_prompts(world: World) -> None:
    prepared(world)

    assert "test_what" not in world.run("--promptops", "-k", "normal").stdout.str()
    world.run("--promptops", "-k", "normal").assert_outcomes(passed=1, deselected=4)


def test_without_the_option_nothing_is_collected(world: World) -> None:
    prepared(world)

    world.run().assert_outcomes(passed=1)


def test_versions_come_in_numeric_order(world: World) -> None:
    world.greeting(versions=11, cases=1)

    result = world.run("--promptops-select", "all", "--collect-only", "-q")

    assert [line.split("/")[2].split(".")[0] for line in collected(result)] == [f"v{n}" for n in range(1, 12)]


def test_folders_that_begin_with_an_underscore_and_other_files_are_no_versions(world: World) -> None:
    world.greeting(cases=1)
    world.project.write("prompts/_shared/v1.j2", "text")
    world.project.write("prompts/greeting/old/v1.j2", "text")
    world.project.write("elsewhere/greeting/v1.j2", "text")

    result = world.run("--promptops", ".", "--collect-only", "-q")

    assert collected(result) == ["prompts/greeting/v1.j2::test/model-1::c1"]


@pytest.mark.parametrize("folder", ["", "tests", "tests/deep", "prompts/greeting"])
def test_prompts_are_tested_with_testpaths_and_from_any_folder(
    world: World, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    world.greeting(cases=1)
    world.record("v1", "yes")
    (world.project.path / "tests/deep").mkdir(parents=True)
    (world.project.path / "tests/test_normal.py").write_text("def test_normal(): pass\n", encoding="utf-8")
    world.project.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    monkeypatch.chdir(world.project.path / folder)

    result = world.run("--promptops", "-v")

    result.stdout.fnmatch_lines(["*promptops: 1 case of 1 prompt*", "*::c1 PASSED*"])


def test_the_number_of_cases_is_told_even_in_quiet_mode(world: World) -> None:
    world.greeting(cases=2)
    world.record("v1", "yes")

    world.run("--promptops", "-q").stdout.fnmatch_lines(["2 cases of 1 prompt, mode replay*"])


def test_no_case_at_all_is_a_usage_error(world: World) -> None:
    world.project.write("prompts/manifest.yaml", "format: 1\nenvironments: {}\n")
    world.pytester.makepyfile("def test_normal(): pass")

    result = world.run("--promptops")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is nothing to test: 0 cases of 0 prompts in prompts/*"])
    world.run("--promptops", "test_no_case_at_all_is_a_usage_error.py").assert_outcomes(passed=1)


def test_a_prompt_that_pytest_passes_over_is_a_usage_error(world: World) -> None:
    world.greeting(cases=1)
    world.greeting(cases=1, name="extra")
    world.project.write("pytest.ini", "[pytest]\nnorecursedirs = extr*\n")

    result = world.run("--promptops")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pytest passes over prompts/extra because of norecursedirs ('extr[*]')*"])


def test_all_problems_of_a_file_are_one_error_and_other_prompts_are_collected(world: World) -> None:
    world.greeting(cases=1)
    world.greeting(cases=1, name="other")
    world.project.write("prompts/other/v1.j2", "---\nmodel: nonsense\nparms: {}\n---\n{{ text }} {{ missing }}\n")
    world.record("v1", "yes")

    result = world.run("--promptops")

    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert "prompts/other/v1.j2:2" in text
    assert "prompts/other/v1.j2:3" in text
    assert "Traceback" not in text
    assert "collection.py" not in text
    assert world.run("--promptops", "--collect-only").ret == pytest.ExitCode.INTERRUPTED


BROKEN = "---\nmodel: test/model-1\n---\n{% if %} {{ text }}\n"


@pytest.mark.parametrize("text", [BROKEN, "no front matter", "---\nmodel: test/model-1\n---\n{{ text }} {{ txet }}\n"])
def test_a_broken_version_stops_none_of_its_siblings(world: World, text: str) -> None:
    world.greeting(versions=2, cases=2)
    world.record("v1", {"c1": "yes", "c2": "no"})
    world.serve("v1")
    world.record("v2", "yes")
    world.project.write("prompts/greeting/v3.j2", text)

    result = world.run("--promptops-select", "all")

    assert result.parseoutcomes() == {"passed": 3, "xfailed": 1, "errors": 1}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*prompts/greeting/v3.j2:*"])
    world.run("--promptops-select", "greeting@v1").assert_outcomes(passed=1, xfailed=1)


def test_a_broken_python_test_interrupts_as_ever(world: World) -> None:
    world.greeting(cases=1)
    world.project.write("prompts/greeting/v1.j2", "nothing")
    world.pytester.makepyfile("import no_such_module")

    assert world.run("--promptops").ret == pytest.ExitCode.INTERRUPTED


def test_a_link_out_of_the_project_is_not_entered(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    world.greeting(cases=1)
    world.record("v1", "yes")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "test_outside.py").write_text("def test_it(): raise AssertionError\n")
    (world.project.path / "prompts/linked").symlink_to(outside)

    world.run("--promptops").assert_outcomes(passed=1)


def test_shared_problems_are_told_once(world: World) -> None:
    world.greeting(versions=2, cases=1, yaml="smaples: 2\n")

    result = world.run("--promptops-select", "all")

    result.assert_outcomes(errors=1)
    assert result.stdout.str().count("did you mean 'samples'?") == 1


def test_a_broken_dataset_is_told_with_its_lines(world: World) -> None:
    world.greeting(cases=1)
    world.project.write("fixtures/greeting/cases.jsonl", '{"id": "c1"}\nnonsense\n')

    result = world.run("--promptops")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixtures/greeting/cases.jsonl:1*", "*fixtures/greeting/cases.jsonl:2*"])


def test_a_tag_is_never_a_mark(world: World) -> None:
    world.greeting(cases=1)
    tags = ["skip", "xfail", "parametrize"]
    world.project.dataset("greeting", [{"id": "c1", "inputs": {"text": "x"}, "expected": "yes", "tags": tags}])
    world.record("v1", "yes")

    world.run("--promptops", "--strict-markers").assert_outcomes(passed=1)


def test_a_conftest_may_skip_items(world: World) -> None:
    world.greeting(cases=2)
    world.record("v1", "yes")
    world.pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.skip(reason='not today'))\n"
    )

    world.run("--promptops", "-rs").assert_outcomes(passed=1, skipped=1)
