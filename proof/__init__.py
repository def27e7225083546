"""What `core.statistics` promises, checked by simulation and enumeration from seeds; `make proof` writes it down."""
