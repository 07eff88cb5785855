"""`GET /openapi.json` describes what is served, and the page shows nothing that it does not describe."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from arawn.server.auth import Door
from arawn.server.interactions import COUNTED, LISTED, SEARCH, SEARCHED, STATS
from arawn.server.openapi import openapi_document
from arawn.server.workstreams import PAGING
from tests.runtimes import ECHO, configured, running
from tests.serving import app_of, serving

TOKEN = "secret"
HEADERS = {"x-api-key": TOKEN}
PAGE = Path("docs/http-api.md").read_text("utf-8")
EXAMPLES = re.findall(r'^curl (?:-N |-X (\w+) )?"?\$URL([^" ]*)"? .*?-d \'(.*)\'$', PAGE, re.MULTILINE)


@asynccontextmanager
async def whole_api(directory: Path) -> AsyncIterator[str]:
    """Serve every route of the daemon and yield the address."""
    async with running(configured(directory, {"default": ECHO, "fast": ECHO})) as runtime:
        app = app_of(runtime, Door(token=TOKEN, hosts=()))
        async with serving(app) as served:
            yield served.url


async def document(directory: Path) -> Any:
    async with whole_api(directory) as url, httpx.AsyncClient() as client:
        return (await client.get(f"{url}/openapi.json", headers=HEADERS)).json()


def schema_of(described: Any, method: str, path: str) -> Any:
    """Return the schema of the body of a request, able to stand alone."""
    matching = [
        shown
        for shown in described["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", shown), path.partition("?")[0])
    ]
    body = described["paths"][matching[0]][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    return {**body, "components": described["components"]}


async def test_the_document_has_every_route_that_is_served_and_no_other(tmp_path: Path) -> None:
    """By method and path, as the server's own 405 lists them; a route without a description is an error here."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        described = (await client.get(f"{url}/openapi.json")).json()
        listed = {
            path: await client.options(url + path.replace("{", "").replace("}", "")) for path in described["paths"]
        }

    shown = {path: {method.upper() for method in methods} for path, methods in described["paths"].items()}
    served = {path: set(refused.headers["allow"].split(", ")) - {"HEAD"} for path, refused in listed.items()}
    assert shown == served
    assert sum(map(len, shown.values())) >= 24
    with pytest.raises(KeyError):
        openapi_document({}, [("GET", "/healthz")])


@pytest.mark.parametrize(
    ("path", "names"),
    [("/interactions", LISTED), (SEARCH, SEARCHED), (STATS, COUNTED), ("/workstreams", PAGING)],
)
async def test_the_document_has_what_a_list_can_be_asked(tmp_path: Path, path: str, names: dict[str, str]) -> None:
    """Each name that a query takes, and what it asks for."""
    described = await document(tmp_path)

    parameters = described["paths"][path]["get"]["parameters"]
    assert {one["name"]: one["description"] for one in parameters} == names


async def test_the_document_is_openapi_3_1(tmp_path: Path) -> None:
    """Every schema is one, and every reference leads somewhere."""
    described = await document(tmp_path)

    assert described["openapi"] == "3.1.0"
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described))
    assert set(names) <= set(described["components"]["schemas"])


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
async def test_a_status_of_the_provider_is_described(tmp_path: Path, path: str) -> None:
    """A refusal keeps the provider's own status, such as 402 or 418, whichever it is."""
    described = await document(tmp_path)

    assert "default" in described["paths"][path]["post"]["responses"]


async def test_only_the_probes_are_open(tmp_path: Path) -> None:
    """Everything else asks for the token, in the document and at the door."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient() as client:
        described = (await client.get(f"{url}/openapi.json", headers=HEADERS)).json()
        operations = [
            (method, path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ]
        statuses = {
            (method, path): (await client.request(method, url + path.replace("{", "").replace("}", ""))).status_code
            for method, path, _ in operations
        }

    for method, path, operation in operations:
        is_open = operation.get("security") == []
        assert (statuses[method, path] == 401) is not is_open, path


async def test_filters_and_parameters_are_described(tmp_path: Path) -> None:
    """Those of the path are in the path, and the filters are all there."""
    described = await document(tmp_path)

    for path, methods in described["paths"].items():
        for operation in methods.values():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
    filters = described["paths"]["/interactions"]["get"]["parameters"]
    assert {one["name"] for one in filters} == set(LISTED)


async def test_every_example_of_the_page_fits_the_document(tmp_path: Path) -> None:
    """Its body is of the schema of its route."""
    described = await document(tmp_path)

    assert len(EXAMPLES) >= 9
    for method, path, body in EXAMPLES:
        Draft202012Validator(schema_of(described, method or "POST", path)).validate(json.loads(body))


async def test_a_body_that_is_refused_does_not_fit_the_document(tmp_path: Path) -> None:
    """The schema and the server agree on what is wrong."""
    described = await document(tmp_path)
    wrong: list[tuple[str, Any]] = [
        ("/chat", {"message": ""}),
        ("/chat", {"message": "hi", "more": 1}),
        ("/workstreams", {}),
        ("/v1/chat/completions", {"model": "auto"}),
        ("/v1/messages", {"model": "auto", "messages": []}),
        ("/v1/responses", {"model": "auto", "input": 5}),
    ]

    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path, body in wrong:
            assert (await client.post(url + path, json=body)).status_code in {400, 422}
            assert not Draft202012Validator(schema_of(described, "POST", path)).is_valid(body)
