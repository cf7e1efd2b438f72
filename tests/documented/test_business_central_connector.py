"""The documented answers of Business Central, given to the connector: it understands each.

The answers are bytes made here from the shapes of `business_central.yaml`, wrapped as the connector asks: a record that is
written comes back as a part of a batch, a record that is read as a page of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import polars as pl
import pytest
from ruamel.yaml import YAML

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION, column_type
from twinrow.connectors.base import ERROR, ERROR_FIELD, STATUS, ChangeRequest, Status, WriteKind, WriteRequest
from twinrow.connectors.business_central import BusinessCentral, BusinessCentralSettings
from twinrow.connectors.business_central.site import NoEnvironment
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.errors import Remedies, RequestRefused
from twinrow.connectors.odata.settings import read_settings
from twinrow.model.tables import Field, FieldType
from twinrow.sandbox.business_central.metadata import metadata
from twinrow.testing.clock import SettableClock

DOCUMENT = YAML(typ="safe").load(Path(__file__).with_name("business_central.yaml"))
EXCHANGES: dict[str, dict[str, Any]] = {exchange["id"]: exchange for exchange in DOCUMENT["exchanges"]}
NOT_ASKED = {
    "contactinformation-get": "these records lie below customers and vendors and have no id of their own; they are no table",
}

COMPANY = "6f1a2c58-0d3b-4b7e-9a41-2f9e3c5d7b10"
ZERO = "00000000-0000-0000-0000-000000000000"
MADE = "33333333-0000-4000-8000-000000000003"
ETAG = 'W/"JzE5OzUwOTI0NzcxNzg1OTcyMTA2NDUxOzAwOyc="'
WORDS = {
    "<id>": MADE,
    "<zero>": ZERO,
    "<time>": "2026-05-01T12:00:00.47Z",
    "<date>": "0001-01-01",
    "<text>": "some text",
    "<number>": 7,
    "<boolean>": True,
    "<etag>": ETAG,
}
LITERAL = {
    r"\d{6}": "000025",
    "[A-Z]{2}": "DE",
    "[-0-9a-f]{36}": "0d8a2a44-6a3f-4f2e-9d1c-5b5d3a1c7e10",
    r"\(.*\)": f"({COMPANY})",
    ".*": "",
}


class Tokens:
    def token(self) -> str:
        return "token"

    def renew(self, refused: str) -> None:
        raise AssertionError("the token was not refused")

    def close(self) -> None:
        pass


def made_of(shape: Any) -> Any:
    """The value that a shape stands for, in words of our own."""
    if isinstance(shape, dict):
        return {name: made_of(inner) for name, inner in shape.items()}
    if isinstance(shape, list):
        return [made_of(inner) for inner in shape]
    if isinstance(shape, str) and len(shape) > 2 and shape[0] == shape[-1] == "/":
        pattern = text = shape[1:-1]
        for expression, literal in LITERAL.items():
            text = text.replace(expression, literal)
        text = re.sub(r"\\(.)", r"\1", text.strip("^$") if not text.endswith("entity$") else text.strip("^")[:-1])
        assert re.search(pattern, text), (pattern, text)
        return text
    return WORDS.get(shape, shape) if isinstance(shape, str) else shape


def connector_to(*answers: Callable[[httpx2.Request], httpx2.Response | None]) -> BusinessCentral:
    """A connector to a service that knows itself, and answers anything else as told."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        for told in answers:
            response = told(request)
            if response is not None:
                return response
        if request.url.path.endswith("$metadata"):
            return respond(200, metadata("v2.0"))
        assert request.url.path.endswith("/companies"), request.url
        return respond(200, {"value": [{"id": COMPANY, "name": "Weserwerft AG", "displayName": "Weserwerft"}]})

    options = {
        "tenant": "t",
        "environment": "e",
        "company": "Weserwerft AG",
        "client_id": "c",
        "secret": "env:S",
        "routes": ["v2.0"],
        "patience_seconds": 0,
    }
    settings = read_settings(BusinessCentralSettings, "the company", options)
    client = ODataClient(
        "the company",
        settings,
        Tokens(),  # type: ignore[arg-type]
        SettableClock(),
        headers={},
        remedies=Remedies("", ""),
        transport=httpx2.MockTransport(answer),
    )
    return BusinessCentral(client, settings)


def respond(status: int, body: Any) -> httpx2.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return httpx2.Response(status, headers={"Date": "Fri, 01 May 2026 12:00:01 GMT"}, content=content)


def to_batches(*parts: tuple[int, Any]) -> Callable[[httpx2.Request], httpx2.Response | None]:
    responses = [
        {"id": str(number), "status": status, "headers": {}} | ({} if body is None else {"body": body})
        for number, (status, body) in enumerate(parts)
    ]
    return lambda request: respond(200, {"responses": responses}) if request.url.path.endswith("$batch") else None


def to_reads(table: str, *pages: Any) -> Callable[[httpx2.Request], httpx2.Response | None]:
    left = list(pages)
    return lambda request: respond(200, left.pop(0)) if request.url.path.endswith(f"/{table}") else None


