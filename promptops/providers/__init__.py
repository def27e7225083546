"""One file per wire format over httpx."""
