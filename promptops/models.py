"""The records that the layers hand to each other: frozen, small, without behaviour that needs the outside.

What is stored in a user's files has its own strict models in `formats/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from urllib.parse import quote

from msgspec import Struct, field

from promptops.errors import FailureKind

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Role = Literal["system", "user", "assistant", "tool"]
Mode = Literal["replay", "record", "new", "live"]
Verdict = Literal["pass", "regress", "inconclusive", "unmeasurable"]
Outcome = Literal["pass", "fail", "error", "unmeasurable"]
Standing = Literal["passed", "fixed", "broke", "known", "error", "unmeasurable"]
Source = Literal["live", "recorded", "cached"]


class Pin(Struct, frozen=True, order=True):
    """The exact model that a version names: `provider/model-id`. The model id may itself contain `/`, `:` and `@`."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Pin:
        """Split `provider/model-id`; raises `ValueError` where one of the two is missing."""
        provider, slash, model = text.partition("/")
        if not slash or not provider or not model or text != text.strip():
            raise ValueError(f"{text!r} is not a pin: write provider/model-id, such as openai/gpt-4.1-mini-2025-04-14")
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def file_name(self) -> str:
        """One flat, reversible file name: everything but letters, digits, `_.-~` percent-encoded."""
        return quote(str(self), safe="")


class Media(Struct, frozen=True):
    """An image or a file in a message: what it holds, and its digest (`sha256:<hex>` of the bytes).

    `media_type` is what the bytes are, such as `image/png`; `name` is its file name, as some vendors want one.
    """

    kind: Literal["image", "file"]
    media_type: str
    data: bytes
    digest: str
    name: str

    def __repr__(self) -> str:
        return f"Media({self.kind!r}, {self.media_type!r}, {self.name!r}, {len(self.data)} bytes)"


class ToolCall(Struct, frozen=True):
    """One call of a tool in a turn that is shown to the model. `id` ties its result to it."""

    name: str
    arguments: Mapping[str, Json]
    id: str


