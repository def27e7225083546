"""The real-model bench in small: the methods by hand, the endpoint's noise, and the cells of the eight-bit swap."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from promptops.config import DriftConfig
from promptops.core.nightly import profiles, sizes, surprise
from promptops.core.nightly.surprise import SURPRISE
from promptops.core.nightly.watch import ALL_INPUTS
from promptops.runner.nightly import choosing
from proof.real import bench, ours, page, theirs
from proof.real.endpoint import CHANGES, LEVELS, SAME, SHOWN, Change, Endpoint
from proof.real.openings import LOOKED_AT, OPENINGS, OTHERS, PROBES
from proof.real.samples import BASE, load
from proof.tasks import done

EIGHT_BIT = next(change for change in CHANGES if change.name == page.EIGHT_BIT)


def endpoint(sigma: float, seed: int = 1) -> Endpoint:
    return Endpoint(load(), sigma, np.random.default_rng(seed))


def test_log_probability_tracking_by_hand() -> None:
    """Two tokens that moved by .2 and .4 in the mean, one that nobody saw."""
    before = np.array([[-1.0, -2.0, -9.0], [-1.2, -2.2, -9.0]])
    now = np.array([[-1.3, -1.7, -9.0], [-1.3, -1.7, -9.0]])
    assert theirs.log_probability_tracking(before, now) == pytest.approx((0.2 + 0.4) / 2)


def test_model_equality_is_the_sum_over_pairs_that_its_paper_writes() -> None:
    rng = np.random.default_rng(3)
    pools = [[list(map(int, rng.integers(0, 3, size=4))) for _ in range(5)] for _ in range(2)]
    old, new = [[0, 1, 2], [0, 1, 2]], [[3, 4], [3, 4]]

    def mean(kind: str) -> float:
        values = []
        for place, pool in enumerate(pools):
            one, other = {"xx": (old, old), "xy": (old, new), "yy": (new, new)}[kind]
            for a, b in itertools.product(one[place], other[place]):
                if a != b:
                    values.append(sum(x == y for x, y in zip(pool[a], pool[b], strict=True)) / 4)
        return float(np.mean(values))

    statistic = theirs.ModelEquality(pools, 4).statistic(old, new)
    assert statistic == pytest.approx(mean("xx") - 2 * mean("xy") + mean("yy"))


def test_model_equality_sees_other_texts_and_not_the_same_ones() -> None:
    rng = np.random.default_rng(4)
    same = [[list(map(int, rng.integers(0, 9, size=6))) for _ in range(20)] for _ in range(3)]
    other = [pool[:10] + [[99] * 6 for _ in range(10)] for pool in same]
    places = [[*range(10)]] * 3, [[*range(10, 20)]] * 3
    assert theirs.ModelEquality(other, 6).p_value(*places, rng) <= 0.002
    assert theirs.ModelEquality(same, 6).p_value(*places, rng) > 0.01


def test_an_endpoint_without_noise_says_what_was_collected() -> None:
    table = load().probes[PROBES[0]]
    found = endpoint(0.0).logs(PROBES[0], SAME, 3)
    shown = np.sort(table.logs[table.row(BASE)])[-SHOWN:]
    assert np.sort(found, axis=1)[:, -SHOWN:] == pytest.approx(np.tile(shown, (3, 1)), abs=1e-4)


@pytest.mark.parametrize("sigma", LEVELS.values())
def test_the_noise_is_as_large_as_it_says(sigma: float) -> None:
    """Of the likeliest token; over many endpoints, since machines keep their offsets."""
    calls = [endpoint(sigma, seed).logs(PROBES[0], SAME, 20).max(axis=1) for seed in range(40)]
    assert np.concatenate(calls).std() == pytest.approx(sigma, rel=0.35)


def test_a_tenth_of_the_calls_is_a_tenth() -> None:
    word = next(iter(load().looked))
    table = load().looked[word]
    change = Change("10 %", "Q2_K", 0.1)
    found = endpoint(0.0)._noisy(word, table, change, 4000)
    other = (np.abs(found - found[0]).sum(axis=1) > 1e-6).mean()
    assert min(other, 1 - other) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("tier", bench.SEEDS)
def test_without_a_change_there_is_nothing_to_tell(tier: str) -> None:
    """The level after a night is as likely above as below that of another endpoint."""
    levels = [bench.watch(load(), tier, 0.05, number).future(SAME, 1, 1)[0][0] for number in range(40)]
    assert 0.3 <= bench.auc(levels[:20], levels[20:]) <= 0.7


def test_a_swap_to_eight_bits_is_told_in_a_night_and_alarmed_in_a_week() -> None:
    (task,) = (task for task in bench.cells(quick=True) if "tier 1a, middle" in task.name)
    cell = next(cell for cell in task.run() if cell.change == EIGHT_BIT.name)
    assert cell.auc >= 0.95
    assert cell.nights is not None
    assert cell.nights <= 7


def test_log_probabilities_do_not_show_a_temperature_and_tokens_that_come_do() -> None:
    hot = Change("temperature", temperature=1.2)
    assert bench.watch(load(), "1a, cold", 0.05, 0).future(hot, 20, 1)[1] is None
    assert (bench.watch(load(), "1a", 0.05, 0).future(hot, 20, 1)[1] or 99) <= 15
    assert (bench.watch(load(), "1b", 0.05, 0).future(hot, 20, 1)[1] or 99) <= 10


@pytest.mark.parametrize(("temperature", "mean"), [(1.0, 0.0), (0.8, 4.6), (1.2, -3.0)])
def test_the_surprise_is_standard_unless_the_temperature_is_another(temperature: float, mean: float) -> None:
    numbers = ours.log_probabilities(endpoint(0.05), ours.STANDARD)
    found = [numbers(Change("temperature", temperature=temperature))[SURPRISE] for _ in range(200)]
    assert np.mean(found) == pytest.approx(mean, abs=0.4)
    assert np.std(found) == pytest.approx(1.0, abs=0.2)


def test_the_deviance_without_noise_is_that_of_calls_that_are_all_alike() -> None:
    """A steady input was asked 96 times: of 97 in all, with a half for it and a half for anything else."""
    numbers = ours.border_inputs(endpoint(0.0), load().looked, ours.BORDER["1b"])
    assert numbers(SAME)[ALL_INPUTS] == pytest.approx(15 * 2 * 12 * np.log(97 / 96.5))
    assert numbers(Change("gross", "Q2_K"))[ALL_INPUTS] > 2 * 12 * np.log(97 / 0.5)


def test_the_surprise_is_that_of_the_nightly_watch() -> None:
    """The same calls, as lists of tokens; a token that came and is not shown is one that nobody lists."""
    logs, came = endpoint(0.05).draws(PROBES[0], SAME, 30)
    means, variances = ours.expected(logs)
    calls = []
    for row, said in zip(logs, came, strict=True):
        listed = {str(token): log for token, log in enumerate(row) if log > row.min()}
        listed["the least"] = row.min()
        token = next((name for name, log in listed.items() if log == said), "none")
        calls.append(surprise.drawn(listed, token))
    assert [call.excess for call in calls] == pytest.approx(list(came - means))
    assert [call.variance for call in calls] == pytest.approx(list(variances))


def test_at_the_temperature_that_is_asked_for_tokens_come_as_they_are_reported() -> None:
    """The likeliest token, over many calls without noise."""
    logs, came = endpoint(0.0).draws("Why?", SAME, 6000)
    assert (came == logs.max()).mean() == pytest.approx(np.exp(logs.max()), abs=0.02)


def test_an_auc_is_the_share_of_pairs_in_order() -> None:
    assert bench.auc([1, 2, 3], [0, 0]) == 1.0
    assert bench.auc([1, 1], [1, 1]) == 0.5
    assert bench.auc([0, 3], [1, 2]) == 0.5


def test_the_texts_of_a_test_are_all_different_ones() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.1, 1.0):
        before, now = bench._drawn(22, 34, share, rng)
        assert len({*before, *now}) == 20
        assert max(before) < 22
        assert (sum(place >= 22 for place in now) == 10) == (share == 1.0)


def test_what_a_year_costs() -> None:
    costs = {cost.method: cost for cost in done(bench.costs())}
    standard = costs["1a"]
    assert standard.calls == 150
    assert standard.dollars == pytest.approx(365 * 150 * (load().probe_tokens * 2 + 8) / 1e6)
    assert costs["MET"].answer_tokens == len(OPENINGS) * 10 * 50
    assert costs["1a tiny"].dollars < 0.15


def test_a_vector_stays_and_a_matrix_is_quantised(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    from proof.real.requantise import requantise

    source, target = tmp_path / "one.gguf", tmp_path / "other.gguf"
    values = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    writer = gguf.GGUFWriter(source, "llama")
    writer.add_string("general.name", "tiny")
    writer.add_array("some.words", ["a", "b"])
    writer.add_tensor("norm", values[0])
    writer.add_tensor("matrix", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert requantise(source, target, "Q8_0") == 1
    reader = gguf.GGUFReader(target)
    norm, matrix = reader.tensors
    assert np.array_equal(norm.data, values[0])
    assert matrix.tensor_type == gguf.GGMLQuantizationType.Q8_0
    assert gguf.quants.dequantize(matrix.data, matrix.tensor_type) == pytest.approx(values, abs=0.02)
    assert reader.fields["general.name"].contents() == "tiny"
    assert reader.fields["some.words"].contents() == ["a", "b"]


def test_the_page_has_a_row_for_each_change_and_says_what_it_costs() -> None:
    cells = [item for task in bench.cells(quick=True) if "texts" not in task.name for item in task.run()]
    costs = list(done(bench.costs()))
    text = page.page(cells, costs)
    assert all(f"| {name} |" in text for name in bench.QUICK)
    assert "$" in text
    assert "<svg" in page.plot(cells)
    assert [what for what, *_ in page.goals(cells, costs)]


def test_the_number_of_a_night_is_a_distance_from_the_reference() -> None:
    numbers = ours.log_probabilities(endpoint(0.0), 2, drawn=False)
    assert max(numbers(SAME).values()) < 1e-9
    assert min(numbers(EIGHT_BIT).values()) > 0.001


def test_the_bench_asks_what_the_nightly_watch_asks() -> None:
    standard, tiny = sizes.SIZES["standard"], sizes.SIZES["tiny"]
    assert sizes.PROMPTS == PROBES
    assert sizes.candidates(len(LOOKED_AT)) == LOOKED_AT
    assert sizes.candidates(200) == (*LOOKED_AT, *OTHERS)
    assert (standard.prompts, standard.blocks * standard.calls) == (len(PROBES), ours.STANDARD)
    assert (tiny.prompts, tiny.blocks * tiny.calls) == (1, ours.TINY)
    assert sizes.TOP == SHOWN
    looked = choosing.LOOKED_AT["standard"], choosing.LOOKED_AT["tiny"]
    for name, size, among in zip(("1b", "1b tiny"), (standard, tiny), looked, strict=True):
        plan = ours.BORDER[name]
        assert (plan.inputs, plan.calls, plan.among) == (size.inputs, size.repeats, among)
    assert (DriftConfig().reference, DriftConfig().calibration) == (ours.REFERENCE, ours.CALIBRATION)
    assert (choosing.LOOKS, choosing.LOOK_AT) == (ours.LOOKS, ours.LOOK_AT)


def test_the_number_of_a_night_is_the_distance_of_the_nightly_watch() -> None:
    """The same calls, as lists of tokens: what is not shown is missing there, and the least that is shown here."""

    def calls(end: Endpoint, change: Change, count: int) -> list[dict[str, float]]:
        found = end.logs(PROBES[0], change, count)
        return [{str(token): log for token, log in enumerate(row) if log > row.min()} for row in found]

    reference = profiles.profile_of(calls(endpoint(0.05), SAME, 8 * 30))
    end = endpoint(0.05)
    numbers = ours.log_probabilities(end, 30, PROBES[:1])
    state = end.rng.bit_generator.state
    ours_says = numbers(EIGHT_BIT)[PROBES[0]]
    end.rng.bit_generator.state = state
    tonight = profiles.profile_of(calls(end, EIGHT_BIT, 30))
    assert ours_says == pytest.approx(profiles.distance(reference, tonight), rel=0.05)
