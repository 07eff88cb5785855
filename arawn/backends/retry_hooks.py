"""Keeps the retries of backends out of stamina's own log lines, which name neither profile nor reason.

A backend logs its retries itself, without secrets. The retries of the program around it stay with its hooks.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from stamina.instrumentation import RetryDetails, RetryHook, get_on_retry_hooks, set_on_retry_hooks

__all__ = ["RETRIES", "hide_own_retries"]

RETRIES = "arawn.backends"  # what stamina is told is being retried


class _OfOthers:
    """A hook that is not told of the retries of backends."""

    def __init__(self, hook: RetryHook) -> None:
        self._hook = hook

    def __call__(self, details: RetryDetails) -> AbstractContextManager[None] | None:
        return None if details.name == RETRIES else self._hook(details)


def hide_own_retries() -> None:
    """Have stamina's hooks, as they are set now, told of no retry that is called `RETRIES`. Again changes nothing."""
    hooks = get_on_retry_hooks()
    if not all(isinstance(hook, _OfOthers) for hook in hooks):
        set_on_retry_hooks([hook if isinstance(hook, _OfOthers) else _OfOthers(hook) for hook in hooks])
