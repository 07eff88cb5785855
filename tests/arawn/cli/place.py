"""A place of its own for the command line: configuration, state and socket apart from everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import arawn

ROOT = Path(arawn.__path__[0]).parent
PATIENCE = 60.0  # seconds of real time after which a child has failed

SCRIPTED = """
[llm]
backend = "scripted"
model = "echo"

[llm_profiles.fast]
backend = "scripted"
model = "fast-echo"

[server]
listen = "127.0.0.1:0"
"""

ROUTED = """
[llm]
backend = "scripted"

[llm_profiles.fast]
backend = "scripted"

[routing]
enabled = true

[[routing.rules]]
name = "tools"
condition = { has_tools = true, tool_count_gt = 3 }
profile = "default"

[[routing.rules]]
name = "short"
condition = { complexity = "simple", message_length_lt = 20 }
profile = "fast"
"""


class Place:
    """Directories of one test, and the environment that points there and nowhere else."""

    def __init__(self, directory: Path, runtime: Path) -> None:
        """`runtime` must have a short path: it holds a Unix socket."""
        self.directory = directory
        self.before: Sequence[str] = ()  # a command that starts the real one
        self.log = directory / "config" / "interactions"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT),
            "ARAWN_CONFIG_DIR": str(directory / "config"),
            "ARAWN_STATE_DIR": str(directory / "state"),
            "ARAWN_RUNTIME_DIR": str(runtime),
        }

    def configure(self, text: str = SCRIPTED) -> None:
        path = self.directory / "config" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def wait_for_log(self) -> None:
        """Return when a command has opened the log, which it does just before it asks."""
        deadline = time.monotonic() + PATIENCE
        while not list(self.log.glob("*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def popen(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Start the real command; `options` are those of `Popen`."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # options of any kind
            [*self.before, sys.executable, "-P", "-m", "arawn.cli", *arguments],
            **{"env": self.environ, "cwd": self.directory, "text": True, **pipes, **options},
        )

    def run(self, *arguments: str, piped: str = "") -> subprocess.CompletedProcess[str]:
        """Run the real command to its end."""
        child = self.popen(*arguments, stdin=subprocess.PIPE)
        try:
            out, err = child.communicate(piped, timeout=PATIENCE)
        finally:
            child.kill()
        return subprocess.CompletedProcess(arguments, child.returncode, out, err)
