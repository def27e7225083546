"""`promptops diff A B --outputs`, as a person reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import LoopbackServer, TemporaryProject


def model(body: dict[str, Any]) -> str:
    """v1 lists thirty records; v2 puts one in front, changes each and drops a field of one."""
    records: list[dict[str, Any]] = [{"id": f"k{n}", "price": n, "note": None} for n in range(30)]
    if "v2" in body["messages"][0]["content"]:
        records = [{"id": "new", "price": 0, "note": None}, *({**each, "price": -1} for each in records)]
        del records[3]["note"]
    return json.dumps(records)


def test_differences_name_their_records_and_are_bounded(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackServer(model) as server:
        files = TemporaryProject(in_folder)
        files.provider("test", server.base_url)
        versions = {name: f"{name}: {{{{ text }}}}" for name in ("v1", "v2")}
        files.prompt(
            "sell", versions=versions, yaml="output: schema.json\n", files={"schema.json": '{"type": "array"}'}
        )
        files.dataset("sell", [{"id": "c1", "inputs": {"text": "all"}}])
        assert run(["run", "sell@v1", "sell@v2"]) == 0
    capsys.readouterr()
    assert run(["diff", "sell@v1", "sell@v2", "--outputs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("c1: pass -> pass, distance 0.")
    assert '    root[0] (id \'new\'): {"id": "new", "price": 0, "note": null} is new' in lines
    assert "    root[1]['price'] (id 'k1', now root[2]['price']): 1 -> -1" in lines
    assert "    root[2]['note'] (id 'k2'): null is gone" in lines
    assert "    and 12 more: --case c1 --json has them" in lines
    assert run(["diff", "sell@v1", "sell@v2", "--outputs", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["cases"]
    assert len(row["differences"]) == 32
