"""Output contracts: validated, normalised, every problem told, and no output that raises."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from promptops.core.contract import JsonSchemaContract, Parsed, PydanticContract, TextContract


def _clock(value: Any) -> Any:
    if isinstance(value, str) and value.lower().endswith(("am", "pm")):
        return datetime.datetime.strptime(value.upper(), "%I:%M%p").time()
    return value


class Booking(BaseModel):
    time: Annotated[datetime.time, BeforeValidator(_clock)]
    people: int = 2
    kind: Literal["table", "room"] = "table"


class Strictly(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    time: datetime.time
    size: float = Field(alias="Size", default=1.0)


class Names(RootModel[list[str]]):
    pass


def _looks_up(value: Any) -> Any:
    return {"known": "yes"}[value]


class Raises(BaseModel):
    name: Annotated[str, BeforeValidator(_looks_up)]


def _exits(value: Any) -> Any:
    raise SystemExit(3)


class Exits(BaseModel):
    name: Annotated[str, BeforeValidator(_exits)]


@pytest.mark.parametrize(
    ("model", "text", "value"),
    [
        (Booking, '{"time": "2:30pm"}', {"time": "14:30:00", "people": 2, "kind": "table"}),
        (Booking, '{"time": "14:30", "people": "3"}', {"time": "14:30:00", "people": 3, "kind": "table"}),
        (Strictly, '{"time": "14:30:00", "Size": 2.5}', {"time": "14:30:00", "Size": 2.5}),
        (Names, 'Here: ["a", "b"] {"x": 1}', ["a", "b"]),
    ],
)
def test_a_model_normalises_what_it_accepts(model: type[BaseModel], text: str, value: Any) -> None:
    parsed = PydanticContract(model).parse(text)
    assert (parsed.value, parsed.valid, parsed.problems) == (value, True, ())


def test_every_problem_is_told_with_its_path_and_what_was_there() -> None:
    parsed = PydanticContract(Booking).parse('{"time": "noon", "people": "many", "kind": "boat"}')
    assert not parsed.valid
    assert parsed.value == {"time": "noon", "people": "many", "kind": "boat"}
    assert [problem.split(":")[0] for problem in parsed.problems] == ["time", "people", "kind"]
    assert parsed.problems[1].endswith('(got "many")')


def test_a_repaired_answer_is_validated_like_any_other() -> None:
    parsed = PydanticContract(Booking).parse("```json\n{'time': '2:30pm',}\n```")
    assert parsed.valid
    assert parsed.repairs[0] == "took the JSON out of a ```json fence"
    assert len(parsed.repairs) == 2


@pytest.mark.parametrize(
    "text", ["", "Sorry!", "null", "[]", '"x"', "{}", '{"time": {}}', "[" * 5000, '{"time": 1e999}']
)
def test_what_breaks_the_contract_is_invalid(text: str) -> None:
    parsed = PydanticContract(Booking).parse(text)
    assert not parsed.valid
    assert parsed.problems
    assert not parsed.error


def test_many_problems_are_cut() -> None:
    parsed = PydanticContract(Names).parse(str(list(range(1000))))
    assert len(parsed.problems) == 21
    assert parsed.problems[-1] == "… and more"


@pytest.mark.parametrize(
    ("model", "text", "reason"),
    [(Raises, '{"name": "unknown"}', "KeyError: 'unknown'"), (Exits, '{"name": "x"}', "SystemExit: 3")],
)
def test_a_contract_that_raises_is_an_error_with_the_users_frames(
    model: type[BaseModel], text: str, reason: str
) -> None:
    parsed = PydanticContract(model).parse(text)
    assert not parsed.valid
    assert parsed.problems[0].startswith("the contract itself raised ")
    assert parsed.problems[0].endswith(reason)
    assert "test_contract.py" in parsed.error
    assert "promptops/core" not in parsed.error


def test_nan_made_by_a_model_is_no_value() -> None:
    class Score(BaseModel):
        model_config = ConfigDict(ser_json_inf_nan="constants")
        score: float

    parsed = PydanticContract(Score).parse('{"score": "nan"}')
    assert parsed == Parsed(
        {"score": "nan"}, valid=False, problems=("the normalised value holds nan, which is not JSON",)
    )


SCHEMA = {
    "type": "object",
    "required": ["label"],
    "additionalProperties": False,
    "properties": {
        "label": {"enum": ["positive", "negative"]},
        "day": {"type": "string", "format": "date"},
        "code": {"type": "string", "pattern": "^(a|aa)+$"},
        "next": {"$ref": "#"},
    },
    "patternProperties": {"^x-": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"label": "neutral"}', "label: 'neutral' is not one of ['positive', 'negative']"),
        ("{}", "'label' is a required property"),
        ('{"label": "positive", "day": "2026-02-30"}', "day: '2026-02-30' is not a 'date'"),
        ('{"label": "positive", "code": "b"}', "code: 'b' does not match '^(a|aa)+$'"),
        ('{"label": "positive", "other": 1}', "unexpected keys: 'other'"),
        ('{"label": "positive", "x-n": "1"}', "x-n: '1' is not of type 'integer'"),
        ('{"label": "positive", "next": {}}', "next: 'label' is a required property"),
    ],
)
def test_a_json_schema_tells_what_breaks_it(text: str, problem: str) -> None:
    parsed = JsonSchemaContract(SCHEMA).parse(text)
    assert (parsed.valid, parsed.problems) == (False, (problem,))


def test_a_json_schema_accepts_what_fits_as_it_is() -> None:
    parsed = JsonSchemaContract(SCHEMA).parse('{"label": "positive", "x-n": 1, "day": "2026-02-28"}')
    assert parsed == Parsed({"label": "positive", "x-n": 1, "day": "2026-02-28"}, valid=True)


def test_a_pattern_that_backtracks_on_hostile_output_is_an_error_not_a_hang() -> None:
    parsed = JsonSchemaContract(SCHEMA).parse('{"label": "positive", "code": "' + "a" * 80 + 'b"}')
    assert not parsed.valid
    assert "took longer than" in parsed.problems[0]
    assert parsed.error


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "is not a JSON Schema"),
        ({"properties": {"a": {"$ref": "https://example.com/a.json"}}}, "does not resolve inside the schema"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "does not resolve inside the schema"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "does not resolve inside the schema"),
        ({"properties": {"a": {"pattern": "("}}}, "is not a"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("$", r"\$")):
        JsonSchemaContract(schema)


def test_a_schema_that_refers_to_itself_for_ever_ends_as_an_error() -> None:
    parsed = JsonSchemaContract({"$ref": "#"}).parse("{}")
    assert not parsed.valid
    assert parsed.error


def test_without_a_contract_the_text_is_the_value() -> None:
    contract = TextContract()
    assert contract.schema is None
    assert contract.parse(" any \x1b[31m text") == Parsed(" any \x1b[31m text", valid=True)


def test_what_a_validator_prints_does_not_reach_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(value: Any) -> Any:
        print("hello")  # noqa: T201
        return value

    class Loud(BaseModel):
        name: Annotated[str, BeforeValidator(loud)]

    assert PydanticContract(Loud).parse('{"name": "x"}').valid
    assert capsys.readouterr() == ("", "hello\n")


def test_a_schema_in_a_circle_is_an_error_of_the_contract_in_words() -> None:
    parsed = JsonSchemaContract({"$ref": "#"}).parse('{"a": 1}')
    assert not parsed.valid
    assert parsed.problems == ("the schema refers to itself without end",)
    assert "Traceback" not in str(parsed.error)
