"""Checks of one output: parsing them as written, and running them."""

from promptops.core.checks.base import Check, CheckContext, CheckError, Finding
from promptops.core.checks.parse import parse_checks, read_checks
from promptops.core.checks.registry import CHECKS
from promptops.core.checks.run import run_check

__all__ = ["CHECKS", "Check", "CheckContext", "CheckError", "Finding", "parse_checks", "read_checks", "run_check"]
