"""One participant or several on one file, with a clock of their own."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptops.providers.ledger import Ledger
from promptops.store.limits import window
from promptops.store.limits.processes import ABANDONED
from promptops.store.limits.shares import TURN
from promptops.store.shared_limits import HELD_FOR, LONGEST_HOLD, SharedLimits

Open = Callable[[], SharedLimits]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def participant(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    opened = []

    def open_one() -> SharedLimits:
        opened.append(SharedLimits(tmp_path / "limits", clock=clock))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def rows(folder: Path, table: str) -> int:
    (file,) = folder.glob("limits/limits-*.db")
    with sqlite3.connect(file) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    connection.close()
    return int(found)


def test_it_is_a_ledger(participant: Open) -> None:
    ledger: Ledger = participant()
    assert ledger.held("endpoint") == 0.0


# --- places


def test_one_participant_has_all_places_and_never_more_than_it_wants(participant: Open) -> None:
    one = participant()
    assert one.places("b", limit=16, using=0, wanted=3) == 3
    assert one.places("b", limit=16, using=3, wanted=100) == 16
    assert one.places("other", limit=2, using=0, wanted=100) == 2


def test_a_newcomer_waits_for_the_requests_of_others_to_end_and_then_has_its_share(participant: Open) -> None:
    old, new = participant(), participant()
    assert old.places("b", limit=16, using=0, wanted=100) == 16
    assert new.places("b", limit=16, using=0, wanted=100) == 0
    assert old.places("b", limit=16, using=16, wanted=100) == 8
    assert new.places("b", limit=16, using=0, wanted=100) == 0
    assert old.places("b", limit=16, using=13, wanted=100) == 8
    assert new.places("b", limit=16, using=0, wanted=100) == 3
    assert old.places("b", limit=16, using=8, wanted=100) == 8
    assert new.places("b", limit=16, using=3, wanted=100) == 8


def test_what_one_gives_back_the_others_have(participant: Open) -> None:
    one, two = participant(), participant()
    assert one.places("b", limit=4, using=0, wanted=4) == 4
    assert two.places("b", limit=4, using=0, wanted=4) == 0
    assert one.places("b", limit=4, using=0, wanted=0) == 0
    assert two.places("b", limit=4, using=0, wanted=4) == 4
    two.close()
    assert one.places("b", limit=4, using=0, wanted=4) == 4


def test_participants_with_different_limits_each_hold_to_their_own(participant: Open) -> None:
    strict, generous = participant(), participant()
    assert generous.places("b", limit=10, using=0, wanted=50) == 10
    assert strict.places("b", limit=4, using=0, wanted=50) == 0
    assert generous.places("b", limit=10, using=10, wanted=50) == 2
    assert generous.places("b", limit=10, using=2, wanted=50) == 2
    assert strict.places("b", limit=4, using=0, wanted=50) == 2
    strict.close()
    assert generous.places("b", limit=10, using=2, wanted=50) == 10


def test_fewer_places_than_participants_go_round(participant: Open, clock: Clock) -> None:
    everybody = [participant() for _ in range(3)]
    using, seen = [0, 0, 0], []
    for _ in range(40):
        for index, one in enumerate(everybody):
            using[index] = one.places("b", limit=1, using=0, wanted=5)  # a request never outlasts the step
            assert sum(using) <= 1
        seen.append(using.index(1) if 1 in using else None)
        clock.now += TURN / 4
    assert {seen.count(index) for index in range(3)} <= set(range(10, 15))


def test_who_asks_no_more_keeps_what_it_has_for_minutes_and_no_longer(participant: Open, clock: Clock) -> None:
    stopped, other = participant(), participant()
    assert stopped.places("b", limit=4, using=3, wanted=3) == 3
    clock.now += ABANDONED - 1
    assert other.places("b", limit=4, using=0, wanted=9) == 1
    clock.now += 1
    assert other.places("b", limit=4, using=1, wanted=9) == 4


@pytest.mark.parametrize("seed", range(3))
def test_places_in_use_never_exceed_the_limit_and_are_all_used_in_the_end(
    participant: Open, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    everybody, limit = [participant() for _ in range(4)], 7
    granted, using = [0] * 4, [0] * 4
    for _ in range(300):
        index = chance.randrange(4)
        using[index] = chance.randint(0, using[index]) if chance.random() < 0.5 else max(using[index], granted[index])
        wish = using[index] + chance.choice([0, 0, 1, 20])
        granted[index] = everybody[index].places("b", limit=limit, using=using[index], wanted=wish)
        assert sum(map(max, using, granted)) <= limit
        clock.now += chance.choice([0.0, 0.01, 0.3])
    for _ in range(3):
        for index, one in enumerate(everybody):
            using[index] = granted[index] = one.places("b", limit=limit, using=0, wanted=9)
    assert sorted(granted) == [1, 2, 2, 2]


# --- a minute


@pytest.mark.parametrize("seed", range(3))
def test_no_sixty_seconds_hold_more_than_the_limit(participant: Open, clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    everybody, limit = [participant() for _ in range(3)], 300
    sent: list[tuple[float, int]] = []
    in_flight: list[tuple[SharedLimits, int]] = []  # who asked, and which of `sent` it is
    for _ in range(1500):
        one, amount = chance.choice(everybody), chance.choice([1, 1, 1, 5, 40])
        if not one.take("b", limit=limit, amount=amount):
            in_flight.append((one, len(sent)))
            sent.append((clock.now, amount))
        if in_flight and chance.random() < 0.4:
            who, which = in_flight.pop(chance.randrange(len(in_flight)))
            moment, taken = sent[which]
            used = chance.randint(0, taken)
            who.settle("b", taken=taken, used=used)
            sent[which] = (moment, used)
        clock.now += chance.choice([0.0, 0.0, 0.1, 0.8])
    starts = [moment for moment, _ in sent]
    worst = max(sum(amount for moment, amount in sent if start <= moment < start + 60) for start in starts)
    assert starts[-1] - starts[0] > 250
    assert limit * 0.7 < worst <= limit


def test_what_is_taken_counts_for_a_minute_and_a_second_and_the_wait_says_so(participant: Open, clock: Clock) -> None:
    one, two = participant(), participant()
    for _ in range(10):
        assert one.take("b", limit=10, amount=1) == 0.0
    waited = 0.0
    while wait := two.take("b", limit=10, amount=1):
        assert 0 < wait <= window.POLL
        clock.now += wait
        waited += wait
    assert 61.0 <= waited <= 61.0 + window.SLOT + 0.01


def test_an_amount_above_the_limit_goes_alone(participant: Open, clock: Clock) -> None:
    one, two = participant(), participant()
    assert one.take("b", limit=100, amount=1) == 0.0
    assert two.take("b", limit=100, amount=500) > 0
    clock.now += 60
    assert two.take("b", limit=100, amount=500) > 0
    clock.now += 2
    assert two.take("b", limit=100, amount=500) == 0.0
    assert one.take("b", limit=100, amount=1) > 0


def test_what_was_not_used_can_be_taken_again_and_what_was_used_beyond_counts(participant: Open, clock: Clock) -> None:
    one, two = participant(), participant()
    assert one.take("b", limit=100, amount=80) == 0.0
    assert two.take("b", limit=100, amount=50) > 0
    clock.now += 1
    one.settle("b", taken=80, used=30)
    assert two.take("b", limit=100, amount=50) == 0.0
    clock.now += 1
    two.settle("b", taken=50, used=65)
    assert one.take("b", limit=100, amount=6) > 0
    assert one.take("b", limit=100, amount=5) == 0.0


def test_a_late_correction_is_not_taken_for_one_of_what_came_after(participant: Open, clock: Clock) -> None:
    one = participant()
    assert one.take("b", limit=100, amount=80) == 0.0
    clock.now += 70
    assert one.take("b", limit=100, amount=80) == 0.0
    one.settle("b", taken=80, used=1)  # the first one's
    assert one.take("b", limit=100, amount=50) > 0
    one.settle("b", taken=80, used=10)
    assert one.take("b", limit=100, amount=50) == 0.0


def test_which_of_two_equal_takes_is_corrected_does_not_matter(participant: Open, clock: Clock) -> None:
    one, other = participant(), participant()
    assert one.take("b", limit=80, amount=40) == 0.0
    clock.now += 20
    assert one.take("b", limit=80, amount=40) == 0.0
    one.settle("b", taken=40, used=40)  # the later one's
    one.settle("b", taken=40, used=0)
    clock.now += 45
    one.settle("b", taken=1, used=1)  # any call tells the others
    assert other.take("b", limit=80, amount=41) > 0
    assert other.take("b", limit=80, amount=40) == 0.0


def test_a_large_amount_is_not_passed_by_small_ones_for_ever(participant: Open, clock: Clock) -> None:
    large, small = participant(), participant()
    for _ in range(200):
        clock.now += 0.5
        small.take("b", limit=100, amount=1)
    for _ in range(300):
        clock.now += 0.5
        small.take("b", limit=100, amount=1)
        if not large.take("b", limit=100, amount=90):
            break
    else:
        raise AssertionError("never its turn")


def test_who_no_longer_wants_it_does_not_keep_the_others_waiting(participant: Open, clock: Clock) -> None:
    large, small = participant(), participant()
    assert small.take("b", limit=100, amount=50) == 0.0
    assert large.take("b", limit=100, amount=90) > 0
    clock.now += 0.1
    assert small.take("b", limit=100, amount=20) > 0
    clock.now += 3
    assert small.take("b", limit=100, amount=20) == 0.0


def test_a_large_limit_needs_few_rows(tmp_path: Path, participant: Open, clock: Clock) -> None:
    everybody = [participant() for _ in range(8)]
    for _ in range(1000):
        for one in everybody:
            assert one.take("b", limit=100_000, amount=1) == 0.0
            clock.now += 0.01
    assert rows(tmp_path, "spent") <= 260


def test_what_was_taken_ahead_is_given_back(participant: Open, clock: Clock) -> None:
    one, other = participant(), participant()
    for _ in range(50):
        assert one.take("b", limit=1000, amount=1) == 0.0
    clock.now += 1
    one.settle("b", taken=1, used=1)  # any call tells the others
    assert other.take("b", limit=1000, amount=950) == 0.0


def test_who_wants_no_more_places_gives_back_what_was_taken_ahead(participant: Open) -> None:
    one, other = participant(), participant()
    one.places("p", limit=1, using=0, wanted=1)
    for _ in range(50):
        assert one.take("b", limit=1000, amount=1) == 0.0
    one.places("p", limit=1, using=0, wanted=0)
    assert other.take("b", limit=1000, amount=950) == 0.0


def test_closing_gives_back_what_was_taken_ahead(participant: Open) -> None:
    one, other = participant(), participant()
    for _ in range(50):
        assert one.take("b", limit=1000, amount=1) == 0.0
    one.close()
    one.close()
    assert other.take("b", limit=1000, amount=951) > 0
    assert other.take("b", limit=1000, amount=950) == 0.0


def test_a_lower_limit_holds_at_once(participant: Open) -> None:
    one = participant()
    for _ in range(50):
        assert one.take("b", limit=1000, amount=1) == 0.0
    assert one.take("b", limit=50, amount=1) > 0
    assert one.take("b", limit=51, amount=1) == 0.0


# --- pauses


def test_a_hold_is_for_everybody_and_the_longer_one_counts(participant: Open, clock: Clock) -> None:
    one, two = participant(), participant()
    assert two.held("b") == 0.0
    one.hold("b", 5)
    clock.now += 2 * HELD_FOR
    assert two.held("b") == pytest.approx(5 - 2 * HELD_FOR)
    two.hold("b", 1)
    assert one.held("b") == two.held("b") == pytest.approx(5 - 2 * HELD_FOR)
    assert one.held("other") == 0.0
    two.hold("b", 0)
    clock.now += 2 * HELD_FOR
    assert one.held("b") == 0.0


def test_nobody_is_held_for_days(participant: Open, clock: Clock) -> None:
    one, two = participant(), participant()
    one.hold("b", 1e9)
    assert one.held("b") == two.held("b") == LONGEST_HOLD


# --- what the file tells


def test_nothing_that_names_a_key_an_endpoint_or_a_model_is_written(tmp_path: Path, participant: Open) -> None:
    one = participant()
    bucket = "api.example.com gpt-x " + one.fingerprint("sk-secret")
    one.places(bucket, limit=4, using=0, wanted=4)
    one.take(bucket, limit=4, amount=1)
    one.hold(bucket, 1)
    one.take(bucket, limit=1, amount=1)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.joinpath("limits").iterdir()} == {0o600}
    written = b"".join(file.read_bytes() for file in tmp_path.joinpath("limits").iterdir() if file.name != "salt")
    for secret in ("sk-secret", "api.example.com", "gpt-x", one.fingerprint("sk-secret")):
        assert secret.encode() not in written
    assert participant().fingerprint("sk-secret") == one.fingerprint("sk-secret")
