"""A terminal for the real command, and the person at it."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import suppress

from tests.arawn.cli.place import PATIENCE, Place


class Terminal:
    """A person at a terminal."""

    def __init__(self, place: Place, *arguments: str, columns: int = 80) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.child = place.popen(*arguments, **streams, start_new_session=True, preexec_fn=_own_terminal)
        os.close(theirs)
        self._seen = ""

    def wait_for(self, text: str) -> None:
        """Return when `text` has appeared since the last call."""
        deadline = time.monotonic() + PATIENCE
        while text not in self._seen:
            assert select.select([self._mine], [], [], deadline - time.monotonic())[0], (
                f"{text!r} not in {self._seen!r}"
            )
            self._seen += os.read(self._mine, 4096).decode(errors="replace")
        self._seen = self._seen.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self._mine, text.encode("utf-8", "surrogateescape"))

    def interrupt(self) -> None:
        """Press Ctrl-C until the command ends: one that falls between a prompt and the reading of a line is kept back.

        That window is the interpreter's own, and shorter than any person's reaction.
        """
        while self.child.poll() is None:
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(5)

    def rest(self) -> str:
        """Return all that is printed until the command ends, with the terminal's line ends."""
        try:
            while piece := os.read(self._mine, 4096):
                self._seen += piece.decode()
        except OSError as error:  # EIO: how Linux says that nobody is left at the other end
            if error.errno != errno.EIO:
                raise
        os.close(self._mine)
        self.child.wait(PATIENCE)
        return self._seen


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
