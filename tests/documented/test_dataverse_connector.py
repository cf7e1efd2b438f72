"""The documented answers of Dataverse, given to the connector: it understands each that could be given to it.

The answers are bytes made here from the shapes of `dataverse.yaml`. What the service says of its tables beside them comes
from a sandbox in this process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.unit.connectors.dataverse.environment import HOST, NOBODY, Environment, Row

from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, VERSION, column_type
from twinrow.connectors.base import (
    ERROR,
    ERROR_FIELD,
    RECOVERY,
    STATUS,
    ChangeRequest,
    Status,
    WriteKind,
    WriteRequest,
)
from twinrow.connectors.odata.client import Answer
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.multipart import read_parts
from twinrow.model.tables import Field, FieldType

DOCUMENT = YAML(typ="safe").load(Path(__file__).with_name("dataverse.yaml"))
EXCHANGES: dict[str, dict[str, Any]] = {exchange["id"]: exchange for exchange in DOCUMENT["exchanges"]}
TABLES = {"accounts": "account", "contacts": "contact", "opportunities": "opportunity", "tasks": "task"}

# Which examples are tried as what.

LISTS = [
    "basic-query-example",
    "filter-records-based-on-single-valued-navigation-property",
    "filter-records-based-on-single-valued-navigation-property-2",
    "include-formatted-values",
    "polymorphic-owner-annotations",
    "retrieve-related-entity-records-by-expanding-single-valued-n",
    "retrieve-related-entity-records-by-expanding-single-valued-n-2",
]
PAGES = ["specify-the-number-of-entities-to-return-in-a-page", "page-second"]
RECORDS = [
    "controlling-upsert-operations-3",
    "determine-the-actual-user",
    "retrieve-data-about-lookup-properties",
    "retrieve-navigation-property-values",
    "retrieve-related-entities-for-an-entity-by-expanding-navigat",
    "retrieve-related-entities-for-an-entity-by-expanding-navigat-2",
    "retrieve-related-entities-for-an-entity-by-expanding-navigat-3",
    "retrieve-specific-properties",
    "section-3-create-related-entities-deep-insert-2",
    "section-3-create-related-entities-deep-insert-3",
]
REPRESENTED = ["create-with-data-returned", "section-1-basic-create-and-update-operations-8"]
CREATED = [
    "associate-entity-records-on-create",
    "create-related-entity-records-in-one-operation",
    "section-1-basic-create-and-update-operations",
    "section-2-create-with-association",
    "section-3-create-related-entities-deep-insert",
    "section-4-associate-and-disassociate-existing-entities-5",
]
UPDATED = ["associate-entities-on-update-using-single-valued-navigation-", "basic-update"]
DELETED_ONES = ["basic-delete", "controlling-upsert-operations-4", "section-5-delete-entities-sample-cleanup"]
CONDITIONS = {
    "apply-optimistic-concurrency-on-update": Status.STALE,
    "optimistic-concurrency-on-delete-and-update": Status.STALE,
    "optimistic-concurrency-on-delete-and-update-2": Status.STALE,
    "controlling-upsert-operations": Status.EXISTS,
    "prevent-update-in-upsert": Status.EXISTS,
    "controlling-upsert-operations-5": Status.MISSING,
    "prevent-create-in-upsert": Status.MISSING,
}
OPTIONS = [
    "example-retrieve-metadata-items-by-metadataid-3",
    "example-retrieve-metadata-items-by-name",
    "retrieving-attributes-2",
]
OTHERS = [
    "batch-no-changeset",
    "batch-stops-on-error",
    "change-tracking-initial",
    "change-tracking-2",
    "error-with-annotations",
    "expand-ref-collection-error",
    "list-alternate-keys",
    "recorded-metadata-contact-attributes",
    "recorded-metadata-contact-options-picklists",
    "recorded-metadata-contact-options-states",
]
NO_REFERENCES = "references are written with the record that holds them, never by links"
NO_PROPERTIES = "properties are read and written with their record, never alone"
NO_METADATA_IDS = "tables and columns are asked for by their names, not by ids of metadata"
NO_COUNTS = "nothing is counted by the service"
NO_MESSAGES = "messages for many records return no versions, so they are not used"
NOT_ASKED = {
    "add-a-reference-to-a-collection-valued-navigation-property": NO_REFERENCES,
    "bulk-message-availability": NO_MESSAGES,
    "change-the-reference-in-a-single-valued-navigation-property": NO_REFERENCES,
    "conditional-get-2": NO_PROPERTIES,
    "conditional-retrievals": "a record is read whether it has changed or not",
    "count-path": NO_COUNTS,
    "create-multiple": NO_MESSAGES,
    "example-retrieve-metadata-items-by-metadataid": NO_METADATA_IDS,
    "example-retrieve-metadata-items-by-metadataid-2": NO_METADATA_IDS,
    "retrieve-a-single-property-value": NO_PROPERTIES,
    "retrieve-navigation-property-values-2": NO_REFERENCES,
    "retrieve-navigation-property-values-3": NO_COUNTS,
    "section-1-basic-create-and-update-operations-6": NO_PROPERTIES,
    "section-4-associate-and-disassociate-existing-entities": NO_REFERENCES,
    "unbound-actions": "actions of opportunities are no part of keeping records the same",
    "upsert-alternate-key-update": "records are addressed by their ids, which never change",
}


def test_every_example_is_tried_or_excused() -> None:
    tried = [*LISTS, *PAGES, *RECORDS, *REPRESENTED, *CREATED, *UPDATED, *DELETED_ONES, *CONDITIONS, *OPTIONS, *OTHERS]
    assert len(tried) == len(set(tried))
    assert set(tried) | NOT_ASKED.keys() == EXCHANGES.keys()
    assert not set(tried) & NOT_ASKED.keys()


# Answers, made from shapes.

MADE = "33333333-0000-4000-8000-000000000003"
ETAG = 'W/"4711"'
WORDS = {"<id>": MADE, "<time>": "2026-05-01T12:00:00Z", "<etag>": ETAG, "<text>": "some text", "<url>": HOST}
LITERAL = {
    r"^https://localhost:\d+": HOST,
    r"[0-9a-f-]{36}": MADE,
    r"[-0-9a-f]{36}": MADE,
    r"[-0-9a-f]+": "0b",
    r"\d{4}": "2026",
    r"\d\d": "05",
    r"\d+": "4712",
    "[cC]": "c",
    "[dD]": "d",
    "[^{]*": "",
    r"\S+": HOST,
    '[^"]+': "$metadata",
    ".*": "",
}
PLACEHOLDERS = {"root": HOST, "account": "00000000-0000-4000-8000-0000000000aa", "accountcategorycode": NOBODY}


def text_of(pattern: str) -> str:
    """A text that a pattern of the document matches."""
    text = pattern
    for expression, literal in LITERAL.items():
        text = text.replace(expression, literal)
    text = text.removeprefix("^")
    text = re.sub(r"\\r\\n", "\r\n", text[:-1] if text.endswith("$") else text)
    text = re.sub(r"\\(.)", r"\1", text)
    assert re.search(pattern.replace(r"^https://localhost:\d+", f"^{HOST}"), text, re.DOTALL), (pattern, text)
    return text


def made_of(shape: Any) -> Any:
    """The value that a shape stands for, in words of our own."""
    if isinstance(shape, dict):
        return {name: made_of(inner) for name, inner in shape.items() if inner != "<absent>"}
    if isinstance(shape, list):
        return [made_of(inner) for inner in shape]
    if not isinstance(shape, str):
        return shape
    if len(shape) > 2 and shape[0] == shape[-1] == "/":
        return text_of(shape[1:-1])
    return re.sub(r"\{(\w+)\}", lambda match: PLACEHOLDERS.get(match[1], match[0]), WORDS.get(shape, shape))


def answer_of(id: str) -> Any:
    """The body of a documented answer."""
    return made_of(EXCHANGES[id]["answer"]["json"])


def table_of(id: str) -> str:
    found = re.match(r"v9\.\d/(\w+)", EXCHANGES[id]["request"]["target"])
    return TABLES[found[1]] if found is not None else "contact"


def respond(status: int, body: Any, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    told = {"Date": "Fri, 01 May 2026 12:00:01 GMT", "Content-Type": "application/json"} | headers
    return httpx2.Response(status, headers=told, content=content)


def to_reads(environment: Environment, *answers: Any) -> None:
    """Let rows be read as told, whichever are asked for."""
    left = list(answers)

    def answer(request: httpx2.Request) -> httpx2.Response | None:
        return respond(200, left.pop(0)) if request.url.path.rpartition("/")[2] in TABLES else None

    environment.override = answer


def to_batches(environment: Environment, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    """Let a batch of one part be answered as told; rows that are read afterwards are those of the sandbox."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    content = b"" if body is None else msgspec.json.encode(body)
    head = f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\n{lines}\r\n".encode()
    batch_answers(environment, respond(200, head + content + b"\r\n--b--\r\n", **{"Content-Type": MULTIPART}))


