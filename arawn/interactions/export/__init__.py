"""Exports of the interaction log: one file a format, and a manifest that says what was kept, dropped and read."""
