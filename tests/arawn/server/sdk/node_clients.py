"""The clients that run on node: installed once for a set of versions, each question a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.arawn.server.sdk.doors import TOKEN

SCRIPTS = Path(__file__).parent / "node"
OLDEST_NODE = 20
CLIENTS = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "ai-openai": "openai",
    "ai-openai-responses": "openai",
    "ai-openai-compatible": "openai",
    "ai-anthropic": "anthropic",
}
"""Each client and the dialect that it speaks."""


def versions() -> dict[str, str]:
    """Return the packages with the versions that are tested."""
    packages: dict[str, str] = json.loads((SCRIPTS / "package.json").read_text("utf-8"))["dependencies"]
    return packages


def needs_node() -> None:
    """Skip where there is no node that the packages run on."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("`node` and `npm` are not installed")
    found = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if int(found.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {found}; the packages need {OLDEST_NODE} or newer")


def installed() -> Path:
    """Return the `node_modules` of the packages; it is kept in the user's cache until a version changes."""
    wanted = (SCRIPTS / "package.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arawn-tests"
    kept = cache / f"node-{hashlib.sha256(wanted).hexdigest()[:16]}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        (fresh / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error"]
        done = subprocess.run(command, check=False, cwd=fresh, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        try:
            fresh.rename(kept)
        except OSError:  # another process of the tests was first
            shutil.rmtree(fresh)
    return kept / "node_modules"


def beside_modules(directory: Path, *scripts: Path) -> Path:
    """Copy `scripts` to where they find the packages, and return that directory."""
    directory.mkdir()
    (directory / "node_modules").symlink_to(installed())
    for script in scripts:
        shutil.copy(script, directory)
    return directory


async def done_by(client: str, url: str, scripts: Path, task: str, **more: Any) -> Any:
    """Return what the client printed: `{"said": ...}` or `{"error": {"kind", "status", "message", "request_id"}}`."""
    asked: dict[str, Any] = {"client": client, "task": task, "url": url, "token": TOKEN, "model": "auto", "retries": 0}
    asked |= {"stream": False, "tools": [], **more}
    command = ["node", str(scripts / "main.mjs"), json.dumps(asked)]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
