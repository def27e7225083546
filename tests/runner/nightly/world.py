"""An endpoint whose answers a test decides, a clock that moves only when told to, and the watch over it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from promptops.config import Config, DriftConfig
from promptops.models import Attempt, Failure, Json, Pin, Reply, Sample, Usage
from promptops.runner.nightly.asking import Probe
from promptops.runner.nightly.endpoints import Endpoint
from promptops.runner.nightly.night import Nightly, Seen
from promptops.store.drift_log import DriftLog, FolderLog
from promptops.times import SimulatedClock

BEGIN = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)
TOKENS = {"yes": -0.6, "no": -1.1, "well": -2.4, "maybe": -3.5}


@dataclass
class Model:
    """Answers probes: `shift` moves its log probabilities, `noise` is their standard deviation.

    Without `logprobs` it says one of two words of `said`. `temperature` is what it samples at when it is asked for 1;
    `cold`: it refuses to be asked for that.
    """

    shift: float = 0.0
    noise: float = 0.05
    logprobs: bool = True
    said: tuple[str, str] = ("yes", "no")
    served: str = "model-1"
    fingerprint: str | None = "fp-1"
    tokens: int = 9
    down: bool = False
    temperature: float = 1.0
    cold: bool = False
    draw: Callable[[random.Random], float] = lambda rng: rng.gauss(0, 1)
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    draws: random.Random = field(default_factory=lambda: random.Random(8))
    asked: int = 0

    def __call__(self, probes: Sequence[Probe]) -> list[Sample]:
        return [self._answer(probe) for probe in probes]

    def _answer(self, probe: Probe) -> Sample:
        self.asked += 1
        key, digest = probe.planned().key, probe.planned().digest
        attempts = (Attempt("test", 0.0, 0.1),)
        if self.down:
            return Sample(key, digest, failure=Failure("connection", "refused"), attempts=attempts)
        asked = float(str(dict(probe.params).get("temperature", 0.0)))
        if self.cold and asked:
            return Sample(key, digest, failure=Failure("request", "temperature must be 0"), attempts=attempts)
        usage = Usage(self.tokens, 1)
        if not self.logprobs:
            own = random.Random(f"{probe.text} {self.shift}").random()
            text = self.said[self.rng.random() >= own]
            reply = Reply(text, "length", usage, self.served, fingerprint=self.fingerprint)
            return Sample(key, digest, reply=reply, cost=0.00001, attempts=attempts)
        night: list[dict[str, Json]] = [
            {
                "token": token,
                "logprob": value + (self.shift if token == "no" else 0.0) + self.noise * self.draw(self.rng),
            }
            for token, value in TOKENS.items()
        ]
        night.sort(key=lambda entry: -float(str(entry["logprob"])))
        weights = [math.exp(float(str(entry["logprob"])) / self.temperature) for entry in night]
        (token,) = self.draws.choices(night, weights) if asked else night[:1]
        logprobs: tuple[dict[str, Json], ...] = ({**token, "top": night},)
        reply = Reply(
            str(token["token"]), "length", usage, self.served, logprobs=logprobs, fingerprint=self.fingerprint
        )
        return Sample(key, digest, reply=reply, cost=0.00001, attempts=attempts)


@dataclass
class Watched:
    """One endpoint under watch, `size` and all; every `night` is a day later."""

    path: Path
    model: Model = field(default_factory=Model)
    settings: DriftConfig = field(default_factory=lambda: DriftConfig(size="tiny", reference=4, calibration=30))
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(BEGIN))
    log: DriftLog | None = None
    pins: tuple[str, ...] = ("test/model-1",)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.log or FolderLog(self.path / "drift")
        self.watch = Nightly(
            endpoints=[Endpoint(Pin.parse(pin), "http://127.0.0.1:1/v1", ("greet@v1",)) for pin in self.pins],
            log=self.log,
            clock=self.clock,
            config=Config(),
            settings=self.settings,
            ask=self.model,
            tell=self.told.append,
        )

    def calibrated(self) -> Watched:
        """Accepted, and through its calibration."""
        if any(seen.watch.epoch is None for seen in self.look()):
            self.watch.accept(self.pins, reason="the first")
        for _ in range(self.settings.reference + 4 * self.settings.calibration + 1):
            if all(seen.watch.role == "night" for seen in self.look()):
                return self
            self.clock.sleep(3600)
            self.watch.visit()
        raise AssertionError("it is not calibrated")

    def look(self) -> list[Seen]:
        return self.watch.look()

    def night(self, count: int = 1) -> Seen:
        """So many nights; what the last of them said of the first endpoint."""
        seen = self.look()
        for _ in range(count):
            self.clock.sleep(timedelta(days=1).total_seconds())
            seen = self.watch.visit()
        return seen[0]


def heavy(rng: random.Random) -> float:
    """Student's t with 3 degrees of freedom."""
    return rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3)
