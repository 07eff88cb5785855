"""The interaction log: every call leaves one complete line of JSON."""
