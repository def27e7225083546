from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import MissingExtra, ModelFileError, ProviderError, UsageError
from promptops.providers.local import settings
from promptops.providers.local.launcher import Launcher, Lease, knock
from promptops.providers.local.server import State, read_state, write_state
from tests.providers.local.kit import FAKE_PROGRAM, ended_within, is_running, put_file, tiny_model

MODEL = tiny_model()
GRACE = 2.0
PLENTY = 60.0  # seconds, for what must not depend on how busy this machine is
#: A process that takes a lease, says the server's pid and waits.
USER = """
import sys, time
from pathlib import Path
from promptops.providers.local.launcher import Launcher
from tests.providers.local.kit import FAKE_PROGRAM, tiny_model
lease = Launcher(Path(sys.argv[1]), grace=float(sys.argv[2]), program=FAKE_PROGRAM).lease(tiny_model(sys.argv[3]))
print(lease.state.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    put_file(MODEL, tmp_path)
    return Launcher(tmp_path, grace=GRACE, program=FAKE_PROGRAM)


@pytest.fixture
def lease(launcher: Launcher) -> Iterator[Lease]:
    with launcher.lease(MODEL) as lease:
        yield lease


def begin_user(launcher: Launcher, model: str = "tiny") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", USER, str(launcher.cache), str(launcher.grace), model]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def start_user(launcher: Launcher) -> tuple[subprocess.Popen[str], int]:
    user = begin_user(launcher)
    assert user.stdout is not None
    return user, int(user.stdout.readline())


def pid_in(log: Path) -> int:
    """The pid that a server writes to its log when it begins."""
    until = time.monotonic() + PLENTY
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(log.read_text())


def stop(user: subprocess.Popen[str], how: signal.Signals = signal.SIGKILL) -> None:
    user.send_signal(how)
    user.wait()
    assert user.stdout is not None
    user.stdout.close()


def test_one_process_gets_the_same_server_twice(launcher: Launcher, lease: Lease) -> None:
    with launcher.lease(MODEL) as again:
        assert again.state == lease.state


def test_two_processes_share_one_server_and_it_outlives_its_starter(launcher: Launcher) -> None:
    first, pid = start_user(launcher)
    second, shared = start_user(launcher)
    assert shared == pid
    stop(first)
    assert not ended_within(pid, GRACE * 2)
    stop(second)
    assert ended_within(pid, PLENTY)


def test_processes_that_start_at_once_start_one(launcher: Launcher) -> None:
    users: list[tuple[subprocess.Popen[str], int]] = []
    threads = [threading.Thread(target=lambda: users.append(start_user(launcher))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for user, _ in users:
        stop(user)
    assert len(users) == 3
    assert len({pid for _, pid in users}) == 1


def test_after_kill_9_of_its_only_user_the_server_ends_within_its_grace_period(launcher: Launcher) -> None:
    user, pid = start_user(launcher)
    assert is_running(pid)
    stop(user, signal.SIGKILL)
    assert ended_within(pid, PLENTY)
    assert read_state(launcher.state_file(MODEL)) is None


def test_after_kill_9_of_its_starter_while_it_loads_the_server_ends_too(launcher: Launcher) -> None:
    slow = tiny_model("slow")
    put_file(slow, launcher.cache)
    user = begin_user(launcher, "slow")
    pid = pid_in(launcher.state_file(slow).with_suffix(".log"))
    stop(user, signal.SIGKILL)
    assert is_running(pid)
    (launcher.cache / "models" / "loaded").touch()
    assert ended_within(pid, PLENTY)


def test_a_server_without_a_grace_period_waits_for_who_started_it(tmp_path: Path) -> None:
    put_file(MODEL, tmp_path)
    with Launcher(tmp_path, grace=0.0, program=FAKE_PROGRAM).lease(MODEL) as lease:
        assert is_running(lease.state.pid)
    assert ended_within(lease.state.pid, PLENTY)


def test_a_load_that_hangs_is_ended_by_the_system(launcher: Launcher) -> None:
    stuck = tiny_model("stuck")
    put_file(stuck, launcher.cache)
    with pytest.raises(ProviderError, match="ended with signal 14"):
        launcher.lease(stuck)


def test_ctrl_c_in_the_users_terminal_does_not_reach_the_server(launcher: Launcher, lease: Lease) -> None:
    assert os.getsid(lease.state.pid) != os.getsid(0)
    assert os.getpgid(lease.state.pid) != os.getpgid(0)


def test_sigterm_ends_a_server_at_once(launcher: Launcher, lease: Lease) -> None:
    os.kill(lease.state.pid, signal.SIGTERM)
    assert ended_within(lease.state.pid, PLENTY)
    assert read_state(launcher.state_file(MODEL)) is None


def test_a_killed_server_is_replaced(launcher: Launcher, lease: Lease) -> None:
    os.kill(lease.state.pid, signal.SIGKILL)
    assert ended_within(lease.state.pid, PLENTY)
    assert read_state(launcher.state_file(MODEL)) == lease.state  # it could not clean up
    with launcher.lease(MODEL) as new:
        assert new.state.pid != lease.state.pid


def test_a_state_whose_pid_and_port_belong_to_others_now_is_not_believed(launcher: Launcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]

        def answer() -> None:
            connection, _ = stranger.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        stale = State(os.getpid(), "http://127.0.0.1:9", port, "token", MODEL.model_id, MODEL.sha256)
        launcher.state_file(MODEL).parent.mkdir()
        write_state(launcher.state_file(MODEL), stale)
        assert knock(launcher.state_file(MODEL), MODEL) is None
        thread.join()
    with launcher.lease(MODEL) as lease:
        assert lease.state.pid not in (os.getpid(), 0)
    assert is_running(os.getpid())


def test_another_model_has_another_server(launcher: Launcher, lease: Lease) -> None:
    other = tiny_model("other", b"GGUF other weights")
    put_file(other, launcher.cache, b"GGUF other weights")
    with launcher.lease(other) as second:
        assert second.state.pid != lease.state.pid
        assert second.state.model == other.model_id


def test_other_settings_and_another_engine_have_another_server() -> None:
    digests = {
        settings.settings_digest(settings.SETTINGS, "1"),
        settings.settings_digest(settings.SETTINGS, "2"),
        settings.settings_digest(settings.Settings(threads=2), "1"),
    }
    assert len(digests) == 3


def test_a_server_that_does_not_come_up_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = tiny_model("broken")
    put_file(broken, tmp_path)
    with pytest.raises(ProviderError, match=r"(?s)ended with exit code 1.*this model cannot be loaded") as caught:
        Launcher(tmp_path, program=FAKE_PROGRAM).lease(broken)
    assert caught.value.kind == "connection"


def test_a_server_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_file(MODEL, tmp_path)
    program = (sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    launcher = Launcher(tmp_path, start_timeout=0.0, program=program)
    log = launcher.state_file(MODEL).with_suffix(".log")
    wait = Launcher._wait

    def late(own: Launcher, process: subprocess.Popen[bytes], *others: Any) -> Lease | None:
        pid_in(log)  # it runs, and the time that it has is over
        return wait(own, process, *others)

    monkeypatch.setattr(Launcher, "_wait", late)
    with pytest.raises(ProviderError, match="ended with signal 9"):
        launcher.lease(MODEL)
    assert not is_running(pid_in(log))


def test_without_the_model_file_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="promptops models pull tiny"):
        Launcher(tmp_path, program=FAKE_PROGRAM).lease(MODEL)


def test_a_changed_model_file_is_not_served(launcher: Launcher) -> None:
    put_file(MODEL, launcher.cache, b"GGUF something else")
    with pytest.raises(ModelFileError, match="is not local/tiny@"):
        launcher.lease(MODEL)


def test_without_llama_cpp_the_error_names_the_extra(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(settings, "version", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-promptops\[local\]'"):
        launcher.lease(MODEL)


def test_no_key_reaches_the_server(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    with launcher.lease(MODEL) as lease:
        environ = Path(f"/proc/{lease.state.pid}/environ")
        if not environ.exists():
            pytest.skip("this system does not show the environment of a process")
        assert b"sk-planted" not in environ.read_bytes()


def test_the_grace_period_comes_from_the_environment(tmp_path: Path) -> None:
    environ = {"PROMPTOPS_CACHE_DIR": str(tmp_path)}
    assert Launcher.from_environ(environ).grace == 10
    assert Launcher.from_environ({**environ, "PROMPTOPS_LOCAL_GRACE": "3"}) == Launcher(tmp_path, grace=3)


@pytest.mark.parametrize("grace", ["soon", "-1", "nan", "inf", ""])
def test_a_grace_period_that_is_none_is_a_usage_error(grace: str) -> None:
    with pytest.raises(UsageError, match="PROMPTOPS_LOCAL_GRACE"):
        Launcher.from_environ({"PROMPTOPS_LOCAL_GRACE": grace})


def test_the_state_file_says_what_is_served(launcher: Launcher, lease: Lease) -> None:
    state = json.loads(launcher.state_file(MODEL).read_text())
    assert (state["model"], state["sha256"], state["pid"]) == (MODEL.model_id, MODEL.sha256, lease.state.pid)
