"""Consumers of events and results: console, JSON, Markdown, HTML."""