MULTIPART = "multipart/mixed; boundary=b"


def batch_answers(environment: Environment, response: httpx2.Response) -> None:
    environment.override = lambda request: response if request.url.path.endswith("$batch") else None


# What is understood.


@pytest.fixture
def environment() -> Iterator[Environment]:
    environment = Environment()
    yield environment
    environment.connector.close()


def property_of(field: Field, name: str) -> str:
    """The property that a field travels in, by the rules of the protocol page."""
    if name in ("owneridtype", "customeridtype", "parentcustomeridtype"):
        return f"_{name.removesuffix('type')}_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    return f"_{name}_value" if field.type is FieldType.REFERENCE else name


def printed_fields(environment: Environment, table: str, printed: dict[str, Any]) -> dict[str, Field]:
    fields = environment.connector.describe(table).fields
    found = {name: field for name, field in fields.items() if property_of(field, name) in printed}
    assert found
    return found


def meant(field: Field, value: Any) -> Any:
    """What a printed value means, by the rules of the protocol page."""
    if value is None:
        return None
    match field.type:
        case FieldType.DATE:
            return date.fromisoformat(value)
        case FieldType.DATETIME:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(UTC)
        case FieldType.DECIMAL:
            return Decimal(str(value))
        case FieldType.FLOAT:
            return float(value)
    return value


