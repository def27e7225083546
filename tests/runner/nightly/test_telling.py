"""Who is told of an alarm: one issue of GitHub or GitLab, one call of a webhook; and what is no delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import pytest

from promptops.config import WebhookConfig
from promptops.core.nightly.messages import Told, mark
from promptops.errors import UsageError
from promptops.runner.nightly.issues import Tracker as IssueTracker
from promptops.runner.nightly.posting import Undelivered
from promptops.runner.nightly.telling import check_receivers, receivers
from promptops.runner.nightly.webhook import Webhook
from promptops.times import SimulatedClock
from tests.runner.nightly.tracker import Tracker, tracking

BEGIN = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)


def told(name: str = "test/model-1", reason: str = "it is far off", again: bool = False) -> Told:
    return Told(name, ("greet@v1",), "2026-11-01T03:17:00Z", "fast", reason, 1, (), f"alarm of {name}", again)


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with tracking() as found:
        yield found


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(BEGIN)


def waited(clock: SimulatedClock) -> float:
    return (clock.now() - BEGIN) / timedelta(seconds=1)


@pytest.fixture(params=["github", "gitlab"])
def environ(request: pytest.FixtureRequest, tracker: Tracker) -> Mapping[str, str]:
    found: Mapping[str, str] = getattr(tracker, request.param)()
    return found


# --- issues


def test_an_alarm_opens_one_issue_and_the_next_is_a_comment_on_it(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    assert IssueTracker(environ).tell([told()], clock) == "opened issue 1"
    assert IssueTracker(environ).tell([told("test/model-2")], clock) == "commented on issue 1"
    (issue,) = tracker.issues
    ((number, comment),) = tracker.comments
    assert issue["title"] == "promptops: test/model-1 answers differently"
    assert issue["labels"] == ["promptops-drift"]
    assert "by the fast lane: it is far off" in issue["text"]
    assert "/17" in issue["text"]  # the job
    assert (number, "test/model-2" in comment) == (1, True)


def test_once_the_issue_is_closed_the_next_alarm_opens_another(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    IssueTracker(environ).tell([told()], clock)
    tracker.issues[0]["state"] = "closed"
    assert IssueTracker(environ).tell([told()], clock) == "opened issue 2"


def test_pull_requests_and_issues_of_others_are_not_commented_on(tracker: Tracker, clock: SimulatedClock) -> None:
    label = ["promptops-drift"]
    tracker.issues += [{"number": 1, "state": "open", "labels": label, "pull_request": {}}]
    tracker.issues += [{"number": 2, "state": "open", "labels": [], "title": "promptops: test/model-1 answers"}]
    assert IssueTracker(tracker.github()).tell([told()], clock) == "opened issue 3"


def test_an_answer_that_was_lost_on_its_way_back_opens_no_second_issue(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    statuses, ask = (
        iter([200, 502]),
        tracker.answer,
    )  # the list is answered; the issue is opened, and nobody hears of it

    def lost(method: str, target: str, headers: Message, body: bytes) -> tuple[int, Any]:
        found = ask(method, target, headers, body)
        return found if next(statuses, 200) == 200 else (502, {})

    tracker.answer = lost  # type: ignore[method-assign]
    assert IssueTracker(environ).tell([told()], clock) == "issue 1 says it already"
    assert (len(tracker.issues), tracker.comments) == (1, [])


def test_what_an_issue_or_a_comment_of_its_author_says_is_not_said_again(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    IssueTracker(environ).tell([told()], clock)
    IssueTracker(environ).tell([told("test/model-2")], clock)
    both = [told(again=True), told("test/model-2", again=True)]
    assert IssueTracker(environ).tell(both, clock) == "issue 1 says it already"
    assert IssueTracker(environ).tell([*both, told("test/model-3")], clock) == "commented on issue 1"
    ((_, first), (_, second)) = tracker.comments
    assert ("model-2" in first, "model-2" in second, "model-3" in second) == (True, False, True)


def test_a_comment_of_somebody_else_hides_no_alarm(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    IssueTracker(environ).tell([told()], clock)
    tracker.comments.append((1, mark(told("test/model-2"))))
    tracker.authors.append(8)
    assert IssueTracker(environ).tell([told("test/model-2")], clock) == "commented on issue 1"


@pytest.mark.parametrize(
    ("answers", "waits"),
    [
        ([503], 5.0),
        ([500, 429], 15.0),
        ([(429, {"retry-after": "7"})], 7.0),
        ([(429, {"retry-after": "86400"})], 60.0),
        ([(403, {"x-ratelimit-remaining": "0"})], 5.0),
        ([408], 5.0),
    ],
)
def test_what_may_pass_is_tried_again(
    tracker: Tracker, clock: SimulatedClock, answers: list[int | tuple[int, dict[str, str]]], waits: float
) -> None:
    tracker.answers = answers
    assert IssueTracker(tracker.github()).tell([told()], clock) == "opened issue 1"
    assert waited(clock) == waits


@pytest.mark.parametrize(
    ("answers", "mistaken", "calls"),
    [
        ([401], True, 1),
        ([403], True, 1),
        ([404], True, 1),
        ([410], True, 1),  # issues are switched off
        ([(301, {"location": "http://127.0.0.1:9/elsewhere"})], True, 1),
        ([503, 503, 503], False, 3),
    ],
)
def test_what_does_not_pass_is_no_delivery(
    tracker: Tracker,
    clock: SimulatedClock,
    answers: list[int | tuple[int, dict[str, str]]],
    mistaken: bool,
    calls: int,
) -> None:
    tracker.answers = answers
    with pytest.raises(Undelivered, match="it answered with status") as caught:
        IssueTracker(tracker.github()).tell([told()], clock)
    assert (caught.value.mistaken, len(tracker.calls)) == (mistaken, calls)
    assert "127.0.0.1" not in str(caught.value)


def test_nobody_at_the_address_is_an_outage(clock: SimulatedClock) -> None:
    environ = {**Tracker(port=9).github()}
    with pytest.raises(Undelivered, match="ConnectError") as caught:
        IssueTracker(environ).tell([told()], clock)
    assert (caught.value.mistaken, waited(clock)) == (False, 15.0)


def test_what_a_provider_said_closes_no_block_and_calls_nobody(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    hostile = "````\n/close\n@everyone <b> \x1b[2J"
    IssueTracker(environ).tell([told(reason=hostile)], clock)
    text = tracker.issues[0]["text"]
    _, inside, after = text.split("`" * 5)
    assert "/close\n@everyone" in inside
    assert "@everyone" not in after
    assert "\x1b" not in text


def test_an_issue_fits_whatever_models_call_themselves(
    tracker: Tracker, environ: Mapping[str, str], clock: SimulatedClock
) -> None:
    IssueTracker(environ).tell([told(f"test/model-{n}", "\U000e0001" * 600) for n in range(1000)], clock)
    assert len(tracker.issues[0]["text"]) < 65_536


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"GITHUB_REPOSITORY": "me/it/../../gists"}, "GITHUB_REPOSITORY is not what"),
        ({"GITHUB_API_URL": "http://tracker.example"}, "GITHUB_API_URL must be an https address"),
        ({"GITHUB_API_URL": ""}, "GITHUB_API_URL is not set"),
        ({"GITHUB_REPOSITORY": ""}, "no job of GitHub or GitLab"),
        ({"GITHUB_REPOSITORY": "", "CI_PROJECT_ID": "me/it"}, "CI_PROJECT_ID is not what"),
        ({"PROMPTOPS_ISSUES_TOKEN": "to\nken"}, "PROMPTOPS_ISSUES_TOKEN holds what no key has"),
    ],
)
def test_a_job_whose_variables_make_no_sense_is_told_so_before_the_night(
    tracker: Tracker, change: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check_receivers(None, {**tracker.github(), **change})
    assert tracker.calls == []


# --- the webhook


def webhook(tracker: Tracker, kind: str = "generic", **settings: str) -> Webhook:
    config = WebhookConfig.model_validate({"kind": kind, **settings})
    return Webhook(config, {"PROMPTOPS_WEBHOOK_URL": f"{tracker.url}/hook", "HOOK_API_KEY": "secret"})


def test_each_attempt_is_signed_with_its_own_time(tracker: Tracker, clock: SimulatedClock) -> None:
    tracker.answers = [500]
    assert webhook(tracker, key_env="HOOK_API_KEY").tell([told()], clock) == "told generic"
    first, second = (int(headers["x-promptops-timestamp"]) for _, _, headers, _ in tracker.calls)
    assert second - first == 5
    assert len({headers["x-promptops-signature"] for _, _, headers, _ in tracker.calls}) == 2


@pytest.mark.parametrize(("status", "mistaken"), [(400, True), (302, True), (404, True), (410, True), (503, False)])
def test_a_webhook_that_is_gone_is_a_mistake_and_one_that_is_out_is_none(
    tracker: Tracker, clock: SimulatedClock, status: int, mistaken: bool
) -> None:
    tracker.answers = [status, status, status]
    with pytest.raises(Undelivered) as caught:
        webhook(tracker).tell([told()], clock)
    assert caught.value.mistaken == mistaken


def test_a_message_to_teams_fits_whatever_is_in_it(tracker: Tracker, clock: SimulatedClock) -> None:
    many = [told(f"test/model-{n}", "*[]()_" * 100) for n in range(40)]
    webhook(tracker, "teams").tell(many, clock)
    ((_, _, _, body),) = tracker.calls
    lines = json.loads(body)["attachments"][0]["content"]["body"]
    assert len(body) <= 28 * 1024
    assert lines[-2]["text"] == f"and {40 - (len(lines) - 3)} more"


@pytest.mark.parametrize("count", [1, 20, 40])
def test_a_message_to_slack_fits_whatever_is_in_it(tracker: Tracker, clock: SimulatedClock, count: int) -> None:
    many = [told(f"test/model-{n}", "<&>\x1b\u202e" * 20_000) for n in range(count)]
    webhook(tracker, "slack").tell(many, clock)
    ((_, _, _, body),) = tracker.calls
    document = json.loads(body)
    texts = [block["text"]["text"] for block in document["blocks"]]
    assert len(body) <= 12_000
    assert all(0 < len(text) <= 3000 for text in texts)
    assert (len(texts[0]) <= 150, len(texts) <= 50) == (True, True)
    assert not any(character in body.decode() for character in "\x1b\u202e")
    named = sum("since 2026-" in text for text in texts)
    assert named == count or f"and {count - named} more" in texts


def test_slack_makes_no_link_of_what_a_provider_said(tracker: Tracker, clock: SimulatedClock) -> None:
    webhook(tracker, "slack").tell([told(reason="<!channel> https://evil.example")], clock)
    ((_, _, _, body),) = tracker.calls
    sections = [block["text"] for block in json.loads(body)["blocks"] if block["type"] == "section"]
    assert all(section["verbatim"] for section in sections)
    assert "&lt;!channel&gt;" in sections[0]["text"]


def test_both_may_be_told(tracker: Tracker) -> None:
    environ = {**tracker.gitlab(), "PROMPTOPS_WEBHOOK_URL": f"{tracker.url}/hook"}
    found, mistakes = receivers(WebhookConfig(kind="slack"), environ)
    assert ([receiver.name for receiver in found], mistakes) == (["slack", "gitlab"], [])
    found, mistakes = receivers(WebhookConfig(kind="slack"), tracker.gitlab())
    assert [receiver.name for receiver in found] == ["gitlab"]
    assert mistakes == ["the webhook cannot be called: $PROMPTOPS_WEBHOOK_URL is not set"]
    assert receivers(None, {}) == ([], [])


def test_a_receiver_that_never_ends_its_answer_was_told(
    tracker: Tracker, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptops.runner.nightly.posting.MOST_READING", -1.0)
    assert webhook(tracker).tell([told()], clock) == "told generic"
    assert len(tracker.calls) == 1
