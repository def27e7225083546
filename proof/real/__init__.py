"""The real-model bench: the embedded model against its other quantisations, behind an endpoint with serving noise."""
