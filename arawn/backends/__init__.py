"""Backends: what is asked of model providers, and how. `open.open_provider` is the way in."""
