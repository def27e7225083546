"""The kit that promptops is tested with, for your tests too: everything is real, nothing is mocked.

`TemporaryProject` writes a project into a temporary folder.
"""

from promptops.testing.project import TemporaryProject

__all__ = ["TemporaryProject"]
