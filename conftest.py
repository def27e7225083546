"""Where pytest looks when it is started here; what guards our own tests stands in tests/conftest.py."""

collect_ignore = ["benchmarks", "examples", "docs"]
