"""What an actor tree looks like at one moment: one frozen tree that prints well."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["State", "Status"]

State = Literal["starting", "running", "stopping", "backing_off", "passive", "stopped"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One actor or supervisor and all below it.

    `queued` never exceeds `bound`; `waiting` are the senders behind them, for whom there is no room; `oldest_s` is the
    age of the longest running message; `restarts` counts all ever.
    """

    name: str
    kind: str
    state: State
    queued: int = 0
    waiting: int = 0
    bound: int = 0
    peak: int = 0
    in_hand: int = 0
    oldest_s: float | None = None
    restarts: int = 0
    last_crash: str | None = None
    next_restart_s: float | None = None
    children: tuple[Status, ...] = ()

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _lines(status: Status, indent: str) -> list[str]:
    line = f"{indent}{status.name}  {status.kind}  {status.state}"
    if status.bound:
        line += f"  queued {status.queued}/{status.bound}"
        line += f" and {status.waiting} waiting" if status.waiting else ""
        line += f"  in hand {status.in_hand}"
    if status.oldest_s is not None:
        line += f"  oldest {status.oldest_s:.1f} s"
    if status.restarts:
        line += f"  restarts {status.restarts}"
    if status.last_crash:
        line += f"  last crash: {status.last_crash}"
    if status.next_restart_s is not None:
        line += f"  next start in {status.next_restart_s:.1f} s"
    below = [row for child in status.children for row in _lines(child, indent + "  ")]
    return [line, *below]
