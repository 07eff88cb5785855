"""Workstreams: conversations, their store and their actors."""
