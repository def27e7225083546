"""The nightly watch over served models: probes, the log of what they said, and what follows from it."""