def table_of(exchange: dict[str, Any]) -> str:
    found = re.match(r"companies\(\{company\}\)/(\w+)", exchange["request"]["target"])
    assert found is not None
    return found[1]


def meant(field: Field, value: Any) -> Any:
    """What a printed value means, by the rules of the protocol page."""
    match field.type:
        case FieldType.GUID | FieldType.REFERENCE:
            return None if value == ZERO else value
        case FieldType.DATE:
            return None if value == "0001-01-01" else date.fromisoformat(str(value))
        case FieldType.DATETIME:
            return datetime.fromisoformat(str(value).replace("Z", "+00:00")).astimezone(UTC)
        case FieldType.DECIMAL:
            return Decimal(str(value))
        case FieldType.ENUM:
            return str(value).replace("_x0020_", " ")
    return value


def understood(row: dict[str, Any], printed: dict[str, Any], fields: dict[str, Field]) -> None:
    assert set(printed) & set(fields)
    for name, field in fields.items():
        assert row[name] == meant(field, printed[name]), name


def printed_fields(connector: BusinessCentral, table: str, printed: dict[str, Any]) -> dict[str, Field]:
    return {name: field for name, field in connector.describe(table).fields.items() if name in printed}


def of_method(method: str) -> list[str]:
    return [
        id
        for id, exchange in EXCHANGES.items()
        if exchange["request"].get("method", "GET") == method
        and "companies({company})/" in exchange["request"]["target"]
        and exchange["answer"]["status"] < 300
        and id not in NOT_ASKED
    ]


READ = [
    id for id in of_method("GET") if "?" not in EXCHANGES[id]["request"]["target"].partition("/")[2].partition("(")[0]
]
PAGES = ["recorded-customers-page", "recorded-customers-last-page"]
OTHERS = {
    "recorded-entity-definitions-customer",
    "recorded-error-no-environment",
    "recorded-error-unknown-property",
    "batch-isolation-snapshot",
}


def test_every_example_is_tried_or_excused() -> None:
    tried = {*of_method("POST"), *of_method("PATCH"), *of_method("DELETE"), *of_method("GET"), *OTHERS}
    assert tried | set(NOT_ASKED) == set(EXCHANGES)
    assert set(PAGES) <= set(of_method("GET"))


@pytest.mark.parametrize("id", of_method("POST"))
def test_a_created_record(id: str) -> None:
    exchange = EXCHANGES[id]
    printed = {"@odata.etag": ETAG, "id": MADE} | made_of(exchange["answer"]["json"])
    sent_bodies: list[dict[str, Any]] = []

    def keep(request: httpx2.Request) -> None:
        if request.url.path.endswith("$batch"):
            sent_bodies.extend(part["body"] for part in msgspec.json.decode(request.content)["requests"])

    connector = connector_to(keep, to_batches((exchange["answer"]["status"], printed)))
    table = table_of(exchange)
    fields = printed_fields(connector, table, printed)
    given = {name: value for name, value in exchange["request"]["body"].items() if name in fields and name != "id"}
    columns = {
        name: pl.Series([meant(fields[name], value)], dtype=column_type(fields[name])) for name, value in given.items()
    }
    frame = pl.DataFrame({ID: pl.Series([None], dtype=pl.String), **columns})
    request = WriteRequest(table, WriteKind.CREATE, frame, tuple(given), tuple(fields))
    (row,) = connector.write(request).to_dicts()
    assert (row[STATUS], row[ID], row[VERSION]) == (Status.WRITTEN, printed["id"], ETAG)
    understood(row, printed, fields)
    # What was sent says the same as the documented request, choices in their encoded form.
    assert sent_bodies == [{name: "_x0020_" if value == " " else value for name, value in given.items()}]
    connector.close()


@pytest.mark.parametrize("id", [id for id in READ if id not in PAGES])
def test_a_record_that_is_read(id: str) -> None:
    exchange = EXCHANGES[id]
    printed = {"@odata.etag": ETAG} | made_of(exchange["answer"]["json"])
    table = table_of(exchange)
    connector = connector_to(to_reads(table, {"value": [printed]}))
    fields = printed_fields(connector, table, printed)
    (row,) = connector.fetch(table, tuple(fields), [printed["id"]]).to_dicts()
    assert (row[ID], row[VERSION]) == (printed["id"], ETAG)
    understood(row, printed, fields)
    connector.close()


def test_pages_of_records() -> None:
    first = made_of(EXCHANGES["recorded-customers-page"]["answer"]["json"])
    last = made_of(EXCHANGES["recorded-customers-last-page"]["answer"]["json"])
    for number, record in enumerate(first["value"]):
        record.setdefault("id", MADE[:-1] + str(number))
    first["@odata.nextLink"] = (
        f"https://api.businesscentral.dynamics.com/v2.0/t/e/api/v2.0/companies({COMPANY})/"
        "customers?aid=FIN&$skiptoken=11111111-0000-4000-8000-000000000002"
    )
    connector = connector_to(to_reads("customers", first, last))
    fields = printed_fields(connector, "customers", first["value"][0])
    frame = connector.select("customers", tuple(fields), None)
    assert frame.height == 2
    understood(frame.row(0, named=True), first["value"][0], fields)
    assert frame[MODIFIED_AT][0] == datetime(2026, 5, 1, 12, 0, 0, 470_000, UTC)
    connector.close()


