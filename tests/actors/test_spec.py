"""Child specs refuse what cannot work."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors import SupervisorSpec
from tests.actors.rig import Rig


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"mailbox": 0}, "`a`: need mailbox >= 1 and workers >= 1, got 0 and 1"),
        ({"workers": 0}, "`a`: need mailbox >= 1 and workers >= 1, got 10 and 0"),
        ({"batch": 0}, "`a`: need batch >= 1"),
        ({"batch": 2, "abandoned": "cancel"}, "`a`: need batch >= 1, and batch = 1 with abandoned='cancel'"),
        ({"stop_grace": -1}, "`a`: need start_grace > 0, stop_grace >= 0 and cleanup_grace >= 0"),
        ({"cleanup_grace": float("nan")}, "`a`: need start_grace > 0, stop_grace >= 0 and cleanup_grace >= 0"),
    ],
)
def test_a_spec_that_cannot_work_is_refused_where_it_is_made(wrong: dict[str, Any], error: str) -> None:
    """The error names the child, what was found and what would be right."""
    with pytest.raises(ValueError, match=error):
        Rig().actor("a", **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"restart": "always"},
        {"while_restarting": "drop"},
        {"abandoned": "cancelled"},
        {"mailbox": float("inf")},
        {"workers": True},
        {"intensity": 3},
        {"backoff": None},
        {"start": None},
        {"reply_errors": [KeyError]},
        {"reply_errors": (3,)},
    ],
)
def test_what_a_type_checker_would_refuse_is_refused(wrong: dict[str, Any]) -> None:
    """A misspelt policy or a wrong type never turns into another policy in silence."""
    (field,) = wrong
    with pytest.raises((TypeError, ValueError), match=f"`a`: {field}"):
        msgspec.structs.replace(Rig().actor("a"), **wrong)


def test_a_misspelt_strategy_is_refused() -> None:
    """A supervisor's strategy is one of three."""
    with pytest.raises(ValueError, match="strategy must be one of"):
        SupervisorSpec(name="s", strategy="one_for_al")  # type: ignore[arg-type]  # that is the point
