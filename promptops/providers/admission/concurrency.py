"""How many requests may be in flight at once, found out by trying: less where less refuses less, else as configured.

To lower the number whenever something is refused would be wrong: an endpoint that refuses every fifth request whatever
we do would be asked ever more slowly, for nothing. So a lower number is tried, and kept only if the share of refusals
falls with it. From a lowered number it goes up again, in larger and larger steps while nothing new is refused.

What is tried is what the endpoint was seen to bear: the mean number of requests in flight that were not refused (their
rate times their latency: J. Little, A Proof for the Queuing Formula L = λW, Operations Research 9 (1961)). Below 1,
there are pauses between requests.

Where answers take much longer than they did, a lower number is tried, too, and kept if they come sooner with it: then
as many come in the same time.
"""

from __future__ import annotations

from math import inf
from typing import Literal

from promptops.providers.admission.evidence import Alarm, Trial
from promptops.providers.admission.levels import Load, Shares, Slowness
from promptops.providers.admission.records import Ticket

LEAST = 0.001  # in flight on average
LONGEST_GAP = 60.0  # seconds between two requests

_RISE = 0.1  # a share of refusals that is so much above the usual one is looked into
_ENOUGH, _SURELY, _FEW = 24, 10, 12  # outcomes that tell a share; one near 1; one at all
_HEADROOM = 0.95  # of what the endpoint was seen to bear
_STEPS = 3  # how often it is lowered in a row before the refusals are taken to be independent of it
_MOST_USUAL = 0.8  # more than this is a limit, or an outage
_MUCH = 16  # … or how far down
_LOW = 0.25  # … where most are refused: that share hardly falls before the number is as low as the endpoint bears
_PATIENCE, _MOST_PATIENCE = 10, 320  # outcomes before it is raised again; doubles when that was too early
_QUIET = 200  # outcomes before independence is doubted; doubles when it is confirmed
_SMALL_STEP, _STEP, _LARGE_STEP = 1.1, 1.25, 2.0  # factors of raising

_EPOCHS = 100  # numbers that are remembered

_GOLDEN = 0.6180339887498949
_WHOLE = 4  # from here on there are no fractions
_LESS = 0.75  # of the number, where it is slow
_MEDIAN = 32  # answers whose median is taken, at least
_WORSE = 1.5  # times the best median is the best, where fewer at a time are not quicker

Mode = Literal["steady", "measuring", "lowering", "lowered", "raised", "slowed"]


