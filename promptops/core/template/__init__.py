"""Jinja templates that render chat messages: sandboxed, bounded, with roles that no text can forge."""

from promptops.core.template.compile import Template, compile_template, included_names

__all__ = ["Template", "compile_template", "included_names"]
