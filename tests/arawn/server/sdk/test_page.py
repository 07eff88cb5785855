"""The pages about the dialects list what is served and what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arawn.config.schema import Config, Profile
from arawn.server.v1.openai_chat_in import ChatBody
from arawn.server.v1.routes import v1_routes
from tests.arawn.server.sdk.listing import PYTHON, clients, tables
from tests.arawn.server.sdk.node_clients import versions
from tests.memory_runtime import MemoryRuntime

HTTP_PAGE = Path("docs/http-api.md").read_text("utf-8")
CASES_PAGE = Path("docs/compatibility.md").read_text("utf-8")


class Configured(MemoryRuntime):
    config = Config(profiles={"default": Profile(backend="scripted")})


def test_every_route_is_on_the_page_with_a_curl_line() -> None:
    """With its method."""
    for method, path in v1_routes(Configured()):  # type: ignore[arg-type]  # stands in for one
        assert f"| {method} | `{path}` |" in HTTP_PAGE
        assert re.search(rf"curl [^\n]*\$URL{path.split('{')[0]}", HTTP_PAGE)


def test_every_field_with_a_neutral_word_is_on_the_page() -> None:
    """And those that are refused."""
    missing = [name for name in ChatBody.__struct_encode_fields__ if f"`{name}`" not in HTTP_PAGE]

    assert missing == []


def test_the_list_of_cases_is_that_of_the_tests() -> None:
    """`python -m tests.arawn.server.sdk.listing` prints it."""
    pytest.importorskip("openai")
    pytest.importorskip("anthropic")

    assert tables() in CASES_PAGE


def test_the_versions_of_the_clients_are_on_the_page() -> None:
    """Those for node are the ones that the tests install; those for Python are whatever is newest."""
    assert clients(versions(), "npm") in CASES_PAGE
    assert [name for name in PYTHON if not re.search(rf"\| `{name}` \| PyPI \| [0-9.]+ \|", CASES_PAGE)] == []