def understood(row: Row, printed: dict[str, Any], fields: dict[str, Field]) -> None:
    for name, field in fields.items():
        assert row[name] == meant(field, printed[property_of(field, name)]), name


@pytest.mark.parametrize("id", LISTS)
def test_records_that_are_listed(environment: Environment, id: str) -> None:
    table, answer = table_of(id), answer_of(id)
    for record in answer["value"]:
        record.setdefault(f"{table}id", f"00000000-0000-4000-8000-00000000000{len(record['name'])}")
    fields = printed_fields(environment, table, answer["value"][-1])
    to_reads(environment, answer)
    found = {row[ID]: row for row in environment.connector.select(table, tuple(fields), None).to_dicts()}
    assert len(found) == len(answer["value"])
    for printed in answer["value"]:
        row = found[printed[f"{table}id"]]
        assert row[VERSION] == printed.get("@odata.etag")
        understood(row, printed, {name: field for name, field in fields.items() if property_of(field, name) in printed})


def test_pages_of_records(environment: Environment) -> None:
    first, second = (answer_of(id) for id in PAGES)
    for number, record in enumerate(first["value"]):
        record.setdefault("accountid", MADE[:-1] + str(number))
    last = {"value": [{"contactid": NOBODY, "@odata.etag": ETAG, "fullname": "Fünf"}]}
    to_reads(environment, first, {"value": []}, {"value": []})
    assert environment.connector.select("account", ("name",), None)["name"].to_list() == ["Ahorn", "Birke", "Eiche"]
    assert str(environment.requests[-1].url).replace("%22", '"') == first["@odata.nextLink"].replace("%22", '"')
    second["@odata.nextLink"] = f"{HOST}/api/data/v9.2/{second['@odata.nextLink']}"
    to_reads(environment, second, last)
    assert environment.connector.select("contact", ("fullname",), None)["fullname"].to_list() == [
        "Drei",
        "Vier",
        "Fünf",
    ]


