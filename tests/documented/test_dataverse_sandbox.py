"""The documented exchanges of Dataverse, tried against the sandbox over HTTPS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.sandbox.dataverse.api import HttpsApi, Reply

from twinrow.sandbox.dataverse.metadata_shapes import attribute_id, entity_id
from twinrow.sandbox.dataverse.schema import metadata_id
from twinrow.sandbox.process import start

DOCUMENT = YAML(typ="safe").load(Path(__file__).with_name("dataverse.yaml"))
EXCHANGES: list[dict[str, Any]] = DOCUMENT["exchanges"]
# How many documented examples there are.
EXAMPLES = 73
GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
PLACEHOLDER = re.compile(r"\{(\w+)(?::([^}]+))?\}")
WORDS = {
    "<id>": GUID.fullmatch,
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch,
    "<etag>": re.compile(r'W/"\d+"').fullmatch,
    "<text>": re.compile(r".*", re.DOTALL).fullmatch,
    "<url>": re.compile(r"https://\S+").fullmatch,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsApi]:
    with start("dataverse", directory=tmp_path_factory.mktemp("authority")) as process:
        api = HttpsApi(process)
        yield api
        api.close()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange["id"] for exchange in EXCHANGES])
def test_the_answer_is_of_the_documented_kind(server: HttpsApi, exchange: dict[str, Any]) -> None:
    server.process.control("POST", "/sandbox/reset")
    server.process.control("POST", "/sandbox/switches", exchange.get("switches", {}))
    for request in exchange.get("given", ()):
        assert send(server, request).status < 300
    expect(server, send(server, exchange["request"]), exchange["answer"])
    for look in exchange.get("afterwards", ()):
        expect(server, send(server, {"method": "GET", **look}), look)


def test_every_example_is_tried_or_excused() -> None:
    ids = [exchange["id"] for exchange in EXCHANGES]
    assert len(ids) == len(set(ids))
    assert len(set(ids) | DOCUMENT["exceptions"].keys()) == EXAMPLES
    assert all(DOCUMENT["exceptions"].values())


def send(server: HttpsApi, request: dict[str, Any]) -> Reply:
    target = filled(server, request["target"])
    if not target.startswith("https://"):
        target = "/api/data/" + target
    text = request.get("text")
    body = text.replace("\n", "\r\n").encode() if text is not None else filled(server, request.get("body"))
    return server.send(request["method"], target, body, filled(server, request.get("headers", {})))


def filled(server: HttpsApi, value: Any) -> Any:
    """The value with its placeholders filled in."""
    if isinstance(value, dict):
        return {name: filled(server, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(server, inner) for inner in value]
    return PLACEHOLDER.sub(lambda match: filling(server, match), value) if isinstance(value, str) else value


def filling(server: HttpsApi, match: re.Match[str]) -> str:
    now = datetime.now(UTC)
    match match[1]:
        case "root":
            return server.process.url
        case "person":
            return metadata_id("object", "person")
        case "account":
            return entity_id("account")
        case "accountcategorycode":
            return attribute_id("account", "accountcategorycode")
        case "etag":
            etag: str = server.row(match[2])["@odata.etag"]
            return etag
        case "next":
            link: str = server.row(match[2], Prefer="odata.maxpagesize=2")["@odata.nextLink"]
            return link
        case "year" | "month" | "day":
            return f"{getattr(now, match[1]):02d}"
    return match[0]


def expect(server: HttpsApi, reply: Reply, answer: dict[str, Any]) -> None:
    assert reply.status == answer["status"], reply.raw
    for name, pattern in answer.get("headers", {}).items():
        if pattern is None:
            assert name not in reply.headers
        else:
            assert re.search(pattern, reply.headers[name]), f"{name}: {reply.headers[name]}"
    if answer.get("empty"):
        assert reply.raw == b""
    if "text" in answer:
        assert re.search(answer["text"], reply.raw.decode(), re.DOTALL), reply.raw
    if "json" in answer:
        compare(reply.body, filled(server, answer["json"]), "")


def compare(value: Any, shape: Any, place: str) -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{place} is no object: {value!r}"
        for name, inner in shape.items():
            if inner == "<absent>":
                assert name not in value, f"{place} has {name}"
                continue
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
        assert isinstance(value, str), f"{place}: {value!r}"
        assert WORDS[shape](value), f"{place}: {value!r} is not {shape}"
    elif isinstance(shape, float):
        assert float(value) == shape, place
    else:
        assert value == shape, place
        assert isinstance(value, bool) == isinstance(shape, bool), place