class Concurrency:
    """The number in force of one model, at most `most`, and always so much where it is not `adaptive`.

    `sent` and `ended` are told of every request as it happens, `learn` of their outcomes in the order of sending; what
    was sent before the number changed says nothing of the new one. Times are of a clock that goes forward.
    """

    def __init__(self, most: int, *, adaptive: bool = True) -> None:
        self._adaptive = adaptive
        self._most = self.limit = self._before = float(most)
        self.epoch = 0
        self._mode: Mode = "steady"
        self._usual, self._proved = 0.0, False  # the share of refusals that fewer in flight would not lower
        self._calm, self._now = Shares(), Shares()  # what that is known from; what is seen since the mode changed
        self._share_before, self._steps = 0.0, 0
        self._told = False  # whether the last refusal said how long to wait
        self._origin: tuple[float, float] | None = None  # the number where it was lowered first; the worst share since
        self._alarm, self._trial = Alarm(0.0, _RISE, threshold=4.0), Trial(0.0, 1.0, for_first=1, for_second=1)
        self._step, self._patience, self._quiet = _STEP, _PATIENCE, _QUIET
        self._load, self._slowness = Load(), Slowness()
        self._median_before = 0.0
        self._latency = 0.0
        self._sent, self._last = 0, -inf
        self._limits = {0: float(most)}  # by epoch, as long as something may be in flight that was sent in it
        self._borne = float(most)  # the number in force when the newest request that was answered was sent
        self._outage = False

    def wait(self, now: float) -> float:
        """Return the seconds until one more may be sent; infinity: not before one has ended."""
        if self._mode == "lowering":
            self._lower(now)
        in_flight = self._load.in_flight
        if self.limit < 1.0:
            return inf if in_flight else self._last + min(self._latency / self.limit, LONGEST_GAP) - now
        whole = int(self.limit)
        part = self.limit - whole
        extra = part > 0 and self._sent * _GOLDEN % 1.0 < part  # evenly spread, whatever is sent together
        return 0.0 if in_flight < whole + extra else inf

    def sent(self, now: float) -> int:
        """A request is sent. Returns the epoch for its ticket."""
        self._load.change(1, now)
        self._sent += 1
        self._last = now
        return self.epoch

    def ended(self, ticket: Ticket, now: float) -> None:
        """A request ended."""
        self._load.change(-1, now)
        latency = now - ticket.sent
        if ticket.refused:
            self._load.refused(latency, now)
        elif ticket.refused is not None:
            self._borne = self._limits.get(ticket.epoch, self._borne)
            self._latency += (latency - self._latency) * (0.1 if self._latency else 1.0)
            enough = max(_MEDIAN, self.limit)
            if ticket.epoch == self.epoch and self._slowness.saw(latency, enough=enough) and self._adaptive:
                self._look_at_latency(now)

    def outage(self, now: float) -> None:
        """Nothing is sent but probes: go back to what was borne, and learn nothing until `recovered`."""
        self._outage = True
        self._origin, self._told = None, False
        self._change(self._borne, now)
        self._settle()

    def recovered(self, now: float) -> None:
        """Learn again, from what is sent from now on."""
        self._outage = False
        self._change(self.limit, now)
        self._settle()

    @property
    def daring(self) -> bool:
        """Whether more is tried than is known to go well."""
        return self._mode == "raised"

    def dared(self, now: float) -> None:
        """A daring request was refused: where that is not usual, it was too much."""
        if self._mode == "raised" and self._usual < _RISE / 2:
            self._after_raising(passed=False, now=now)

    def learn(self, ticket: Ticket, now: float, *, clustered: float = 0.0) -> None:
        """Count one outcome, in the order of sending.

        `clustered` is the share of refusals among what is sent soon after a refusal, 0 where it is not known.
        """
        refused = bool(ticket.refused)
        if ticket.epoch != self.epoch or ticket.probe or self._outage or not self._adaptive:
            return
        self._now.count(refused=refused)
        if refused:
            self._told = ticket.retry_after is not None
        if self._mode == "steady":
            self._watch(refused=refused, now=now)
        elif self._mode == "measuring":
            self._measure()
        elif self._mode == "lowered":
            verdict = self._trial.saw(event=refused)
            if verdict is not None and self._now.outcomes >= max(_FEW, self.limit):
                self._after_lowering(fell=verdict == "second", clustered=clustered, now=now)
        elif self._mode == "raised":
            verdict = self._trial.saw(event=refused)
            if verdict == "second" or (verdict == "first" and self._now.outcomes >= self.limit):
                self._after_raising(passed=verdict == "first", now=now)

    def _watch(self, *, refused: bool, now: float) -> None:
        self._calm.count(refused=refused)
        doubtful = self._usual > _RISE / 2 and self._now.outcomes >= self._quiet
        if self._alarm.saw(event=refused) or doubtful:
            self._before, self._steps = self.limit, 0
            self._enter("measuring")
        elif self.limit < self._most and self._now.outcomes >= self._patience and self._slowness.fine:
            self._raise(now)

    def _measure(self) -> None:
        """Look how many are refused, without the chance that gave the alarm."""
        now = self._now
        if now.outcomes < (_SURELY if now.share > 0.6 else _ENOUGH):
            return
        if now.refusals < 2 or now.share < self._usual + _RISE / 2:
            self._calm.add(now)
            self._settle()
        else:
            self._share_before = now.share
            self._enter("lowering")  # with the next sending: until then it is seen what is answered still

    def _lower(self, now: float) -> None:
        share = self._share_before
        to = min(_HEADROOM * self._load.mean(now), self.limit * (0.5 if share > 0.5 else 0.8))
        least = self.limit / self._deepest(now) if share > 0.5 else 0.6 * (1 - share) * self.limit
        self._steps += 1
        self._origin = (self._origin[0], max(share, self._origin[1])) if self._origin else (self.limit, share)
        self._change(max(to, LEAST, least), now)
        self._enter("lowered")
        self._trial = Trial(share, max(share / 8, min(self._usual, 0.6 * share)), for_first=2.5, for_second=3.0)

    def _deepest(self, now: float) -> float:
        """What the number may be divided by: the more, the longer it was seen what is borne.

        And the less where the server says how long to wait, which alone keeps its limit.
        """
        return 16.0 if self._load.lasted(now) > 20 * self._latency and not self._told else 4.0

    def _after_lowering(self, *, fell: bool, clustered: float, now: float) -> None:
        seen, before = self._now.share, self._share_before
        single = clustered <= max(0.5, max(seen, before) + 0.2)  # what has nothing to do with us comes singly
        if fell:
            self._step = _LARGE_STEP if self.limit < self._before / 2 else _STEP
            self._patience = _PATIENCE
            self._calm, self._proved, self._origin = self._now, False, None
        elif self._in_vain(seen) and single:
            self._prove(self._origin[0] if self._origin else self._before, now)
        elif (seen > 0.5 and self.limit > _LOW) or (self._steps < _STEPS and (_less(seen, before) or not single)):
            self._share_before = seen
            self._enter("lowering")
            return
        elif seen <= _MOST_USUAL and single and not _less(seen, before):
            self._prove(self._before, now)
        self._settle()

    def _in_vain(self, seen: float) -> bool:
        """Whether much was tried, and hardly more is answered than where it began."""
        if self._origin is None:
            return False
        limit, share = self._origin
        self._origin = limit, max(share, seen)
        return self.limit <= limit / _MUCH and share <= _MOST_USUAL and 1 - seen < 2.5 * (1 - share)

    def _prove(self, limit: float, now: float) -> None:
        """What is refused has nothing to do with how many are in flight: back to where it was."""
        self._quiet *= 2
        self._calm, self._usual, self._proved, self._origin = self._now, self._share_before, True, None
        self._change(limit, now)

    def _look_at_latency(self, now: float) -> None:
        slowness = self._slowness
        assert slowness.median is not None
        if self._mode == "steady" and slowness.slow and self.limit >= 2:
            self._median_before, self._before = slowness.median, self.limit
            self._change(max(1.0, _LESS * self.limit), now)
            self._enter("slowed")
        elif self._mode == "slowed":
            if slowness.median > (1 + _LESS) / 2 * self._median_before:  # it is the requests, or everybody's
                slowness.best = min(_WORSE * slowness.best, slowness.median)
                self._change(self._before, now)
            self._settle()

    def _raise(self, now: float) -> None:
        self._before = self.limit
        self._change(min(max(self.limit * self._step, _one_more(self.limit)), self._most), now)
        self._enter("raised")
        self._settle_usual()
        excess = max(_RISE, 1 - self._before / self.limit)  # is refused if what was before is all that is borne
        self._trial = Trial(self._usual, self._usual + 0.7 * excess, for_first=1.0, for_second=2.5)

    def _after_raising(self, *, passed: bool, now: float) -> None:
        if not passed:
            self._step, self._patience = _SMALL_STEP, min(self._patience * 2, _MOST_PATIENCE)
            self._change(self._before, now)
            self._settle()
            return
        self._step, self._patience = min(self._step * 1.2, _LARGE_STEP), max(_PATIENCE, self._patience // 2)
        self._calm.add(self._now)
        if self.limit < self._most and self._slowness.fine:
            self._raise(now)
        else:
            self._settle()

    def _settle(self) -> None:
        self._enter("steady")
        self._settle_usual()
        self._alarm = Alarm(self._usual, self._too_many(), threshold=4.0)

    def _settle_usual(self) -> None:
        """What was taken for usual before weighs as much as ten outcomes, and more is usual only where it is proved."""
        seen = (self._calm.refusals + 10 * self._usual) / (self._calm.outcomes + 10)
        self._usual = seen if self._proved else min(seen, self._usual)

    def _too_many(self) -> float:
        return self._usual + _RISE * (1 + 2 * self._usual)

    def _enter(self, mode: Mode) -> None:
        self._mode, self._now = mode, Shares()

    def _change(self, limit: float, now: float) -> None:
        self.limit = min(limit if limit < _WHOLE else float(round(limit)), self._most)
        self.epoch += 1
        self._limits[self.epoch] = self.limit
        self._limits.pop(self.epoch - _EPOCHS, None)
        self._load.mean(now)
        self._load.begin(now)
        self._slowness.begin()


def _one_more(limit: float) -> float:
    return limit + 1 if limit >= _WHOLE else 0.0


def _less(share: float, before: float) -> bool:
    """Whether clearly less was refused, or clearly more answered, if not as much as hoped."""
    return share < 0.6 * before or 1 - share > 1.25 * (1 - before)
