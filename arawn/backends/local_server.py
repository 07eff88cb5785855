"""The life of a local model server: a child process that is started, watched, and never outlives its owner."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import msgspec
import trio

import arawn.backends
from arawn.backends.local_model import LocalModel, ServerSettings, no_model
from arawn.beside import open_beside
from arawn.errors import Unavailable

__all__ = ["LocalServer", "open_server"]

_KEY = secrets.token_urlsafe(32)  # so that nobody else on the machine can use a model; one for all that come and go
_START_S = 120.0
_GRACE_S = 5.0
_REAP_S = 2.0
_TAIL_LINES = 6
_LONGEST_LINE = 2_000
_CHATTER = re.compile(rb"[\d.]+ [DIW] ")  # `0.00.005.017 I srv  init_listene: The UI is disabled`


class LocalServer:
    """A running child: where it answers, to which key, whether it tells its model of tools, and how it ended."""

    def __init__(self, where: str, process: trio.Process) -> None:
        self.address = ""
        self.tells_tools = True
        self.key = _KEY
        self._where = where
        self._process = process
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._tail_ended = trio.Event()

    async def wait_died(self) -> str:
        """Wait until the child has ended and return what there is to know: its exit status and last errors.

        Checkpoint: always.
        If cancelled: nothing has happened.
        """
        return await self._story("")

    async def _story(self, when: str) -> str:
        status = await self._process.wait()
        with trio.move_on_after(_REAP_S):
            await self._tail_ended.wait()
        ended = f"was killed by signal {-status}" if status < 0 else f"exited with {status}"
        lines = "".join(f"\n{line}" for line in self._tail)
        said = f"; its last errors:{lines}" if lines else ""
        return f"{self._where}: the model server {ended}{when}{said}"

    async def start(self, model: LocalModel, settings: ServerSettings) -> None:
        """Hand over the settings and wait for the address.

        Raises:
            Unavailable: The child ended instead, or said nothing within 120 s.

        Checkpoint: always.
        If cancelled: the child runs on, with or without its settings.
        """
        line = {"model": str(model.path), "alias": model.alias, "key": self.key, **msgspec.structs.asdict(settings)}
        assert self._process.stdin is not None
        with trio.move_on_after(_START_S):
            try:
                await self._process.stdin.send_all(msgspec.json.encode(line) + b"\n")
                answer = await self._first_line()
            except trio.BrokenResourceError:
                answer = b""
            if not answer:
                raise Unavailable(await self._story(f" while it loaded `{model.path}`"))
            ready = msgspec.json.decode(answer)
            self.address, self.tells_tools = ready["address"], ready["tells_tools"]
            return
        raise Unavailable(f"{self._where}: the model server did not start within {_START_S:g} s; use a smaller model")

    async def keep_tail(self) -> None:
        """Read the child's log to its end and keep the last errors; a full pipe would stop the child.

        Checkpoint: always.
        If cancelled: what was kept by then stays.
        """
        assert self._process.stderr is not None
        line = b""
        async for chunk in self._process.stderr:
            *whole, line = (line + chunk).split(b"\n")
            self._tail.extend(piece[:_LONGEST_LINE].decode("utf-8", "replace") for piece in whole if _is_error(piece))
            line = line[:_LONGEST_LINE]
        if line and _is_error(line):
            self._tail.append(line.decode("utf-8", "replace"))
        self._tail_ended.set()

    async def _first_line(self) -> bytes:
        """Return the first line of the child's output, b"" if it ends before."""
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                return b""
            line += chunk
        return line


def _is_error(line: bytes) -> bool:
    """Say whether a line of the engine's log may tell why it ended: its chatter bears a mark, a last cry bears none."""
    return not _CHATTER.match(line)


@asynccontextmanager
async def open_server(where: str, model: LocalModel, settings: ServerSettings) -> AsyncIterator[LocalServer]:
    """Run a model server for as long as the block lasts.

    Errors leave the block as they are, not in a group.

    Args:
        where: Which backend, as it should stand at the beginning of messages.
        model: What to serve.
        settings: How to serve it.

    Raises:
        Unavailable: The file is no model, or the server cannot be started; nothing of it is left.

    Checkpoint: always.
    If cancelled: the child is stopped and reaped, which takes at most a few seconds.

    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise Unavailable(f"{where}: model server missing; run `pip install 'arawn[local]'`", retryable=False)
    wrong = no_model(model.path)
    if wrong is not None:
        raise Unavailable(f"{where}: {wrong}", retryable=False)
    process = await _spawn(where)
    server = LocalServer(where, process)
    try:
        async with open_beside() as nursery:
            nursery.start_soon(server.keep_tail)
            try:
                await server.start(model, settings)
                yield server
            finally:
                await _end(process)  # noqa: ASYNC102  # shielded, with deadlines, inside
    finally:
        await _close_pipes(process)  # noqa: ASYNC102  # shielded, with a deadline, inside


async def _spawn(where: str) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "arawn.backends.local_child"],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=_environment(),
            start_new_session=True,  # an interrupt from the terminal is the parent's to handle
        )
    except OSError as error:
        raise Unavailable(f"{where}: the model server cannot be started ({error.strerror})") from error


def _environment() -> dict[str, str]:
    """Return the environment in which the child finds the same package as its parent, wherever that was started."""
    root = Path(arawn.backends.__path__[0]).resolve().parents[1]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


async def _end(process: trio.Process) -> None:
    """Ask the child to stop, then make it; when this returns it is reaped."""
    with trio.move_on_after(_GRACE_S, shield=True):
        process.terminate()
        await process.wait()
    if process.returncode is None:
        process.kill()
    with trio.move_on_after(_REAP_S, shield=True):
        await process.wait()


async def _close_pipes(process: trio.Process) -> None:
    with trio.move_on_after(_REAP_S, shield=True):
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                await stream.aclose()
