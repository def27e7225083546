"""Real processes on one file, counted from outside."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptops.store.shared_limits import SharedLimits

LIMIT = 5

ASKS = """
import selectors, socket, sys
from pathlib import Path
from promptops.store.shared_limits import SharedLimits

folder, port, limit, total = Path(sys.argv[1]), *map(int, sys.argv[2:])
limits, busy, idle, answers = SharedLimits(folder), selectors.DefaultSelector(), [], 0
while answers < total:
    using = len(busy.get_map())
    places = limits.places("b", limit=limit, using=using, wanted=min(total - answers, using + 9))
    for _ in range(places - using):
        connection = idle.pop() if idle else socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"?")
        busy.register(connection, selectors.EVENT_READ)
    for key, _ in busy.select(0.02):
        if key.fileobj.recv(1) != b"!":
            sys.exit("the server went away")
        busy.unregister(key.fileobj)
        idle.append(key.fileobj)
        answers += 1
limits.close()
"""

TAKES = """
import sys
from pathlib import Path
from promptops.store.shared_limits import SharedLimits

now = 0.0
limits = SharedLimits(Path(sys.argv[1]), clock=lambda: now)
for line in sys.stdin:
    now, taken = float(line), 0
    for amount in (1, 7, 2, 1, 1):
        wait = limits.take("b", limit=int(sys.argv[2]), amount=amount)
        taken += 0 if wait else amount
    print(taken, flush=True)
limits.close()
"""

FORKS = """
import os, sys
from pathlib import Path
from promptops.store.shared_limits import SharedLimits

limits = SharedLimits(Path(sys.argv[1]))
def asked(using=0, wanted=9):
    return limits.places("b", limit=4, using=using, wanted=wanted)
assert asked(wanted=3) == 3
for _ in range(30):
    assert limits.take("b", limit=1000, amount=1) == 0.0
child = os.fork()
if not child:
    assert asked() == 1, "the child has what its parent left"
    assert limits.take("b", limit=1000, amount=970) > 0, "nothing of what its parent took ahead"
    SharedLimits(Path(sys.argv[1])).close()
    limits.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert asked(using=3) == 4, "the parent has what it had, and what its child gave back"
assert limits.take("b", limit=1000, amount=970) == 0.0
limits.close()
"""


class CountingServer(socketserver.ThreadingTCPServer):
    """Answers every byte after 10 ms; knows how many it is answering, and how many it has been answering at most."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.lock = threading.Lock()
        self.now = self.most = self.answered = 0

    def count(self, change: int) -> None:
        with self.lock:
            self.now += change
            self.most = max(self.most, self.now)
            self.answered += change < 0


class _Answers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, CountingServer)
        try:
            while self.request.recv(1):
                self.server.count(+1)
                time.sleep(0.01)
                self.server.count(-1)
                self.request.sendall(b"!")
        except OSError:
            pass  # it was killed


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer() as counting:
        thread = threading.Thread(target=counting.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield counting
        counting.shutdown()
        thread.join()


def until(true: Callable[[], bool]) -> None:
    """Wait for what must come; a minute is forever."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_together_never_ask_more_at_once_and_the_places_of_a_killed_one_come_back(
    tmp_path: Path, server: CountingServer
) -> None:
    port = server.server_address[1]
    endless = started(ASKS, tmp_path, port, LIMIT, 10**9)
    until(lambda: server.answered > 20)
    others = [started(ASKS, tmp_path, port, LIMIT, 60) for _ in range(3)]
    until(lambda: server.answered > 80)
    endless.kill()
    endless.communicate()
    for other in others:
        other.communicate()
        assert other.returncode == 0
    assert server.answered >= 200
    assert server.most == LIMIT
    with closing(SharedLimits(tmp_path)) as last:
        until(lambda: last.places("b", limit=LIMIT, using=0, wanted=9) == LIMIT)


def test_processes_together_take_no_more_than_the_limit_in_any_minute(tmp_path: Path) -> None:
    limit, taken = 100, []
    processes = [started(TAKES, tmp_path, limit) for _ in range(4)]
    for step in range(400):  # at each, all four ask at once
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{5000 + step / 2}\n")
            process.stdin.flush()
        taken.append(sum(int(process.stdout.readline()) for process in processes if process.stdout is not None))
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    minutes = [sum(taken[start : start + 120]) for start in range(len(taken) - 120)]
    assert limit * 0.9 < max(minutes) <= limit
    assert sum(taken) > 3 * limit * 0.9  # what no longer counts can be taken again


def test_the_places_of_a_killed_process_are_free_for_whoever_asks_next(tmp_path: Path) -> None:
    ahead = 0.0
    program = (
        "import sys; from pathlib import Path; from promptops.store.shared_limits import SharedLimits\n"
        "print(SharedLimits(Path(sys.argv[1])).places('b', limit=4, using=0, wanted=4), flush=True); input()\n"
    )
    process = started(program, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "4\n"
    with closing(SharedLimits(tmp_path, clock=lambda: time.monotonic() + ahead)) as other:
        assert other.places("b", limit=4, using=0, wanted=4) == 0
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended, and nobody has collected it
        ahead = 1.0
        assert other.places("b", limit=4, using=0, wanted=4) == 4
    process.communicate()


def test_a_child_after_a_fork_is_a_participant_of_its_own(tmp_path: Path) -> None:
    process = started(FORKS, tmp_path)
    process.communicate()
    assert process.returncode == 0


def test_the_ledger_costs_the_start_of_a_run_little() -> None:
    program = (
        "import sys; import promptops.store.shared_limits\n"
        "print([name for name in ('sqlalchemy', 'pydantic', 'httpx', 'platformdirs', 'ctypes') if name in sys.modules])"
    )
    assert started(program).communicate()[0] == "[]\n"
