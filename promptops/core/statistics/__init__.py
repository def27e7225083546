"""The tests behind a canary and a nightly check: pure state machines and functions, streams of differences in,
decisions out.

A *difference* `d` is score(candidate) - score(baseline) of one case, in [-1, 1]; for pass or fail it is -1 (broke), 0
or 1 (fixed). Every public function states its null hypothesis (H0), what it assumes, what it guarantees, and its
source. `docs/proof/` has the tables that check the guarantees.

Modules that need numpy import it themselves, and who uses them imports them where they are used: `import promptops`
loads none of it.
"""
