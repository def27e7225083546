"""The drift log in PostgreSQL, against a real server: appended in one piece, and whatever happened to it is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from promptops.core.nightly.events import AnyEvent, Missed
from promptops.errors import PromptopsError, StoreError, UsageError
from promptops.store.drift_log import DamagedLog, UnreachableLog
from promptops.store.drift_postgres import PostgresLog
from tests.store.postgres import SECRET, USER, Server, programs, running

psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with running(found) as server:
        yield server


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database; the password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", SECRET)
    name = f"d{abs(hash(request.node.name))}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    return server.url(name)


@pytest.fixture
def log(database: str) -> PostgresLog:
    return PostgresLog(database)


def missed(number: int) -> Missed:
    return Missed(endpoint="test/model-1", epoch=1, at="2026-11-01T00:00:00Z", reason=f"reason {number} \0 é", cost=0.1)


def fill(log: PostgresLog, count: int = 5) -> None:
    for number in range(count):
        log.append(lambda _, n=number: [missed(n)])  # type: ignore[misc]


def change(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(statement)


def test_what_was_appended_is_read_back_by_another_process_s_log(log: PostgresLog, database: str) -> None:
    assert (log.begun(), log.read()) == (False, [])
    fill(log)
    another = PostgresLog(database)
    assert another.begun()
    assert another.read() == [missed(number) for number in range(5)]


def test_reading_makes_no_tables(log: PostgresLog, database: str) -> None:
    assert (log.begun(), log.read()) == (False, [])
    with psycopg.connect(database) as db:
        assert db.execute("SELECT to_regclass('promptops_drift_log')").fetchone() == (None,)


def test_of_two_runs_at_once_the_second_decides_on_what_the_first_wrote(database: str) -> None:
    """Sixteen at once, in a database without tables, each appending what is not there yet: nothing twice or lost."""

    def next_one(events: list[AnyEvent]) -> list[AnyEvent]:
        return [missed(len(events))]

    wrong: list[BaseException] = []

    def once() -> None:
        try:
            PostgresLog(database).append(next_one)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=once) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert PostgresLog(database).read() == [missed(number) for number in range(16)]


def test_who_reads_meanwhile_sees_a_whole_log(database: str) -> None:
    log, seen, done = PostgresLog(database), list[int](), threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(len(PostgresLog(database).read()))

    thread = threading.Thread(target=watch)
    thread.start()
    fill(log, 25)
    done.set()
    thread.join()
    assert seen == sorted(seen)  # a damaged log would have ended the thread before its last look
    assert seen


def test_a_decision_that_fails_leaves_nothing(log: PostgresLog) -> None:
    fill(log, 2)
    with pytest.raises(ZeroDivisionError):
        log.append(lambda _: [missed(1 // 0)])
    assert log.append(lambda _: []) == []
    assert len(log.read()) == 2


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE promptops_drift_log SET line = replace(line, 'reason 2', 'reason X')", "line 3 was edited"),
        ("DELETE FROM promptops_drift_log WHERE n = 5", "the end was cut off"),
        ("DELETE FROM promptops_drift_log WHERE n = 2", "line 2 does not follow"),
        ("DELETE FROM promptops_drift_log", "the end was cut off"),
        ("DELETE FROM promptops_drift_head", "its head is missing"),
        ("UPDATE promptops_drift_log SET line = '[]' WHERE n = 4", "line 4 is no JSON object"),
        ("UPDATE promptops_drift_head SET head = '{}'", "its head cannot be read"),
    ],
)
def test_a_damaged_log_is_found(log: PostgresLog, database: str, statement: str, said: str) -> None:
    fill(log)
    change(database, statement)
    for use in (log.read, lambda: log.append(lambda _: [missed(9)])):
        with pytest.raises(DamagedLog, match=said) as caught:
            use()
        assert caught.value.exit_code == 10


def test_a_damaged_log_is_put_aside_whole(log: PostgresLog, database: str) -> None:
    fill(log)
    assert "log = '20261101'" in log.put_aside("20261101")
    assert (log.begun(), log.read()) == (False, [])
    fill(log, 2)
    with psycopg.connect(database) as db:
        rows = db.execute("SELECT log, count(*) FROM promptops_drift_log GROUP BY log ORDER BY log").fetchall()
    assert rows == [("", 2), ("20261101", 5)]


def test_schemas_of_a_database_are_logs_of_their_own(server: Server, database: str) -> None:
    for schema in ("one", "two"):
        change(database, f"CREATE SCHEMA {schema}")
    one, two = (PostgresLog(f"{database}?options=-csearch_path%3D{schema}") for schema in ("one", "two"))
    fill(one, 3)
    fill(two, 1)
    assert (len(one.read()), len(two.read())) == (3, 1)


def test_who_may_not_make_tables_may_use_them(log: PostgresLog, database: str) -> None:
    fill(log, 1)
    change(database, "CREATE ROLE worker LOGIN PASSWORD 'pw'")
    change(database, "GRANT SELECT, INSERT, UPDATE ON promptops_drift_log, promptops_drift_head TO worker")
    worker = PostgresLog(database.replace(USER, "worker:pw"), secret=True)
    fill(worker, 1)
    assert len(log.read()) == 2


# --- what can go wrong


def test_an_outage_is_no_mistake_of_the_configuration(server: Server, database: str) -> None:
    waited: list[float] = []
    log = PostgresLog(database, sleep=waited.append)
    fill(log, 1)
    server.control("-m", "fast", "stop")
    try:
        with pytest.raises(UnreachableLog, match="cannot be reached") as caught:
            log.read()
    finally:
        options = f"-p {server.port} -h 127.0.0.1 -k {server.folder} -c fsync=off -c max_connections=40"
        server.control("-o", options, "start")
    assert caught.value.exit_code == 10
    assert waited == [2.0, 4.0]
    assert len(log.read()) == 1


@pytest.mark.parametrize(
    ("password", "database", "query", "said"),
    [
        ("wrong", "postgres", "", "authentication failed"),
        (SECRET, "nowhere", "", "does not exist"),
        (SECRET, "postgres", "?sslmode=require", "does not support SSL"),
        (SECRET, "postgres", "?options=-csearch_path%3Dnone_such", "no schema has been selected"),
    ],
)
def test_a_mistake_of_the_configuration_is_one_and_is_not_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, password: str, database: str, query: str, said: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", password)
    waited: list[float] = []
    log = PostgresLog(server.url(database, query=query), sleep=waited.append)
    with pytest.raises(StoreError, match=said) as caught:
        fill(log, 1)
    assert (caught.value.exit_code, waited) == (2, [])
    assert password not in str(caught.value)


def test_a_password_in_the_address_stays_out_of_messages(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    log = PostgresLog(server.url("nowhere", password="correct%20horse%3A%20battery%2Fstaple"), secret=True)
    assert log.place == f"postgresql://127.0.0.1:{server.port}/nowhere (promptops_drift_log)"
    with pytest.raises(StoreError, match="does not exist") as caught:
        log.read()
    assert not {"horse", "battery"} & set(str(caught.value).replace("%20", " ").split())
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:hunter2@db.example/x", "holds a password"),
        ("postgresql://u@db.example/x?password=hunter2", "holds a password"),
        ("postgresql://u@db.example:hunter2/x", "is no PostgreSQL"),
        ("postgresql://u@db.example/x?hunter2=1", "is no PostgreSQL"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_without_being_repeated(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        PostgresLog(url)
    assert "hunter2" not in str(caught.value)


def test_what_goes_to_another_machine_is_encrypted_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, object]] = []

    def connect(**settings: object) -> None:
        asked.append(settings)
        raise psycopg.OperationalError("server does not support SSL, but SSL was required")

    monkeypatch.setattr(psycopg, "connect", connect)
    for url in ("postgresql://u@db.example/x", "postgresql://u@db.example/x?sslmode=disable", "postgresql:///x"):
        with pytest.raises(PromptopsError):
            PostgresLog(url).read()
    assert [settings.get("sslmode") for settings in asked] == ["require", "disable", None]
