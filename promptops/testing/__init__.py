"""The kit that promptops is tested with, for your tests too: everything is real, nothing is mocked.

`TemporaryProject` writes a project into a temporary folder, `LoopbackServer` is an HTTP server that speaks a
provider's wire format (`python -m promptops.testing` runs it as a process), `BatchServer` one that speaks the batch
APIs of OpenAI and Anthropic, `ScriptedProvider` answers without sockets.
"""

from promptops.testing.answers import Answer
from promptops.testing.batch_server import BatchServer
from promptops.testing.connection import Received, Served
from promptops.testing.loopback import LoopbackServer
from promptops.testing.project import TemporaryProject
from promptops.testing.scripted import ScriptedProvider

__all__ = ["Answer", "BatchServer", "LoopbackServer", "Received", "ScriptedProvider", "Served", "TemporaryProject"]
