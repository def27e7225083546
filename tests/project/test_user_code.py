"""Python of a prompt folder: loaded on its own, and whatever is wrong with it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.core.contract import JsonSchemaContract, PydanticContract, TextContract
from promptops.errors import ProblemsError, UserCodeError
from promptops.formats import PromptFile
from promptops.models import CheckSpec
from promptops.project.prompts import Prompt
from promptops.project.user_code import check_sources, load_check, load_contract, resolver

MODEL = "from pydantic import BaseModel\nclass Booking(BaseModel):\n    time: str\n"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Prompt]:
    def make(files: dict[str, str], output: str | None = None, name: str = "booking") -> Prompt:
        folder = tmp_path / "prompts" / name
        folder.mkdir(parents=True, exist_ok=True)
        for relative, text in files.items():
            path = folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Prompt(name, folder, PromptFile(output=output), {}, (), ())

    return make


def test_a_prompt_without_output_takes_any_text(make: Callable[..., Prompt]) -> None:
    assert isinstance(load_contract(make({})), TextContract)


def test_a_pydantic_model_is_a_contract(make: Callable[..., Prompt]) -> None:
    contract = load_contract(make({"schema.py": MODEL}, "schema.py:Booking"))
    assert isinstance(contract, PydanticContract)
    assert contract.schema["required"] == ["time"]  # type: ignore[index]


def test_a_json_schema_is_a_contract(make: Callable[..., Prompt]) -> None:
    contract = load_contract(make({"schema.json": '{"type": "object"}'}, "schema.json"))
    assert isinstance(contract, JsonSchemaContract)


def test_two_prompts_with_one_file_name_do_not_meet(make: Callable[..., Prompt]) -> None:
    one = make({"schema.py": MODEL}, "schema.py:Booking", "one")
    two = make({"schema.py": MODEL.replace("time", "date")}, "schema.py:Booking", "two")
    assert load_contract(one).schema != load_contract(two).schema
    assert "schema" not in sys.modules


def test_an_edited_file_is_loaded_anew_and_an_unchanged_one_once(make: Callable[..., Prompt]) -> None:
    prompt = make({"checks.py": "from .words import WORD\ndef f(output, case): return WORD", "words.py": "WORD = 'a'"})
    first = load_check(prompt, "checks.py:f")
    assert load_check(prompt, "checks.py:f") is first
    make({"words.py": "WORD = 'b'"})
    assert (first(None, None), load_check(prompt, "checks.py:f")(None, None)) == ("a", "b")


def test_nothing_is_written_into_the_prompt_folder(make: Callable[..., Prompt]) -> None:
    prompt = make({"schema.py": MODEL}, "schema.py:Booking")
    load_contract(prompt)
    assert [path.name for path in prompt.folder.iterdir()] == ["schema.py"]


def test_files_below_and_names_that_are_no_identifiers_load(make: Callable[..., Prompt]) -> None:
    prompt = make(
        {"lib/my-checks.py": "from ..words import WORD\ndef f(output, case): return WORD", "words.py": "WORD = 'a'"}
    )
    assert load_check(prompt, "lib/my-checks.py:f")(None, None) == "a"


def test_what_a_module_prints_goes_to_stderr_and_its_warnings_break_nothing(
    make: Callable[..., Prompt], capsys: pytest.CaptureFixture[str]
) -> None:
    text = "import warnings\nprint('hello')\nwarnings.warn('old', DeprecationWarning)\n" + MODEL
    with pytest.warns(DeprecationWarning, match="old"):
        load_contract(make({"schema.py": text}, "schema.py:Booking"))
    assert capsys.readouterr().out == ""


CONTRACTS: list[tuple[dict[str, str], str, str]] = [
    ({}, "schema.py:Booking", "there is no file schema.py in booking/"),
    ({"schema.py": MODEL}, "schema.py:Bookin", "schema.py has no 'Bookin', did you mean 'Booking'?"),
    ({"schema.py": MODEL}, "schema.py", "names nothing"),
    ({"schema.py": MODEL}, "schema.py:BaseModel.x", "names nothing"),
    ({"schema.py": "Booking = 3"}, "schema.py:Booking", "is not a pydantic model"),
    ({"schema.py": "class Booking: pass"}, "schema.py:Booking", "is not a pydantic model"),
    ({"schema.py": "class Booking("}, "schema.py:Booking", "SyntaxError"),
    ({"schema.py": "import nothing_like_this"}, "schema.py:Booking", "No module named 'nothing_like_this'"),
    (
        {"schema.py": "import words", "words.py": ""},
        "schema.py:Booking",
        "import a file beside it as `from .words import …`",
    ),
    ({"schema.py": "1 / 0"}, "schema.py:Booking", "ZeroDivisionError"),
    ({"schema.py": "raise SystemExit(0)"}, "schema.py:Booking", "SystemExit"),
    ({"schema.py": "import sys; sys.exit('bye')"}, "schema.py:Booking", "SystemExit: bye"),
    ({"schema.py": "def f(): f()\nf()"}, "schema.py:Booking", "RecursionError"),
    ({"schema.py": "# coding: nonsense\n"}, "schema.py:Booking", "SyntaxError"),
    ({"schema.py": "x = '\0'"}, "schema.py:Booking", "SyntaxError"),
    (
        {"schema.py": MODEL + "from typing import Callable\nclass Bad(BaseModel):\n    f: Callable[[], int]\n"},
        "schema.py:Bad",
        "has no JSON Schema",
    ),
    ({"schema.py": MODEL + "class Bad(BaseModel):\n    f: 'Unknown'\n"}, "schema.py:Bad", "has no JSON Schema"),
    ({}, "../../outside.py:Booking", "lies outside of the prompt's folder"),
    ({}, "../../outside.json", "lies outside of the prompt's folder"),
]


@pytest.mark.parametrize(("files", "output", "words"), CONTRACTS, ids=[row[2][:40] for row in CONTRACTS])
def test_a_contract_that_cannot_be_loaded_is_told(
    make: Callable[..., Prompt], tmp_path: Path, files: dict[str, str], output: str, words: str
) -> None:
    (tmp_path / "outside.py").write_text(MODEL, encoding="utf-8")
    with pytest.raises(UserCodeError) as caught:
        load_contract(make(files, output))
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{output}: ")


def test_what_a_module_prints_cannot_command_a_terminal_or_a_ci(
    make: Callable[..., Prompt], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = r"'\x1b[2J\n::error::no\n##vso[task.complete]'"
    prompt = make({"schema.py": f"import sys\nprint({hostile})\nprint({hostile}, file=sys.stderr)\n" + MODEL},
                  "schema.py:Booking")  # fmt: skip
    load_contract(prompt)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "\\x1b[2J\n\\::error::no\n#\\#vso[task.complete]\n" * 2


def test_a_module_that_closes_its_output_harms_nobody(
    make: Callable[..., Prompt], capsys: pytest.CaptureFixture[str]
) -> None:
    load_contract(
        make({"schema.py": "import sys\nsys.stdout.close()\nsys.stderr.close()\n" + MODEL}, "schema.py:Booking")
    )
    sys.stderr.write("still there\n")
    assert capsys.readouterr().err == "still there\n"


def test_a_failed_import_shows_the_users_frames_and_is_tried_again(make: Callable[..., Prompt]) -> None:
    prompt = make({"schema.py": "from .words import WORD", "words.py": "WORD = 1 / 0"}, "schema.py:Booking")
    for _ in range(2):
        with pytest.raises(UserCodeError) as caught:
            load_contract(prompt)
        assert "words.py" in caught.value.detail
        assert "importlib" not in caught.value.detail
        assert "user_calls" not in caught.value.detail


def test_a_link_out_of_the_folder_is_refused(make: Callable[..., Prompt], tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(MODEL, encoding="utf-8")
    prompt = make({}, "schema.py:Booking")
    (prompt.folder / "schema.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(UserCodeError, match="lies outside"):
        load_contract(prompt)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "schema.json:1: is not JSON"),
        ("[]", "schema.json: is not a JSON object"),
        ('{"type": "objekt"}', "is not a JSON Schema"),
        ('{"$ref": "https://example.com/x"}', "does not resolve"),
        ("[" * 100_000, "schema.json: "),
        ('{"a": NaN}', "NaN is not JSON"),
    ],
)
def test_a_bad_schema_file_is_told_with_its_path(make: Callable[..., Prompt], text: str, words: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_contract(make({"schema.json": text}, "schema.json"))
    assert words in str(caught.value)
    assert str(caught.value).startswith("prompts/booking/schema.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f = 3", "is not a function"),
        ("async def f(output, case): return True", "is async"),
        ("def f(output): return True", "does not take the two arguments (output, case)"),
        ("def f(output, case, more): return True", "does not take the two arguments"),
        ("def g(output, case): return True", "has no 'f'"),
    ],
)
def test_what_cannot_be_a_check_is_told_when_it_is_loaded(make: Callable[..., Prompt], text: str, words: str) -> None:
    prompt = make({"checks.py": text})
    with pytest.raises(UserCodeError) as caught:
        load_check(prompt, "checks.py:f")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["def f(*args): return True", "f = lambda o, c, d=1: True", "f = print", "f = dict.get"]
)
def test_whatever_takes_two_arguments_can_be_a_check(make: Callable[..., Prompt], text: str) -> None:
    assert callable(resolver(make({"checks.py": text}))("checks.py:f"))


def test_the_sources_of_all_python_checks_are_what_is_digested(make: Callable[..., Prompt]) -> None:
    prompt = replace(
        make({"a.py": "1 / 0", "b.py": "x = 1"}),
        checks=(CheckSpec("python", "a.py:f"), CheckSpec("python", "a.py:g"), CheckSpec("schema")),
    )
    assert check_sources(prompt, ["b.py:f"]) == {"a.py": "1 / 0", "b.py": "x = 1"}
    assert check_sources(prompt) == {"a.py": "1 / 0"}
    with pytest.raises(UserCodeError, match="there is no file"):
        check_sources(replace(prompt, checks=(CheckSpec("python", "c.py:f"),)))