class Message(Struct, frozen=True):
    """One chat message. `content` is text as it is sent: never HTML-escaped.

    `parts` are text and media in their order, where there are media; `content` is then the text alone. `tool_calls`
    are those of a shown assistant turn, `tool_call_id` the call that a tool's message answers.
    """

    role: Role
    content: str
    parts: tuple[str | Media, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class Request(Struct, frozen=True):
    """What is asked of a model, independent of the wire format. Its digest keys recordings.

    `output_schema` is the JSON Schema that the answer is asked to have, where the param `structured_output` is set.
    The first `stable` messages are the same for every case of the version.
    """

    pin: Pin
    messages: tuple[Message, ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    tools: tuple[Mapping[str, Json], ...] = ()
    output_schema: Mapping[str, Json] | None = None
    stable: int = 0


class Usage(Struct, frozen=True):
    """Tokens as the provider counted them; None where it did not say.

    `input_tokens` are all of the prompt: those read from a cache (`cached_tokens`) and written to one
    (`cache_write_tokens`, of which `cache_write_1h_tokens` for an hour) are among them. `output_tokens` are all that
    the model wrote, its reasoning (`reasoning_tokens`) among them. `tier` is how they were served where that has a
    price of its own: `flex`, `priority` or `fast`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    tier: str | None = None
    cache_write_1h_tokens: int | None = None


class Reply(Struct, frozen=True):
    """What a model answered.

    `finish_reason` is `stop`, `length`, `tool_calls` or `content_filter` in every wire format; what has no such
    meaning stays the vendor's own word. `tool_calls` have the shape of OpenAI's, the arguments as the text that the
    model wrote. `logprobs` has an entry for each token where they were asked for: `token`, `logprob` and `top`, the
    likeliest tokens with theirs.

    `latency` is seconds from sending to the last byte of the successful attempt, `first_token` to its first token
    (None: not streamed), `token_gap` the mean time from one piece of a stream to the next (None: fewer than two).
    `attempts` counts requests, retries and hedges included. `endpoint` is the provider that served it where that is not
    the pin's own: another endpoint of the same model. `fingerprint` is what the vendor calls the configuration that
    answered, `host` whom a gateway asked (None: the reply does not say). `batch`: it came from a vendor's batch, at its
    price, and nobody measured how long it took. `region` is where it was made (None: the reply does not say),
    `deviations` what speaks against the pin and the prompt allows, in words.
    """

    text: str
    finish_reason: str | None = None
    usage: Usage = Usage()
    served_model: str | None = None
    tool_calls: tuple[Mapping[str, Json], ...] = ()
    latency: float = 0.0
    attempts: int = 1
    first_token: float | None = None
    endpoint: str | None = None
    fingerprint: str | None = None
    host: str | None = None
    logprobs: tuple[Mapping[str, Json], ...] = ()
    token_gap: float | None = None
    batch: bool = False
    region: str | None = None
    deviations: tuple[str, ...] = ()


class Failure(Struct, frozen=True):
    """Why there is no reply. `hint` is the command or setting that mends it."""

    kind: FailureKind
    message: str
    hint: str = ""


class Caps(Struct, frozen=True):
    """The most that a run may spend in US dollars, tokens and requests; None: no cap."""

    dollars: float | None = None
    tokens: int | None = None
    requests: int | None = None

    def __bool__(self) -> bool:
        return self != Caps()


class Spent(Struct, frozen=True):
    """What a run has cost so far, as far as it is known: US dollars, tokens in and out, requests."""

    dollars: float = 0.0
    tokens: int = 0
    requests: int = 0


class Attempt(Struct, frozen=True):
    """One request that was sent for a sample.

    `endpoint` is the provider's name, `started` seconds since the sample was first wanted, `seconds` how long it took,
    `failure` what became of it (None: it answered), `status` the HTTP status where there was one. `hedge` marks a
    second request that was sent because the first was slow. `turn` counts from 0: how often the model had been asked
    again for an output that satisfies its contract.
    """

    endpoint: str
    started: float
    seconds: float
    failure: FailureKind | None = None
    status: int | None = None
    hedge: bool = False
    turn: int = 0


class SampleKey(Struct, frozen=True, order=True):
    """Which sample: `index` counts from 0 within the case."""

    prompt: str
    version: str
    pin: str
    case: str
    index: int = 0


class ServedRules(Struct, frozen=True):
    """Which replies count as the pin's beyond those that nothing speaks against: `identity:` of prompt.yaml.

    `allow` accepts a gateway's `cache`, a gateway's `fallback`, another `model`. Where `fingerprints`, `regions` or
    `hosts` are named, a reply must be of one of them, and say so.
    """

    allow: frozenset[Literal["cache", "fallback", "model"]] = frozenset()
    fingerprints: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Turn(Struct, frozen=True):
    """An answer that broke the output contract, after which the model was asked again.

    `problems` is what it was told about `text`, `asked` the digest of the request that told it. The other fields are
    those of its reply, `cost` US dollars (None: price unknown).
    """

    text: str
    problems: tuple[str, ...]
    asked: str
    finish_reason: str | None = None
    usage: Usage = Usage()
    served_model: str | None = None
    latency: float = 0.0
    cost: float | None = None


class PlannedSample(Struct, frozen=True):
    """A sample that a run wants.

    `released` decides whether a stale recording is an error or unmeasurable. `timed`: its latency is judged, so that a
    copy of another sample's reply will not do. `served` says which replies count (None: only the pin's own, asked now).
    `reask` is how often the model is asked again at most, for an output that satisfies its contract; `begun` are the
    answers that it gave already, before the run was cut short.
    """

    key: SampleKey
    request: Request
    digest: str
    released: bool = False
    timed: bool = False
    served: ServedRules | None = None
    reask: int = 0
    begun: tuple[Turn, ...] = ()


class Sample(Struct, frozen=True):
    """One model output, or the reason why there is none: exactly one of `reply` and `failure` is set.

    `cost` is US dollars (None: price unknown). For a recorded sample latency and cost are the recorded ones and
    `recorded_at` is an ISO 8601 time in UTC; `digest` is that of its recording line. A `cached` sample is a copy of
    another one's reply: never an independent sample, and its latency was not measured; latency, cost and `recorded_at`
    are those of the sample that it copies, and nothing was spent on it. `attempts` are the requests of a
    live sample, in the order of sending, those of a failed one too. `answers` are what judges were asked about it.

    `earlier` are the answers after which the model was asked again. Usage, cost and latency are then those of all of
    them together, `reply` is the last one; a sample that failed after them has their cost.
    """

    key: SampleKey
    request: str
    reply: Reply | None = None
    failure: Failure | None = None
    source: Source = "live"
    cost: float | None = None
    recorded_at: str | None = None
    digest: str | None = None
    attempts: tuple[Attempt, ...] = ()
    earlier: tuple[Turn, ...] = ()
    answers: tuple[Sample, ...] = ()

    @property
    def first_usage(self) -> Usage | None:
        """What the first request used, before the model was asked again; None without an answer."""
        if self.earlier:
            return self.earlier[0].usage
        return self.reply.usage if self.reply is not None else None


class CheckSpec(Struct, frozen=True):
    """One check as written: `name` and the value behind it, inverted by `negate`. `label` is how reports name it."""

    name: str
    options: Json = None
    negate: bool = False
    line: int = 0

    @property
    def label(self) -> str:
        return f"not {self.name}" if self.negate else self.name


class Case(Struct, frozen=True):
    """One row of a dataset. `path` and `line` say where it stands; `digest` covers inputs, expected and checks.

    Cases of one `cluster` (such as a source document) come out alike; empty: the case stands for itself.
    """

    id: str
    inputs: Mapping[str, Json]
    expected: Json = None
    has_expected: bool = False
    tags: tuple[str, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    path: str = ""
    line: int = 0
    digest: str = ""
    cluster: str = ""


class Difference(Struct, frozen=True):
    """One path at which two values differ, in DeepDiff's words: `root['time']`, `values_changed`.

    `path` is where it stands in what was expected, for an item that was added where it stands in the output.
    `actual_path` is its place in the output, where that is another: lists were aligned. `record` names the record of a
    list in which it stands, where that has an `id`, `key` or `name`: `id 17`.
    """

    path: str
    kind: str
    expected: Json = None
    actual: Json = None
    actual_path: str = ""
    record: str = ""


class CheckResult(Struct, frozen=True):
    """What one check said of one output.

    `error` means that the check itself raised: never a pass. `unmeasured` means that this output cannot be judged by
    it: a latency that was not measured. `advice` decides nothing: a judge that may not gate. `score` (0 to 1) is how
    much of it held, where a check says more than yes or no.
    """

    label: str
    status: Literal["pass", "fail", "error", "unmeasured", "advice"]
    message: str = ""
    differences: tuple[Difference, ...] = ()
    traceback: str = ""
    score: float | None = None


class Judgement(Struct, frozen=True):
    """What the checks said of one sample.

    `value` is the parsed and normalised output (plain JSON; the text itself where there is no contract), `valid`
    whether it satisfied the output contract (None: there is none), `repairs` what had to be mended to parse it.
    """

    sample: Sample
    outcome: Outcome
    value: Json = None
    valid: bool | None = None
    repairs: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    @property
    def first_valid(self) -> bool | None:
        """Whether the first answer satisfied the contract already, before the model was asked again."""
        return self.valid and not self.sample.earlier


class CaseResult(Struct, frozen=True):
    """All samples of one case, judged. `passes` of `of` measured samples passed."""

    case: str
    judgements: tuple[Judgement, ...]

    @property
    def passes(self) -> int:
        return sum(j.outcome == "pass" for j in self.judgements)

    @property
    def of(self) -> int:
        return sum(j.outcome in ("pass", "fail") for j in self.judgements)

    @property
    def outcome(self) -> Outcome:
        """An error beats unmeasurable beats fail: a case passes when every sample of it passed."""
        found: set[Outcome] = {j.outcome for j in self.judgements}
        order: tuple[Outcome, ...] = ("error", "unmeasurable", "fail")
        return next((o for o in order if o in found), "pass" if found else "unmeasurable")