@pytest.mark.parametrize("id", of_method("PATCH"))
def test_an_updated_record(id: str) -> None:
    exchange = EXCHANGES[id]
    printed = {"@odata.etag": ETAG} | made_of(exchange["answer"]["json"])
    connector = connector_to(to_batches((exchange["answer"]["status"], printed)))
    table = table_of(exchange)
    fields = printed_fields(connector, table, printed)
    given = exchange["request"]["body"]
    frame = pl.DataFrame({ID: [printed["id"]], VERSION: ['W/"before"'], **{name: [given[name]] for name in given}})
    (row,) = connector.write(WriteRequest(table, WriteKind.UPDATE, frame, tuple(given), tuple(fields))).to_dicts()
    assert (row[STATUS], row[ID], row[VERSION]) == (Status.WRITTEN, printed["id"], ETAG)
    understood(row, printed, fields)
    connector.close()


@pytest.mark.parametrize("id", of_method("DELETE"))
def test_a_deleted_record(id: str) -> None:
    exchange = EXCHANGES[id]
    connector = connector_to(to_batches((exchange["answer"]["status"], None)))
    frame = pl.DataFrame({ID: [MADE], VERSION: [ETAG]})
    (row,) = connector.write(WriteRequest(table_of(exchange), WriteKind.DELETE, frame)).to_dicts()
    assert (row[STATUS], row[ID]) == (Status.WRITTEN, MADE)
    connector.close()


def test_parts_of_a_batch_without_ids_and_one_without_a_record() -> None:
    """Its middle part stands for a delete: as the answer to an update it leaves open what the record is now."""
    answer = made_of(EXCHANGES["batch-isolation-snapshot"]["answer"]["json"])
    connector = connector_to(lambda request: respond(200, answer) if request.url.path.endswith("$batch") else None)
    answer["responses"][0]["body"] |= {"id": MADE, "@odata.etag": ETAG}
    frame = pl.DataFrame({ID: [MADE] * 3, VERSION: [ETAG] * 3, "type": ["Service", "Service", "Furniture"]})
    rows = connector.write(WriteRequest("items", WriteKind.UPDATE, frame, ("type",), ("displayName",))).to_dicts()
    assert [row[STATUS] for row in rows] == [Status.WRITTEN, Status.INDETERMINATE, Status.REFUSED]
    assert rows[0]["displayName"] == "Oak desk"
    assert rows[2][ERROR_FIELD] == "type"
    assert rows[2][ERROR] == "'Furniture' is not an option. The existing options are: Inventory,Service,Non-Inventory"
    connector.close()


def test_captions() -> None:
    answer = made_of(EXCHANGES["recorded-entity-definitions-customer"]["answer"]["json"])
    captions = [{"languageCode": 1036, "caption": "Bloqué ici"}, {"languageCode": 1033, "caption": "Blocked Here"}]
    answer["value"][0]["properties"] = [{"name": "blockedHere", "captions": captions}]
    extended = metadata("v2.0").replace(
        b'<EntityType Name="customer">',
        b'<EntityType Name="customer"><Property Name="blockedHere" Type="Edm.Boolean"/>',
    )
    connector = connector_to(
        lambda request: respond(200, extended) if request.url.path.endswith("$metadata") else None,
        lambda request: respond(200, answer) if request.url.path.endswith("entityDefinitions") else None,
    )
    assert connector.describe("customers").field("blockedHere").caption == "Blocked Here"
    connector.close()


def test_an_environment_that_does_not_exist() -> None:
    answer = EXCHANGES["recorded-error-no-environment"]["answer"]
    code, message = answer["xml"].values()
    content = (
        '<?xml version="1.0"?><error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
        f"<code>{code}</code><message>{message}</message></error>"
    )
    connector = connector_to(lambda _: respond(answer["status"], content.encode()))
    with pytest.raises(NoEnvironment, match="no environment 'e'"):
        connector.identify()
    assert [check.name for check in connector.test()] == ["Environment"]
    connector.close()


def test_a_property_that_does_not_exist() -> None:
    answer = EXCHANGES["recorded-error-unknown-property"]["answer"]
    error = made_of(answer["json"])
    connector = connector_to(
        lambda request: respond(answer["status"], error) if request.url.path.endswith("/vendors") else None
    )
    with pytest.raises(RequestRefused, match=r"BadRequest Could not find a property named 'changedAt'") as raised:
        list(connector.changes(ChangeRequest("vendors", ("number",))))
    assert "CorrelationId" not in str(raised.value)
    connector.close()
