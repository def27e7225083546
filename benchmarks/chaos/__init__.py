"""A provider that misbehaves, and what promptops must hold all the same, counted at the server: `hostile.py`."""