@pytest.mark.parametrize("id", RECORDS)
def test_a_record_that_is_read(environment: Environment, id: str) -> None:
    printed = {"@odata.etag": ETAG} | answer_of(id)
    table = "contact" if id == "retrieve-navigation-property-values" else table_of(id)
    printed.setdefault(f"{table}id", MADE)
    fields = printed_fields(environment, table, printed)
    to_reads(environment, {"value": [printed]})
    (row,) = environment.connector.fetch(table, tuple(fields), [printed[f"{table}id"]]).to_dicts()
    assert (row[ID], row[VERSION]) == (printed[f"{table}id"], printed["@odata.etag"])
    understood(row, printed, fields)


@pytest.mark.parametrize("id", REPRESENTED)
def test_a_created_record_that_is_handed_back(environment: Environment, id: str) -> None:
    exchange, printed = EXCHANGES[id], {"modifiedon": "2026-05-01T12:00:00Z"} | answer_of(id)
    table = table_of(id)
    fields = printed_fields(environment, table, printed)
    to_batches(environment, exchange["answer"]["status"], printed, {"Content-Type": "application/json"})
    row = create(environment, table, exchange["request"]["body"], tuple(fields))
    assert (row[STATUS], row[ID], row[VERSION]) == (Status.WRITTEN, printed[f"{table}id"], ETAG)
    assert row[MODIFIED_AT] == datetime(2026, 5, 1, 12, tzinfo=UTC)
    understood(row, printed, fields)
    # What was sent says the same as the documented request.
    assert sent_body(environment) == exchange["request"]["body"]


@pytest.mark.parametrize("id", CREATED)
def test_a_created_record_that_is_not_handed_back_is_read(environment: Environment, id: str) -> None:
    exchange, table = EXCHANGES[id], table_of(id)
    entity_set = next(name for name, known in TABLES.items() if known == table)
    made = environment.api.make(entity_set, **({"name": "Read"} if table != "contact" else {"lastname": "Read"}))
    pattern = exchange["answer"]["headers"]["odata-entityid"]
    address = f"{HOST}/api/data/v9.0/{entity_set}({made})"
    assert re.search(pattern.replace(r"localhost:\d+", HOST.removeprefix("https://")), address.replace(made, MADE))
    to_batches(environment, exchange["answer"]["status"], None, {"OData-Version": "4.0", "OData-EntityId": address})
    name = "lastname" if table == "contact" else "name"
    row = create(environment, table, {name: "Sent"}, (name,))
    assert (row[STATUS], row[ID], row[name]) == (Status.WRITTEN, made, "Read")
    assert row[VERSION] is not None


@pytest.mark.parametrize("id", ["associate-entity-records-on-create"])
def test_a_reference_is_sent_as_documented(environment: Environment, id: str) -> None:
    body = EXCHANGES[id]["request"]["body"]
    contact = body["primarycontactid@odata.bind"].partition("(")[2].rstrip(")")
    to_batches(environment, 204, None)
    create(environment, "account", {"name": body["name"], "primarycontactid": contact}, ())
    assert sent_body(environment) == body


@pytest.mark.parametrize("id", UPDATED)
def test_an_updated_record_that_is_not_handed_back_is_read(environment: Environment, id: str) -> None:
    table, entity_set = table_of(id), EXCHANGES[id]["request"]["target"].split("/")[1].partition("(")[0]
    row = record_of(environment, table, environment.api.make(entity_set, name="Read"))
    to_batches(environment, EXCHANGES[id]["answer"]["status"], None, {"OData-Version": "4.0"})
    (answer,) = environment.update(table, row | {"name": "Sent"})
    assert (answer[STATUS], answer[ID], answer["name"]) == (Status.WRITTEN, row[ID], "Read")


