"""Prompts as code: versioned templates with pinned models, tested, compared, promoted and watched."""
