"""What a batch may cost, before it is made."""

from __future__ import annotations

import json

import pytest

from promptops.cli.main import run
from tests.cli.batches.place import CASES, Place, failures, told


@pytest.mark.parametrize(("option", "value", "asked"), [("--budget", "0.0006", 3), ("--budget-requests", "2", 2)])
def test_a_cap_holds_before_a_batch_is_made(
    place: Place, capsys: pytest.CaptureFixture[str], option: str, value: str, asked: int
) -> None:
    code, found, _ = told(capsys, "greet@v1", "--batch", option, value)
    assert (code, len(place.server.paid), set(failures(found).values())) == (10, asked, {"budget"})
    code, _, _ = told(capsys, "greet@v1", option, "1" if option == "--budget" else "99")
    assert (code, len(place.server.paid)) == (0, CASES), "the same command goes on with what was left"


def test_a_cap_in_dollars_refuses_what_has_no_price(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.files.path / "pyproject.toml"
    path.write_text(path.read_text().replace('"acme/m-1"', '"acme/m-2"'))
    code, found, _ = told(capsys, "greet@v1", "--batch", "--budget", "5")
    assert (code, set(failures(found).values()), place.server.batches) == (10, {"budget"}, {})


def test_the_estimate_knows_the_price_of_a_batch(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    worst = []
    for options in ([], ["--batch"]):
        assert run(["estimate", "greet@v1", "--json", *options]) == 0
        worst.append(json.loads(capsys.readouterr().out)[0]["worst_case"])
    assert worst[1] == pytest.approx(worst[0] / 2)
    assert run(["estimate", "greet@v1", "--batch"]) == 0
    assert "in batches, within 24 hours" in capsys.readouterr().out
