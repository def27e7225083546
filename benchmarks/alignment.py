"""Lists compared without order: our alignment beside DeepDiff's `ignore_order`, in processor seconds.

    python -m benchmarks.alignment [--plain-up-to 400]

Records have no id, half of them have one field changed, and their order is shuffled: the hard case, in which only
likeness says what belongs together. `with id` has one. DeepDiff alone is run up to the given number of records; it is
quadratic.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Callable
from typing import Any

SIZES = (100, 200, 400, 800, 8_000)
SEED = 20_260_422


def records(count: int, *, ids: bool, seed: int = SEED) -> list[dict[str, Any]]:
    """Records such as a model extracts, with six fields."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        address = {"city": dice.choice(("Berlin", "Bonn", "Ulm")), "zip": f"{dice.randrange(99_999):05}"}
        record: dict[str, Any] = {"label": dice.choice("abcdefgh"), "price": round(dice.random() * 1_000, 2)}
        record |= {"quantity": dice.randrange(4), "tags": [dice.choice("xyz") for _ in range(3)], "address": address}
        made.append({"id": number, **record} if ids else record)
    return made


def changed(made: list[dict[str, Any]], *, share: float = 0.5, seed: int = SEED + 1) -> list[dict[str, Any]]:
    """The same with one field changed in `share` of them, shuffled."""
    dice = random.Random(seed)
    made = copy.deepcopy(made)
    for record in made:
        if dice.random() < share:
            record["quantity"] = 99
    dice.shuffle(made)
    return made


def seconds(work: Callable[[], object], *, times: int = 3) -> float:
    """The least processor time of several runs."""
    found = []
    for _ in range(times):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def row(count: int, *, ids: bool, plain: bool) -> str:
    """One line of the table."""
    from deepdiff import DeepDiff

    from promptops.core.align import pair_any_order
    from promptops.core.comparison import Comparison, Prints
    from promptops.core.diff import differences
    from promptops.core.distance import distance

    one = records(count, ids=ids)
    other, how = changed(one), Comparison(ignore_order=True)
    aligned = seconds(lambda: pair_any_order(one, other, Prints(how, one, other)))
    told = seconds(lambda: differences(one, other, ignore_order=True))
    apart = seconds(lambda: distance(one, other, ignore_order=True))
    theirs = seconds(lambda: DeepDiff(one, other, ignore_order=True), times=1) if plain else None
    ratio = "" if theirs is None else f"{theirs:.2f} s, {theirs / told:.0f} x"
    name = "with id" if ids else "without"
    return f"| {count:,} | {name} | {aligned:.3f} s | {apart:.3f} s | {told:.3f} s | {ratio or 'not run'} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alignment", description=__doc__)
    parser.add_argument("--plain-up-to", type=int, default=400, help="records up to which DeepDiff alone is run")
    most = parser.parse_args().plain_up_to
    print("| records | ids | aligned | distance | differences (1,000 at most) | DeepDiff alone |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for count in SIZES:
        for ids in (False, True):
            print(row(count, ids=ids, plain=count <= most), flush=True)


if __name__ == "__main__":
    main()
