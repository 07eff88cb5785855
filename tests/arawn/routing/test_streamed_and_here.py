from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from arawn.server.auth import Door
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.conftest import command as command  # noqa: PLC0414  # a fixture
from tests.arawn.cli.conftest import place as place  # noqa: PLC0414  # a fixture
from tests.arawn.cli.place import Place
from tests.arawn.cli.test_route import ROUTED
from tests.arawn.routing.test_runtime_routing import HEADERS, routed
from tests.arawn.server.sdk.doors import TOKEN
from tests.runtimes import running
from tests.serving import app_of, serving


def test_a_question_is_routed_without_a_daemon(place: Place, command: Command) -> None:
    """Every profile that a rule may choose is started."""
    place.configure(ROUTED)

    assert json.loads(command("ask", "hi", "--json").out)["reason"] == "HeuristicRule(short)"


@pytest.mark.parametrize(("model", "there"), [("auto", False), ("fast", True)])
async def test_the_head_of_a_stream_names_no_profile_that_is_still_to_be_chosen(
    tmp_path: Path, model: str, there: bool
) -> None:
    """It goes out before a rule has decided; the record says it."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with running(routed(tmp_path)) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:
                reply = await client.post("/v1/chat/completions", json=body)

    assert ("x-arawn-profile" in reply.headers) is there
