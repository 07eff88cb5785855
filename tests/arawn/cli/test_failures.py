"""Which message and which exit code an error becomes."""

from __future__ import annotations

import pytest

from actors import HandlerFailed, Stopped, SupervisorGaveUp
from arawn.cli.failures import Failure, explained
from arawn.errors import BadInput, ConfigError, ConnectionFailed, LogWriteFailed, UnknownProfile


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadInput("no such thing"), 2, "no such thing"),
        (UnknownProfile("x", ["fast"]), 2, "unknown profile `x`; the profiles are: `fast`"),
        (ConfigError(["a.toml:1: wrong"]), 2, "a.toml:1: wrong"),
        (ConnectionFailed("refused"), 1, "refused"),
        (LogWriteFailed("held by process 3"), 1, "held by process 3"),
        (Stopped("`arawn` is not running"), 1, "`arawn` is not running"),
        (caused(HandlerFailed("its handler failed"), BadInput("say less")), 1, "say less"),
        (caused(SupervisorGaveUp("`doors` crashed too often"), ValueError("x")), 1, "`doors` crashed too often"),
        (FileNotFoundError(2, "No such file or directory", "/x/y"), 1, "`/x/y`: No such file or directory"),
        (ExceptionGroup("all", [ValueError("noise"), BadInput("the point")]), 2, "the point"),
    ],
)
def test_an_error_becomes_one_message_and_a_code(error: Exception, code: int, said: str) -> None:
    """Wrong use and wrong configuration are 2, what failed is 1."""
    assert explained(error) == Failure((f"arawn: {said}",), code)


def test_every_problem_of_a_configuration_has_its_line() -> None:
    """All are shown at once."""
    failure = explained(ConfigError(["a.toml:1: one", "a.toml:2: two"]))

    assert failure.exit_code == 2
    assert failure.lines[1:] == ("  a.toml:1: one", "  a.toml:2: two")


def test_a_group_of_the_unforeseen_names_the_first() -> None:
    """A bug inside tasks is not hidden behind the word group."""
    failure = explained(ExceptionGroup("all", [ExceptionGroup("inner", [KeyError("x")])]))

    assert failure.exit_code == 1
    assert "KeyError: 'x'" in failure.lines[0]


def test_a_limit_on_threads_is_named() -> None:
    """Python has no type for it; it is no bug to report."""
    (line,) = explained(RuntimeError("can't start new thread")).lines

    assert "`ulimit -u`, `LimitNPROC=`, `TasksMax=`" in line
    assert "unexpected" not in line
