"""What `verify` looks at, one file a kind of claim."""
