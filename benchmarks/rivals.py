"""Where the rivals are, and how each is started. `rivals.sh` installs them; what is not there is left out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.measure import Load
from benchmarks.upstream import REQUEST_TEXT, cpu_seconds

__all__ = ["Server", "TensorZero", "litellm", "portkey", "started", "tensorzero"]

_START_S = 120
_LITELLM_CONFIG = """
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "{address}", api_key: k}}
litellm_settings: {{telemetry: false}}
"""


class Server(msgspec.Struct, frozen=True):
    """A gateway that runs: its port, and the process that holds the memory and does the work."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time that the gateway has taken."""
        return cpu_seconds(self.pid)

    def memory_mb(self) -> float:
        """Return the resident memory."""
        return resident_mb(self.pid)


def resident_mb(pid: int, what: str = "VmRSS") -> float:
    """Return `VmRSS` (now) or `VmHWM` (at most) of a process; `ru_maxrss` would be inherited over exec."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no `{what}`")


def place() -> Path:
    """Return the directory of the rivals: `$BENCH_RIVALS`, else `~/.cache/arawn-rivals`."""
    return Path(os.environ.get("BENCH_RIVALS") or Path.home() / ".cache" / "arawn-rivals")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
    return port


@contextmanager
def started(command: list[str], port: int, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server from the moment it listens on `port` until the block ends; its output goes to a scratch file."""
    with tempfile.TemporaryFile() as output:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARAWN_")}
        environment = {**inherited, **(environ or {})}
        with subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
            try:
                _wait_until_it_listens(process, port, output.fileno())
                yield Server(port, process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, output: int) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    said = os.pread(output, 4000, 0).decode(errors="replace")
    raise RuntimeError(f"`{process.args!r}` does not listen on port {port}: {said}")


@contextmanager
def portkey() -> Iterator[Server | None]:
    """Run Portkey's gateway; None where it is not installed."""
    script = place() / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    if not script.exists():
        yield None
        return
    port = free_port()
    command = ["node", str(script), f"--port={port}", "--headless"]
    with started(command, port, {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}) as server:
        yield server


@contextmanager
def litellm(address: str) -> Iterator[Server | None]:
    """Run LiteLLM's proxy with one worker and no database; None where it is not installed."""
    binary = place() / "litellm/bin/litellm"
    if not binary.exists():
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "litellm.yaml"
        config.write_text(_LITELLM_CONFIG.format(address=address), "utf-8")
        command = [
            str(binary),
            "--config",
            str(config),
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
            "--num_workers",
            "1",
        ]
        quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
        with started(command, port, quiet) as server:
            yield server


class TensorZero:
    """TensorZero embedded in a Python process of its own; see `rival_tensorzero.py`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, calls: int, callers: int) -> Load:
        """Have the calls made."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls} {callers}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("TensorZero gave up; the reason is above")
        return msgspec.json.decode(line, type=Load)


@contextmanager
def tensorzero(address: str) -> Iterator[TensorZero | None]:
    """Run TensorZero embedded, its logging off; None where it is not installed."""
    python = place() / "tensorzero/bin/python"
    if not python.exists():
        yield None
        return
    script = Path(__file__).with_name("rival_tensorzero.py")
    command = [str(python), str(script), address, REQUEST_TEXT]
    environment = {**os.environ, "RUST_LOG": "error", "TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield TensorZero(process)
        finally:
            process.terminate()
