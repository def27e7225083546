"""What the statistics cost those who do not use them."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = {
    "the package": "import promptops",
    "the decisions": "import promptops.core.canary, promptops.core.licence, promptops.core.statistics.trial",
    "help": """
import sys
from promptops.cli.main import main
sys.argv = ["promptops", "--help"]
try:
    main()
except SystemExit:
    pass
""",
    "a trial of passes and fails": """
from promptops.core.statistics.trial import MetricPlan, Trial
trial = Trial([MetricPlan("m")], 60)
while trial.verdict is None:
    trial.add({"m": 0})
""",
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_numpy_and_scipy_are_loaded_by_nobody_else(code: str) -> None:
    ending = "\nimport sys\nassert not {'numpy', 'scipy'} & set(sys.modules), 'loaded'"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
