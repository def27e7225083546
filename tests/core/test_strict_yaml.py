"""YAML is read as 1.2 core and nothing else; what is written reads back."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core import strict_yaml
from promptops.core.strict_yaml import Document, dump_yaml, parse_yaml, validate
from promptops.errors import ProblemsError
from promptops.formats import CanaryEvidence, CanarySettings, PromptFile


@pytest.fixture(params=["C", "Python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML must read alike: which one is there depends on how it was built."""
    if request.param == "C" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(strict_yaml, "_LOADER", yaml.CSafeLoader if request.param == "C" else yaml.SafeLoader)


def problems_of(text: str, first_line: int = 1) -> list[tuple[int, str]]:
    with pytest.raises(ProblemsError) as caught:
        parse_yaml(text, path="f.yaml", first_line=first_line)
    assert all(problem.path == "f.yaml" for problem in caught.value.problems)
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("14:30:00", "14:30:00"),
        ("1:20", "1:20"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("-0x1", "-0x1"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("1e", "1e"),
        (".", "."),
        ("=", "="),
        ("'no'", "no"),
        ('"1"', "1"),
        ("|\n  1\n", "1\n"),
        ("abc def", "abc def"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_core_says(text: str, value: Any) -> None:
    found = parse_yaml(text, path="f.yaml").data
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", [(3, "the key 'a' is here twice (first in line 1)")]),
        ("x: &here 1\n", [(1, "anchor &here is not allowed")]),
        ("x: 1\ny: *x\n", None),
        ("x: &a 1\ny: *a\n", [(1, "anchor &a is not allowed"), (2, "alias *a is not allowed")]),
        ("x: !!str 1\n", [(1, "tag tag:yaml.org,2002:str is not allowed")]),
        ("x: !thing 1\n", [(1, "tag !thing is not allowed")]),
        ("x: !!python/object/apply:os.system [id]\n", None),
        ("\n<<: {a: 1}\n", [(2, "merge keys (<<) are not allowed")]),
        ("a\n---\nb\n", [(2, "a second document begins here")]),
        ("%YAML 1.1\n---\na\n", None),
        ("1: a\n", [(1, "the key 1 is not text")]),
        ("true: a\n", [(1, "the key true is not text")]),
        ("null: a\n", [(1, "the key null is not text")]),
        ("? [a, b]\n: c\n", [(1, "a key must be text, not a list or a mapping")]),
        ("a: .inf\n", [(1, ".inf is not a finite number")]),
        ("a: .nan\n", [(1, ".nan is not a finite number")]),
        ("a: 1e999\n", [(1, "1e999 is not a finite number")]),
        ("a: " + "9" * 200 + "\n", [(1, "a number of 200 digits is too large")]),
        ("a: 1\n b: 2\n", None),
        ("a: [1\n", None),
        ("\ta: 1\n", None),
        ("a: 'x\n", None),
        ("\x07", None),
        ("- a\nb: 1\n", None),
        ("@a", None),
    ],
)
def test_what_is_refused_has_its_line(text: str, expected: list[tuple[int, str]] | None) -> None:
    found = problems_of(text)
    assert found if expected is None else found == expected


def test_all_problems_are_told_at_once_with_the_lines_of_the_file() -> None:
    assert problems_of("a: &x 1\na: *x\n3: !t 4\n", first_line=10) == [
        (10, "anchor &x is not allowed"),
        (11, "alias *x is not allowed"),
        (11, "the key 'a' is here twice (first in line 10)"),
        (12, "tag !t is not allowed"),
        (12, "the key 3 is not text"),
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " * 60, "- " * 5_000 + "a", "{a: " * 5_000, "[" * 60 + "]" * 60])
def test_deep_nesting_is_a_problem_and_no_crash(text: str) -> None:
    assert problems_of(text)


def test_a_depth_of_fifty_is_read_and_more_is_not() -> None:
    assert parse_yaml("[" * 50 + "]" * 50, path="f").data is not None
    assert problems_of("[" * 51 + "]" * 51) == [(1, "is nested deeper than 50 levels")]


def test_more_than_a_mebibyte_is_refused() -> None:
    assert problems_of("a: " + "x" * 1024 * 1024) == [(0, "is larger than 1 MiB")]


def test_every_path_has_the_line_of_its_key() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: {d: 1,\n      e: 2}\n", path="f")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "c", "d"): 4,
        ("b", 1, "c", "e"): 5,
    }
    assert document.line("b", 1, "c", "missing", 3) == 4
    assert Document(None).line("a") == 0


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_what_is_written_reads_back_as_the_same_value(value: Any) -> None:
    text = dump_yaml(value)
    assert same(parse_yaml(text, path="f").data, value)
    assert same(yaml.safe_load(text), value), "a YAML 1.1 reader reads it too"


def same(one: Any, other: Any) -> bool:
    """Equal in type as well, so that 1, 1.0 and true are told apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


def test_what_is_written_is_readable_and_quotes_what_could_be_misread() -> None:
    value: dict[str, Any] = {"version": "v3", "at": "2026-11-22", "time": "14:30", "empty": {}, "none": None}
    value["list"] = ["no", "yes it is", 1e16]
    assert dump_yaml(value) == (
        'version: v3\nat: "2026-11-22"\ntime: "14:30"\nempty: {}\nnone: null\n'
        'list:\n  - "no"\n  - yes it is\n  - 1.0e+16\n'
    )


def test_validation_tells_each_key_with_its_line_and_the_nearest_known_one() -> None:
    document = parse_yaml("descripton: x\nsamples: 0\nbudgets:\n  cost_per_reqest: 1\ninputs:\n  a: 3\n", path="p")
    with pytest.raises(ProblemsError) as caught:
        validate(PromptFile, document, path="p")
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (1, "descripton: unknown key, did you mean 'description'?"),
        (2, "samples: must be at least 1, not 0"),
        (4, "budgets.cost_per_reqest: unknown key, did you mean 'cost_per_request'?"),
        (6, "inputs.a: must be text or a mapping of keys, not 3"),
    ]


def test_validation_takes_whole_numbers_for_floats_and_lists_for_tuples_and_nothing_else() -> None:
    assert validate(CanarySettings, Document({"delta": 0.1}), path="p").delta == 0.1
    assert isinstance(validate(PromptFile, Document({"pass_rate": 1}), path="p").pass_rate, float)
    for wrong in ({"samples": "3"}, {"samples": 1.5}, {"samples": True}, {"description": 3}):
        with pytest.raises(ProblemsError):
            validate(PromptFile, Document(wrong), path="p")


@pytest.mark.parametrize("data", [[], [1], "text", 3, True])
def test_validation_needs_a_mapping_and_takes_an_empty_file_for_one(data: Any) -> None:
    assert validate(PromptFile, Document(None), path="p") == PromptFile()
    with pytest.raises(ProblemsError, match="must be a mapping"):
        validate(PromptFile, Document(data, {(): 1}), path="p")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ProblemsError, match="the key 'candidate' is missing"):
        validate(CanaryEvidence, Document({}), path="p")


def test_a_file_of_nothing_but_problems_is_not_read_to_its_end() -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_yaml("a: 1\n" * 50_000, path="x.yaml")
    assert len(caught.value.problems) == 101
    assert "too many problems above" in caught.value.problems[-1].message