@pytest.mark.parametrize("id", DELETED_ONES)
def test_a_deleted_record(environment: Environment, id: str) -> None:
    to_batches(environment, EXCHANGES[id]["answer"]["status"], None)
    (answer,) = environment.delete(table_of(id), {ID: MADE, VERSION: ETAG})
    assert (answer[STATUS], answer[ID]) == (Status.WRITTEN, MADE)


@pytest.mark.parametrize(("id", "status"), CONDITIONS.items())
def test_a_condition_that_does_not_hold(environment: Environment, id: str, status: Status) -> None:
    request, answer = EXCHANGES[id]["request"], EXCHANGES[id]["answer"]
    record = request["target"].partition("(")[2].rstrip(")")
    if status is Status.EXISTS:
        # The answer does not say whose key it is: the connector looks whether the record is there.
        environment.api.service.write_row("account", {"accountid": record, "name": "Hafenbau"})
    to_batches(environment, answer["status"], made_of(answer["json"]))
    row = {ID: record, VERSION: ETAG}
    if request["method"] == "DELETE":
        (found,) = environment.delete("account", row)
    elif status is Status.EXISTS:
        (found,) = environment.create("account", {ID: record, "name": "Hafenbau"})
    else:
        (found,) = environment.update("account", row | {"name": "Hafenbau"})
    assert (found[STATUS], found[ID]) == (status, record)
    condition = "If-None-Match: *" if status is Status.EXISTS else f"If-Match: {ETAG}"
    assert condition in environment_batch(environment)


def test_answers_to_the_parts_of_a_batch() -> None:
    """The documented batch makes two rows and reads their list: each part has its own answer, in their order."""
    pattern = EXCHANGES["batch-no-changeset"]["answer"]["text"]
    # Where the expression passes over what stands between two parts, or between a head and its body, it is put in.
    pattern = pattern.replace("[^{]*HTTP", r"\r\n--batchresponse_0b\r\n\r\nHTTP").replace(r"[^{]*\{", r"\r\n\r\n\{")
    text = text_of(pattern)
    boundary = text.split("\r\n")[0].removeprefix("--")
    headers = {"content-type": f"multipart/mixed; boundary={boundary}"}
    parts = read_parts(Answer(200, headers, text.encode()))
    assert [part.status for part in parts] == [204, 204, 200]
    assert parts[0].header("odata-entityid") == f"{HOST}/tasks(0b)"
    assert parts[2].body.startswith(b'{"@odata.context":"$metadata#tasks(subject)"')


def test_a_batch_that_went_no_further_than_its_first_failure(environment: Environment) -> None:
    answer = EXCHANGES["batch-stops-on-error"]["answer"]
    text = text_of(answer["text"]).encode()
    boundary = text.split(b"\r\n")[0].removeprefix(b"--").decode()
    multipart = {"Content-Type": f"multipart/mixed; boundary={boundary}", "OData-Version": "4.0"}
    batch_answers(environment, respond(answer["status"], text, **multipart))
    first, second = environment.create("task", {"subject": "x" * 201}, {"subject": "Zweiter Gang"})
    assert (first[STATUS], first[ERROR_FIELD], first[RECOVERY]) == (Status.REFUSED, "subject", "data")
    assert first[ERROR] == "subject takes 200 characters, the value has 201."
    assert second[STATUS] == Status.UNSENT, "and may be sent again"


def test_an_error_with_annotations(environment: Environment) -> None:
    answer = EXCHANGES["error-with-annotations"]["answer"]
    to_batches(environment, answer["status"], made_of(answer["json"]))
    (row,) = environment.create("account", {"name": "Hafenbau", "accountcategorycode": 99})
    assert (row[STATUS], row[ERROR], row[RECOVERY]) == (Status.REFUSED, "some text", "data")


def test_a_query_that_is_not_allowed(environment: Environment) -> None:
    answer = EXCHANGES["expand-ref-collection-error"]["answer"]
    environment.connector.describe("account")
    environment.override = lambda _: respond(answer["status"], made_of(answer["json"]))
    with pytest.raises(RequestRefused, match="only supported on lookup type navigation property"):
        environment.connector.select("account", ("name",), None)


