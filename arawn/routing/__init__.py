"""Which profile takes a call, and why."""
