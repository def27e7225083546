"""What promptops costs beside a bare loop and its peers: `make bench`. docs/benchmarks.md says how it is measured."""