def test_a_feed_of_changes_and_the_one_after_it(environment: Environment) -> None:
    wanted = ("name", "accountnumber", "telephone1", "fax")
    initial, later = answer_of("change-tracking-initial"), answer_of("change-tracking-2")
    environment.feed("account", wanted)
    asked = environment.requests[-1].url.params["$select"]
    for answer in (initial, later):
        # A link repeats the columns that were asked for; the connector asks for some that every record brings, besides.
        query = re.sub(r"(?<=select=)[^&]*", asked, answer["@odata.deltaLink"])
        answer["@odata.deltaLink"] = f"{HOST}/api/data/v9.0/accounts{query}"
    environment.forget()
    to_reads(environment, initial, later)
    (page,) = environment.connector.changes(ChangeRequest("account", wanted))
    (row,) = page.frame.to_dicts()
    assert (row[ID], row[VERSION], row[DELETED], row["telephone1"], row["fax"]) == (MADE, ETAG, False, "5501", None)
    documented = EXCHANGES["change-tracking-initial"]["request"]["headers"]["Prefer"]
    assert documented in environment.requests[0].headers["Prefer"]
    (page,) = environment.connector.changes(ChangeRequest("account", ("name", "telephone1", "fax"), page.watermark))
    assert str(environment.requests[1].url).partition("deltatoken=")[2][:4] == "4712"
    assert [(row[ID], row[DELETED], row["name"]) for row in page.frame.to_dicts()] == [
        ("00000000-0000-0000-0000-0000000000a1", False, "Hafenbau"),
        ("00000000-0000-0000-0000-0000000000a2", True, None),
    ]
    assert page.watermark is not None


# Metadata: what is documented, in the place of what the sandbox says.


def overlaid(value: Any, shape: Any) -> Any:
    """The value with everything that a shape says of it."""
    if isinstance(value, dict) and isinstance(shape, dict):
        inner = {name: overlaid(value.get(name), told) for name, told in shape.items() if told != "<absent>"}
        return value | inner
    if isinstance(value, list) and isinstance(shape, list) and len(value) >= len(shape):
        return [overlaid(one, told) for one, told in zip(value, shape, strict=False)]
    return made_of(shape)


def metadata_says(environment: Environment, ending: str, shape: Any) -> None:
    """Let the metadata at an address be the documented one; rows of a list are found by their logical names."""

    def answer(request: httpx2.Request) -> httpx2.Response | None:
        if not request.url.path.endswith(ending):
            return None
        reply = environment.api.carry("GET", request.url.raw_path.decode(), dict(request.headers.items()), b"")
        body = msgspec.json.decode(reply.raw)
        if "value" not in shape:
            return respond(200, overlaid(body, shape))
        told = {item["LogicalName"]: item for item in shape["value"]}
        assert told.keys() <= {item["LogicalName"] for item in body["value"]}
        rows = [overlaid(item, told.get(item["LogicalName"], {})) for item in body["value"]]
        return respond(200, body | {"value": rows})

    environment.override = answer


def test_recorded_columns(environment: Environment) -> None:
    shape = EXCHANGES["recorded-metadata-contact-attributes"]["answer"]["json"]
    metadata_says(environment, "/Attributes", shape)
    table = environment.connector.describe("contact")
    recorded = {item["LogicalName"]: item for item in shape["value"]}
    kinds = {
        "accountid": FieldType.REFERENCE,
        "annualincome": FieldType.DECIMAL,
        "birthdate": FieldType.DATE,
        "createdon": FieldType.DATETIME,
        "exchangerate": FieldType.DECIMAL,
        "gendercode": FieldType.OPTION,
        "importsequencenumber": FieldType.INTEGER,
        "merged": FieldType.BOOLEAN,
        "statecode": FieldType.OPTION,
        "statuscode": FieldType.OPTION,
        "versionnumber": FieldType.INTEGER,
    }
    assert {name: table.field(name).type for name in recorded} == kinds
    for name, item in recorded.items():
        field = table.field(name)
        for told, understood_as in (("IsValidForCreate", field.creatable), ("IsValidForUpdate", field.updatable)):
            assert item.get(told, understood_as) is understood_as, (name, told)
    assert (table.field("createdon").caption, table.field("accountid").targets) == ("Created On", ("account",))


