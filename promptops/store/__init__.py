"""Recordings, the run store and git."""
