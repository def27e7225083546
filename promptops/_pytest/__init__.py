"""Collection, session and xdist of the plugin; loaded only with --promptops."""
