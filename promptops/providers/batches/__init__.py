"""The vendors' batch APIs: many requests handed over at once, answered within a day, at half the price.

Nothing here decides when to make, wait for or fetch a batch: that is `runner.batching`'s.
"""

from promptops.providers.batches.base import BatchApi, BatchStatus, Entry, Parcel
from promptops.providers.batches.registry import batch_api_for, has_batches

__all__ = ["BatchApi", "BatchStatus", "Entry", "Parcel", "batch_api_for", "has_batches"]
