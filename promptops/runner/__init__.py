"""Turns a plan of samples into events; prints nothing."""
