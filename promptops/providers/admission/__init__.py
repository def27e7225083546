"""Who may send when: limits that are configured, limits that are learned from replies, and a queue before them."""

from promptops.providers.admission.queue import Admission
from promptops.providers.admission.records import Outcome, Snapshot, Ticket

__all__ = ["Admission", "Outcome", "Snapshot", "Ticket"]