def test_recorded_choices(environment: Environment) -> None:
    shape = EXCHANGES["recorded-metadata-contact-options-picklists"]["answer"]["json"]
    metadata_says(environment, ".PicklistAttributeMetadata", shape)
    options = environment.connector.describe("contact").field("familystatuscode").options
    assert [(option.value, option.caption) for option in options] == [
        (1, "Single"),
        (2, "Married"),
        (3, "Divorced"),
        (4, "Widowed"),
    ]


def test_recorded_states(environment: Environment) -> None:
    shape = EXCHANGES["recorded-metadata-contact-options-states"]["answer"]["json"]
    metadata_says(environment, ".StateAttributeMetadata", shape)
    options = environment.connector.describe("contact").field("statecode").options
    assert [(option.value, option.caption) for option in options] == [(0, "Active"), (1, "Inactive")]


@pytest.mark.parametrize("id", OPTIONS)
def test_the_options_of_one_choice(environment: Environment, id: str) -> None:
    shape = EXCHANGES[id]["answer"]["json"]
    metadata_says(environment, ".PicklistAttributeMetadata", shape if "OptionSet" in shape else {"OptionSet": shape})
    found = environment.connector.select("account.accountcategorycode", ("value", "label"), None).to_dicts()
    assert [(row[ID], row["label"]) for row in found] == [("1", "Preferred Customer"), ("2", "Standard")]


def test_alternate_keys(environment: Environment) -> None:
    """A refused duplicate names the field by the key that the documented answer lists."""
    (printed,) = answer_of("list-alternate-keys")["value"]
    key = {"LogicalName": "new_number", "DisplayName": None} | printed["Keys"][0]

    def answer(request: httpx2.Request) -> httpx2.Response | None:
        if not request.url.path.endswith("EntityDefinitions(LogicalName='account')"):
            return None
        reply = environment.api.carry("GET", request.url.raw_path.decode(), dict(request.headers.items()), b"")
        return respond(200, msgspec.json.decode(reply.raw) | {"Keys": [key]})

    environment.override = answer
    environment.connector.describe("account")
    message = "A record that has the attribute values already exists. The Entity Key new_number requires unique values."
    to_batches(environment, 412, {"error": {"code": "0x80060892", "message": message}})
    (row,) = environment.create("account", {"name": "A", "accountnumber": "D1"})
    assert (row[STATUS], row[ERROR_FIELD]) == (Status.REFUSED, "accountnumber")


def create(environment: Environment, table: str, values: dict[str, Any], returning: tuple[str, ...]) -> Row:
    """Create a record without a chosen id."""
    description = environment.connector.describe(table)
    types = {name: column_type(description.field(name)) for name in values}
    # Decimals are not made from binary numbers.
    columns = {
        name: pl.Series([Decimal(str(value)) if types[name].is_decimal() else value], dtype=types[name])
        for name, value in values.items()
    }
    frame = pl.DataFrame({ID: pl.Series([None], dtype=pl.String), **columns})
    environment.forget()
    request = WriteRequest(table, WriteKind.CREATE, frame, tuple(values), returning)
    (row,) = environment.connector.write(request).to_dicts()
    return row


def record_of(environment: Environment, table: str, id: str) -> Row:
    (row,) = environment.fetch(table, (), id)
    return {ID: row[ID], VERSION: row[VERSION]}


def environment_batch(environment: Environment) -> str:
    """The batch that was sent."""
    (content,) = [request.content for request in environment.requests if request.url.path.endswith("$batch")]
    return content.decode()


def sent_body(environment: Environment) -> Any:
    """The body of the one part that was sent."""
    return msgspec.json.decode(environment_batch(environment).split("\r\n\r\n")[2].partition("\r\n--")[0])
