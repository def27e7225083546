"""Pure decisions: no files, network, clock, environment or git; everything is an argument."""
