"""The documented exchanges of Business Central, tried against the sandbox over HTTPS."""

from __future__ import annotations

import re
import ssl
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ruamel.yaml import YAML

from twinrow.sandbox.process import SandboxProcess, start

DOCUMENT = YAML(typ="safe").load(Path(__file__).with_name("business_central.yaml"))
EXCHANGES: list[dict[str, Any]] = DOCUMENT["exchanges"]
# How many documented examples there are.
EXAMPLES = 40
ZERO = "00000000-0000-0000-0000-000000000000"
GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start("business-central", directory=tmp_path_factory.mktemp("authority")) as process:
        yield process


@pytest.fixture(scope="module")
def client(server: SandboxProcess) -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with httpx2.Client(base_url=server.url, verify=context) as client:
        form = {
            "grant_type": "client_credentials",
            "client_id": "twinrow",
            "client_secret": "sandbox-secret",
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
        token = client.post("/tenant/oauth2/v2.0/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange["id"] for exchange in EXCHANGES])
def test_the_answer_is_of_the_documented_kind(
    server: SandboxProcess, client: httpx2.Client, exchange: dict[str, Any]
) -> None:
    server.control("POST", "/sandbox/reset")
    root = "/v2.0/tenant/sandbox/api/v2.0"
    company = client.get(f"{root}/companies").json()["value"][0]["id"]

    def send(request: dict[str, Any], environment: str = "sandbox") -> httpx2.Response:
        body = filled(request.get("body"), company)
        target = filled(request["target"], company)
        return client.request(
            request.get("method", "GET"),
            f"/v2.0/tenant/{environment}/api/v2.0/{target}",
            headers=request.get("headers"),
            **({"json": body} if body is not None else {}),
        )

    for table, rows in exchange.get("rows", {}).items():
        for row in rows:
            server.control("POST", f"/sandbox/tables/{table}".replace(" ", "%20"), row)
    for request in exchange.get("given", ()):
        assert send(request).status_code < 300
    expect(send(exchange["request"], exchange.get("environment", "sandbox")), exchange["answer"])
    for look in exchange.get("afterwards", ()):
        expect(send(look), look)


def test_every_example_is_tried_or_excused() -> None:
    ids = [exchange["id"] for exchange in EXCHANGES]
    assert len(ids) == len(set(ids))
    assert len(set(ids) | DOCUMENT["exceptions"].keys()) == EXAMPLES
    assert all(DOCUMENT["exceptions"].values())


def expect(response: httpx2.Response, answer: dict[str, Any]) -> None:
    assert response.status_code == answer["status"], response.text
    for name, pattern in answer.get("headers", {}).items():
        assert re.search(pattern, response.headers[name]), f"{name}: {response.headers[name]}"
    if "json" in answer:
        compare(response.json(), answer["json"], "")
    for element, text in answer.get("xml", {}).items():
        assert ElementTree.fromstring(response.content).findtext(element) == text  # noqa: S314 - our own server's words


def compare(value: Any, shape: Any, place: str) -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{place} is no object: {value!r}"
        for name, inner in shape.items():
            assert name in value, f"{place} has no {name}: {value!r}"
            compare(value[name], inner, f"{place}/{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{place} is no list: {value!r}"
        assert len(value) == len(shape), f"{place}: {value!r}"
        for number, (inner_value, inner) in enumerate(zip(value, shape, strict=True)):
            compare(inner_value, inner, f"{place}/{number}")
    elif isinstance(shape, str) and len(shape) > 2 and shape[0] == shape[-1] == "/":
        assert isinstance(value, str), f"{place}: {value!r}"
        assert re.search(shape[1:-1], value), f"{place}: {value!r} does not match {shape}"
    elif isinstance(shape, str) and shape in WORDS:
        assert WORDS[shape](value), f"{place}: {value!r} is not {shape}"
    else:
        assert value == shape, place
        assert isinstance(value, bool) == isinstance(shape, bool), place


def filled(value: Any, company: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(inner, company) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, company) for inner in value]
    return value.replace("{company}", company) if isinstance(value, str) else value


def is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


WORDS: dict[str, Any] = {
    "<id>": lambda value: is_text(value, GUID) and value != ZERO,
    "<zero>": lambda value: value == ZERO,
    "<time>": lambda value: is_text(value, TIME),
    "<date>": lambda value: is_text(value, re.compile(r"\d{4}-\d\d-\d\d")),
    "<text>": lambda value: isinstance(value, str),
    "<number>": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "<boolean>": lambda value: isinstance(value, bool),
    "<etag>": lambda value: is_text(value, re.compile(r'W/"[A-Za-z0-9+/]+=*"')),
}
