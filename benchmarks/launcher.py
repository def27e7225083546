"""Start one process and write what it cost: `python -I -S launcher.py RESULT.json PROGRAM ARGUMENT…`.

A process of its own, because the peak memory that the kernel tells of a child is never less than its parent's at the
moment of the start: this parent is a bare interpreter, and not a harness with everything loaded.
"""

import json
import os
import sys
import time


def main(result: str, command: list[str]) -> int:
    began = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - began
    unit = 1 if sys.platform == "darwin" else 1024
    found = {
        "began": began,
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss * unit,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would make this process larger
        json.dump(found, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
