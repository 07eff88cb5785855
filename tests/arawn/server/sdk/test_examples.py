"""Each script of `examples/clients` talks to a daemon started beside it, with the variables that the daemon prints."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.server.sdk.node_clients import beside_modules, needs_node
from tests.system.daemons import Daemon, records, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # a daemon and a client in processes of their own

EXAMPLES = Path("examples/clients")
NEEDED = {  # script -> the package without which it is skipped
    "openai_sdk.py": "openai",
    "anthropic_sdk.py": "anthropic",
    "pydantic_ai_agent.py": "pydantic_ai",
    "langchain_chat.py": "langchain_openai",
    "llm_command.sh": "llm",
    "curl.sh": None,
    "node_openai.mjs": None,
    "node_anthropic.mjs": None,
    "node_ai.mjs": None,
}
DAEMON = """
[llm]
backend = "scripted"
script = "script.toml"

[server]
listen = "127.0.0.1:0"
"""


def command(script: Path, directory: Path) -> list[str]:
    """Return how the script is run; skips where what it needs is not there."""
    package = NEEDED[script.name]
    if package is not None and find_spec(package) is None:
        pytest.skip(f"`{package}` is not installed")
    if script.suffix == ".py":
        return [sys.executable, str(script.resolve())]
    if script.suffix == ".sh":
        return ["sh", str(script.resolve())]
    needs_node()
    return ["node", str(beside_modules(directory / "node", script) / script.name)]


def test_every_example_is_run() -> None:
    """A script that is new has a row here."""
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_the_example_runs(name: str, place: Place) -> None:
    """It says what the backend said, and nothing on stderr."""
    ran = command(EXAMPLES / name, place.directory)
    place.configure(DAEMON.replace("script.toml", str(place.directory / "script.toml")))
    (place.directory / "script.toml").write_text('[[steps]]\ntext = "Paris it is."\n')
    with running(place) as daemon:
        done = with_exports(daemon, place, ran)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Paris it is." in done.stdout or '"content":"Paris ' in done.stdout
    assert {record["status"] for record in records(place)} == {"ok"}


def with_exports(daemon: Daemon, place: Place, ran: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that was given the lines which `arawn start` printed."""
    exports = [line.strip() for line in daemon.said if line.strip().startswith("export ")]
    programs = Path(sys.executable).parent  # where `llm` is
    environ = {**place.environ, "PATH": f"{programs}:{place.environ['PATH']}"}
    environ["LLM_LOAD_PLUGINS"] = ""  # the plugin that the model for tests comes in lacks what it is made for
    shell = ["sh", "-c", "\n".join([*exports, 'exec "$@"']), "sh", *ran]
    return subprocess.run(
        shell, check=False, cwd=place.directory, env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
