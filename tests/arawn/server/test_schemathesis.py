"""What schemathesis makes of the OpenAPI document, the running daemon answers as the document says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.arawn.cli.place import Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]

PROFILES = '[llm]\nbackend = "scripted"\n[llm_profiles.fast]\nbackend = "scripted"\nmodel = "m-1"\n'
PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
SETTINGS = (
    *("--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "7", "--continue-on-failure"),
    *("--generation-database", "none", "--no-shrink", "--warnings", "off", "--no-color"),
)


@pytest.mark.parametrize("chosen", ["--exclude-path-regex", "--include-path-regex"], ids=["native", "v1"])
def test_no_fault_no_undocumented_status_no_other_shape(place: Place, chosen: str) -> None:
    """For right and for wrong requests to every route, over a real socket."""
    place.configure(PROFILES)
    with running(place) as daemon:
        token = ("--header", f"x-api-key: {daemon.token}")
        command = (sys.executable, "-c", PROGRAM, "run", "--checks", ",".join(CHECKS), *token, *SETTINGS)
        done = subprocess.run(
            [*command, chosen, "^/v1/", f"{daemon.url}/openapi.json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=place.directory,
            timeout=280,
        )

    assert done.returncode == 0, done.stdout + done.stderr
