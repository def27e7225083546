"""The proof in small: the cells themselves, the enumeration against the tests it enumerates, and the pages."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from scipy.stats import binomtest

from promptops.core.metrics import difference_of, key_of, plan_of
from promptops.core.statistics.metric import MetricPlan, MetricTest, Units
from promptops.core.statistics.trial import Trial
from promptops.formats import MetricName
from proof import attempts, choosing, families, guardrails, nightly, passing, power, regress, sizes
from proof.__main__ import load, main
from proof.pages import Found, goals, pages
from proof.rates import Rate, shown, table
from proof.streams import BINARY, KINDS, clusters, stream
from proof.tasks import done


@pytest.fixture(scope="module")
def found() -> Found:
    """A few cells of everything, in seconds."""
    return Found(
        regress=[
            regress.binary(60, 0.2, 400),
            *(regress.flips(kind, 40, 0.3, 200) for kind in KINDS),
            regress.six(30, 0.4, 60),
        ],
        exact=[passing.worst(59, 0.05, 0.05), passing.worst(38, 0.05, 0.1)],
        passing=[passing.simulated(kind, 100, 0.1, 60) for kind in KINDS],
        power=list(done(power.cells(quick=True))),
        coverage=[power.covered(BINARY, 0.1, 40)],
        years=[nightly.year("share of 10 answers, .9", 1, 30, 20)],
        delays=list(done(nightly.delays(quick=True))),
        correlated=[Rate(3, 4), Rate(3, 4), Rate(1, 4)],
        families=[families.family("cost", together, 20, 300) for together in families.TOGETHER],
        trials=[guardrails.cell(setup, 40, 40) for setup in guardrails.SETUPS],
        typical=list(done(guardrails.typical_cells(quick=True))),
        attempts=list(done(attempts.cells(quick=True))),
        choices=[choosing.simulate(choosing.MIXED[0], 4)],
        suites=[sizes.suite(59, 100)],
        margins=[sizes.margin_of(0.1)],
    )


def test_every_promise_holds_in_the_small(found: Found) -> None:
    assert [what for what, _, _, met in goals(found) if not met] == []


def test_naive_peeking_would_not_pass_this() -> None:
    naive = regress.binary(150, 0.5, 300).naive
    assert naive is not None
    assert naive.low > 0.05


def test_the_error_spent_is_the_level_that_is_measured(found: Found) -> None:
    cell = found.regress[0]
    assert cell.exact is not None
    assert cell.false.low <= cell.exact <= cell.false.high
    assert cell.exact <= 0.05


def test_the_enumeration_is_that_of_the_tests_themselves() -> None:
    """All 3^7 paths through `MetricTest` give the chance that `enumerate_pass` adds up over counts."""
    margin, noise, cases = 0.6, 0.3, 7
    worse, better = margin + noise / 2, noise / 2
    chances = {-1: worse, 0: 1 - worse - better, 1: better}
    passed = anytime = 0.0
    for path in itertools.product(chances, repeat=cases):
        test = MetricTest(MetricPlan("m", margin), Units(cases), (), alpha=passing.ALPHA, seed=0)
        for difference in path:
            test.add(difference)
        early = test.passed is not None
        test.finish()
        chance = 1.0
        for difference in path:
            chance *= chances[difference]
        anytime += chance * early
        passed += chance * (test.passed is not None)
    exact = passing.enumerate_pass(cases, margin, noise)
    assert (exact.anytime, exact.total) == pytest.approx((anytime, passed))
    assert passed > anytime > 0


def test_the_enumeration_of_a_typical_metric_is_that_of_its_tests() -> None:
    """All 2^11 paths of signs through `MetricTest`, with a level so loose that both tests take part."""
    passed = anytime = 0
    for path in itertools.product((-1.0, 1.0), repeat=11):
        test = MetricTest(MetricPlan("m", typical=True), Units(11), (), alpha=guardrails.ALPHA, seed=0)
        for room in path:
            test.add(room)
        anytime += test.passed is not None
        test.finish()
        passed += test.passed is not None
    exact = guardrails.typical(11)
    assert (exact.anytime * 2**11, exact.total * 2**11) == pytest.approx((anytime, passed))
    assert passed > anytime > 0


@pytest.mark.parametrize(
    ("cases", "margin", "alpha"), [(20, 0.05, 0.05), (100, 0.1, 0.05), (73, 0.08, 0.1), (45, 0.15, 0.01)]
)
def test_a_false_pass_of_passes_and_fails_stays_below_alpha_exactly(cases: int, margin: float, alpha: float) -> None:
    assert passing.worst(cases, margin, alpha).total <= alpha


def test_the_score_test_in_its_place_would_not(found: Found) -> None:
    assert max(cell.tango / cell.alpha for cell in found.exact) > 1.4


@pytest.mark.parametrize("name", families.FAMILIES)
def test_families_at_once_end_as_trials_do_one_by_one(name: str) -> None:
    rounds, cases = 30, 60
    settings = families.settings_of(families.FAMILIES[name][0])
    paths = families.draw(settings, -0.95, cases, rounds, np.random.Generator(np.random.PCG64(2)))
    said = []
    for row in range(rounds):
        trial = Trial([replace(plan_of(one), deciding=False) for one in settings], cases)
        for case in range(cases):
            trial.add({key_of(one): float(path[case, row]) for one, path in zip(settings, paths, strict=True)})
        said.append(trial.verdict == "regress")
    assert families.regressed(paths).tolist() == said
    moved = families.draw(settings, 0.0, 100, 20, np.random.Generator(np.random.PCG64(3)))
    worse = [np.where(path > 0, -1, path) for path in moved]
    assert families.regressed(worse).all()


@pytest.mark.parametrize("name", ["cost", "length", "distance"])
@pytest.mark.parametrize("margin", [0.01, "10%"])
def test_the_signs_of_a_family_are_those_of_the_canary(name: MetricName, margin: float | str) -> None:
    if name == "distance" and margin == "10%":
        return
    rng = np.random.Generator(np.random.PCG64(4))
    before, after = rng.random((50, 1)), rng.random((50, 1))
    after[:5] = before[:5]
    for setting in families.settings_of({name: {"margin": margin}})[1:]:
        pairs = zip(before[:, 0].tolist(), after[:, 0].tolist(), strict=True)
        rooms = [difference_of(setting, pair) or 0.0 for pair in pairs]
        if name != "distance":
            rooms = [-1.0 if room < 0 else 1.0 for room in rooms]
        assert families.signs(setting, before, after)[:, 0].tolist() == np.sign(rooms).tolist()


@pytest.mark.parametrize("kind", [BINARY, *KINDS], ids=lambda kind: kind.name)
def test_the_streams_are_what_they_say(kind: object) -> None:
    """Nothing changed: the mean is 0. Worse by a drop: the mean is the drop."""
    for drop in (0.0, 0.05):
        rng = Random(1)
        drawn = list(stream(kind, 30_000, 0.1, drop, rng))  # type: ignore[arg-type]
        assert sum(drawn) / len(drawn) == pytest.approx(-drop, abs=0.012)
        assert all(-1 <= difference <= 1 for difference in drawn)


def test_clusters_hold_all_cases() -> None:
    assert clusters(KINDS[3], 12) == (5, 5, 2)
    assert clusters(BINARY, 12) == ()


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (112, 2000)])
def test_limits_are_scipys(count: int, total: int) -> None:
    exact = binomtest(count, total).proportion_ci(0.99, method="exact")
    assert (Rate(count, total).low, Rate(count, total).high) == pytest.approx((exact.low, exact.high))


def test_a_rate_says_how_well_it_is_known() -> None:
    assert Rate(130, 2000).within(0.05) is False
    assert Rate(110, 2000).within(0.05)
    assert str(Rate(0, 10)) == "0 (0 to .411)"
    assert [shown(share) for share in (1.0, 0.05, 0.0, 0.1234)] == ["1", ".05", "0", ".123"]


def test_what_was_kept_gives_the_same_pages(found: Found, tmp_path: Path) -> None:
    kept = tmp_path / "found.json"
    kept.write_text(json.dumps(to_builtins(found)), "utf-8")
    assert load(kept.read_text("utf-8")) == found
    assert main(["--from", str(kept), "--out", str(tmp_path / "out")]) == 0
    assert {path.name: path.read_text("utf-8") for path in (tmp_path / "out").iterdir()} == pages(found)


def test_a_promise_that_is_not_kept_is_said_and_ends_in_1(
    found: Found, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "found.json"
    broken = to_builtins(found)
    broken["regress"][0]["false"] = {"count": 300, "total": 2000}
    kept.write_text(json.dumps(broken), "utf-8")
    assert main(["--from", str(kept), "--out", str(tmp_path)]) == 1
    assert "not met: false REGRESS" in capsys.readouterr().err
    assert "**no**" in (tmp_path / "README.md").read_text("utf-8")


def test_plots_are_svg_and_tables_are_tables(found: Found) -> None:
    for name, text in pages(found).items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(text).tag.endswith("svg")
        else:
            assert text.count("\n| --- |") >= 1
    assert table(["a", "b"], [(1, 2)]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
