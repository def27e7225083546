"""Asks the probes of the nightly watch, and writes what they said into its log."""
