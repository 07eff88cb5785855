"""Where a backend's key comes from: the profile, an environment variable, or a command. Never printed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping

import trio

from arawn.backends.presets import PRESETS, Preset
from arawn.config.paths import state_dir
from arawn.config.schema import Profile
from arawn.errors import Unavailable

__all__ = ["require_key_program", "resolve_key"]

_COMMAND_S = 10.0
# Clients look for the daemon's token in these, so a shell that starts the daemon may have them set for its clients.
_FOR_CLIENTS = frozenset(preset.key_env for preset in PRESETS.values() if preset.key_env)


async def resolve_key(profile_name: str, profile: Profile, preset: Preset, *, environ: Mapping[str, str]) -> str | None:
    """Return the key, or None for a backend that needs none and was given none.

    Raises:
        Unavailable: There is no key, or its command gave none; the message says what to set. Nothing was sent.

    Checkpoint: only if a command is run.
    If cancelled: the command is killed and reaped.
    """
    where = f"profile `{profile_name}` ({profile.backend})"
    if profile.api_key:
        return _sendable(profile.api_key, where, "`api_key`")
    if profile.api_key_command:
        key = await _key_from_command(profile.api_key_command, where, environ)
        return _sendable(key, where, "the output of `api_key_command`")
    variable = profile.api_key_env or preset.key_env
    if variable is not None and environ.get(variable, "").strip():
        if variable in _FOR_CLIENTS and environ[variable].strip() in _own_tokens(environ):
            raise Unavailable(
                f"{where}: `{variable}` holds the token of this daemon, not a key of {profile.backend}; give the key "
                "in another variable, named by `api_key_env`, or start without this one",
                retryable=False,
            )
        return _sendable(environ[variable], where, f"the environment variable `{variable}`")
    if not preset.needs_key and profile.api_key_env is None:
        return None
    raise Unavailable(
        f"{where} has no key: set the environment variable `{variable}`, or give `api_key_command` "
        "(a command that prints the key) or `api_key` in the profile",
        retryable=False,
    )


def require_key_program(profile_name: str, profile: Profile, environ: Mapping[str, str]) -> None:
    """Return if the program of `api_key_command` is there, or none is named; it is not run.

    Raises:
        Unavailable: It is not where it would be looked for.
    """
    if not profile.api_key_command:
        return
    program = profile.api_key_command[0]
    if shutil.which(program, path=environ.get("PATH", os.defpath)) is None:
        where = "" if "/" in program else " in `PATH`"
        raise Unavailable(
            f"profile `{profile_name}` ({profile.backend}) runs `api_key_command` `{program}` for its key: there is no "
            f"such program{where}; install it, or give its path",
            retryable=False,
        )


def _own_tokens(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what clients show this daemon to be let in: it opens the log and every profile, so no provider gets it."""
    yield environ.get("ARAWN_TOKEN", "").strip()
    with contextlib.suppress(OSError, ValueError):  # then the daemon has none there
        yield (state_dir(environ) / "token").read_text().strip()


def _sendable(text: str, where: str, source: str) -> str:
    """Return the key without surrounding space; one that cannot stand in a header is no key."""
    key = text.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise Unavailable(
            f"{where} has a key that cannot be sent: {source} holds a space, a control character or a character "
            "outside ASCII; give the key alone",
            retryable=False,
        )
    return key


async def _key_from_command(command: tuple[str, ...], where: str, environ: Mapping[str, str]) -> str:
    """Return the first line that the command prints; password stores put notes on further lines."""
    doing = f"{where} runs `api_key_command` `{command[0]}` for its key"
    right = "it must print the key and exit with 0"
    try:
        with trio.move_on_after(_COMMAND_S) as scope:
            done = await trio.run_process(
                command,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env=dict(environ),
                deliver_cancel=_kill,
            )
    except OSError as error:
        raise Unavailable(f"{doing}: it cannot be started ({error.strerror}); {right}", retryable=False) from error
    if scope.cancelled_caught:
        raise Unavailable(f"{doing}: it did not end within {_COMMAND_S:g} s; {right}")
    if done.returncode != 0:
        raise Unavailable(f"{doing}: it exited with {done.returncode}; {right}", retryable=False)
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        raise Unavailable(f"{doing}: it printed nothing; {right}", retryable=False)
    return lines[0]


async def _kill(process: trio.Process) -> None:
    """A command that missed its deadline gets no further grace."""
    process.kill()
