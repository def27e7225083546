"""The real server process with an engine that answers `{"model": …}` to everything, without llama.cpp."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from promptops.providers.local import server
from promptops.providers.local.settings import Settings


def wait_for(file: Path) -> None:
    """Wait until a test has made `file`."""
    while not file.exists():
        time.sleep(0.02)


def start_engine(path: Path, alias: str, token: str, settings: Settings) -> Any:
    if "broken" in alias:
        raise SystemExit("this model cannot be loaded")
    if "slow" in alias:
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        server.FIRST_GRACE = 0.0
        wait_for(path.with_name("loaded"))
    if "stuck" in alias:
        signal.alarm(1)
        time.sleep(60)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
            if words.startswith("wait for "):
                gate = Path(words.removeprefix("wait for "))
                gate.with_name(f"{gate.name}.asked").touch()
                wait_for(gate)
            if words == "die":
                os._exit(9)
            allowed = self.headers["Authorization"] == f"Bearer {token}"
            choice = {"message": {"role": "assistant", "content": "tiny"}, "finish_reason": "stop", "index": 0}
            body = json.dumps({"model": alias, "choices": [choice]} if allowed else {}).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()

    class Engine:
        listening_address = f"http://127.0.0.1:{http.server_port}"

    return Engine()


server.start_engine = start_engine

if __name__ == "__main__":
    server.main(sys.argv[1:])
