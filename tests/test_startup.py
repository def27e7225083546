from __future__ import annotations

import gc
import subprocess
import sys


def test_httpx_comes_without_its_command_line_and_is_whole_otherwise() -> None:
    code = (
        "import sys; from promptops.startup import leave_out_httpx_command_line as lean; lean(); import httpx; "
        "assert not {'click', 'pygments'} & set(sys.modules), 'its command line'; httpx.Client().close(); httpx.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        1,
        "the command line of httpx is not available in a process of promptops: call httpx itself\n",
    )


def test_an_httpx_that_is_there_already_keeps_what_it_has() -> None:
    code = (
        "import sys, httpx; before = sys.modules.get('httpx._main'); "
        "from promptops.startup import leave_out_httpx_command_line as lean; lean(); "
        "assert sys.modules.get('httpx._main') is before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_collector_is_as_it_was_when_what_was_returned_is_set_again() -> None:
    from promptops.startup import COLLECT_AFTER, collect_rarely

    before = gc.get_threshold()
    told = collect_rarely()
    try:
        assert (told, gc.get_threshold()[0]) == (before, COLLECT_AFTER)
    finally:
        gc.set_threshold(*told)


def test_nothing_is_searched_for_garbage_when_the_process_ends() -> None:
    code = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
        "from promptops.startup import end_at_once; end_at_once(); assert not gc.get_freeze_count()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"
