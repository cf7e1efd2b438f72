"""Whether the demo came out right, seen from outside: the couplings against the rows that the sandboxes have stored.

What should be coupled is worked out here from the rows themselves, not by what twinrow says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twinrow.cli.sandbox import SandboxPair
from twinrow.model.outcomes import Decision

if TYPE_CHECKING:
    from twinrow.sandbox.process import SandboxProcess
    from twinrow.workspace import Workspace

Row = Mapping[str, Any]

_MOST_PENDING = 1_000_000

_NOT_BLOCKED = "_x0020_"
_LOCAL_CURRENCY = "EUR"
_CUSTOMER, _VENDOR = 3, 11
_TYPES = {"Customer": _CUSTOMER, "Vendor": _VENDOR}

_PARTY_FIELDS = {
    "Name": "name",
    "Address": "address1_line1",
    "Address 2": "address1_line2",
    "Post Code": "address1_postalcode",
    "City": "address1_city",
    "County": "address1_stateorprovince",
    "Country/Region Code": "address1_country",
    "Phone No.": "telephone1",
    "Fax No.": "fax",
    "E-Mail": "emailaddress1",
    "Home Page": "websiteurl",
}
_PERSON_FIELDS = {
    "First Name": "firstname",
    "Middle Name": "middlename",
    "Surname": "lastname",
    "Address": "address1_line1",
    "Post Code": "address1_postalcode",
    "City": "address1_city",
    "Phone No.": "telephone1",
    "Mobile Phone No.": "mobilephone",
    "E-Mail": "emailaddress1",
}
_OPTIONS = {
    "PAYMENT TERMS": ("Payment Terms", "paymenttermscode"),
    "SHIPMENT METHOD": ("Shipment Method", "address1_freighttermscode"),
    "SHIPPING AGENT": ("Shipping Agent", "address1_shippingmethodcode"),
}


@dataclass(slots=True)
class Comparison:
    """A mapping's couplings, and the ids on both sides that should be coupled; how many values were compared and differ.

    `waiting` are the local records that rightly wait for a related record.
    """

    mapping: str
    coupled: Sequence[tuple[str, str]]
    local: set[str]
    integration: set[str]
    waiting: set[str] = field(default_factory=set)
    compared: int = 0
    different: int = 0
    problems: list[str] = field(default_factory=list)


class Stored:
    """The rows of both sandboxes as they are stored, read past the API."""

    def __init__(self, pair: SandboxPair) -> None:
        self._pair = pair
        self._read: dict[tuple[str, str], list[Row]] = {}

    def local(self, table: str) -> list[Row]:
        """Return the rows of a table of the Business Central."""
        return self._rows(self._pair.business_central, table)

    def integration(self, table: str) -> list[Row]:
        """Return the rows of a table of the Dataverse."""
        return self._rows(self._pair.dataverse, table)

    def _rows(self, server: SandboxProcess, table: str) -> list[Row]:
        key = (server.url, table)
        if key not in self._read:
            self._read[key] = server.control("GET", f"/sandbox/tables/{quote(table, safe='')}")
        return self._read[key]


def compare(pair: SandboxPair, opened: Workspace) -> list[Comparison]:
    """Compare each mapping of the connection."""
    stored = Stored(pair)
    return [_compare(one.name, stored, opened) for one in opened.list_table_mappings()]


def _compare(mapping: str, stored: Stored, opened: Workspace) -> Comparison:
    coupled = list(opened.couplings(mapping).select("local_id", "integration_id").iter_rows())
    local, integration = _SHOULD_BE_COUPLED[mapping](stored)
    result = Comparison(mapping, coupled, set(local), set(integration))
    if mapping == "CONTACT":
        result.waiting = set(_people(stored, blocked=True))
    waiting = {
        record.source_id
        for record in opened.list_pending(mapping, limit=_MOST_PENDING)
        if record.decision is Decision.WAITING
    }
    if waiting != result.waiting:
        wrong = len(waiting ^ result.waiting)
        result.problems.append(f"{mapping}: {wrong} of the ERP should not wait and do, or should wait and do not.")
    for side, ids, wanted in (
        ("ERP", {one for one, _ in coupled}, result.local),
        ("CRM", {one for _, one in coupled}, result.integration),
    ):
        if len(ids) != len(coupled):
            result.problems.append(f"{mapping}: a record of the {side} is coupled twice.")
        for missing, what in ((wanted - ids, "should be coupled and is not"), (ids - wanted, "is coupled, should not")):
            if missing:
                result.problems.append(f"{mapping}: {len(missing)} of the {side} {what}, such as {min(missing)}.")
    fields = {"CUSTOMER": _PARTY_FIELDS, "VENDOR": _PARTY_FIELDS, "CONTACT": _PERSON_FIELDS}.get(mapping, {})
    for one, other in coupled:
        for name, counterpart in fields.items():
            if one not in local or other not in integration:
                continue
            result.compared += 1
            if (local[one][name] or "") != (integration[other][counterpart] or ""):
                result.different += 1
                values = f"{local[one][name]!r} and {integration[other][counterpart]!r}"
                result.problems.append(f"{mapping}: {name} of {one} differs: {values}.")
    return result


def _by_id(rows: Sequence[Row], key: str, condition: Callable[[Row], bool] = lambda _: True) -> dict[str, Row]:
    return {str(row[key]): row for row in rows if condition(row)}


Both = tuple[dict[str, Row], dict[str, Row]]


def _currencies(stored: Stored) -> Both:
    return (
        _by_id(stored.local("Currency"), "SystemId"),
        _by_id(
            stored.integration("transactioncurrency"),
            "transactioncurrencyid",
            lambda row: row["isocurrencycode"] != _LOCAL_CURRENCY,
        ),
    )


def _salespeople(stored: Stored) -> Both:
    def works(user: Row) -> bool:
        return bool(user["islicensed"]) and not user["isdisabled"] and not user["isintegrationuser"]

    return (
        _by_id(stored.local("Salesperson/Purchaser"), "SystemId"),
        _by_id(stored.integration("systemuser"), "systemuserid", works),
    )


def _options(mapping: str) -> Callable[[Stored], Both]:
    table, column = _OPTIONS[mapping]

    def both(stored: Stored) -> Both:
        local = _by_id(stored.local(table), "SystemId")
        codes = {row["Code"].casefold() for row in local.values()}
        options = _by_id(
            stored.integration("stringmap"),
            "attributevalue",
            lambda row: (
                (row["objecttypecode"], row["attributename"]) == ("account", column)
                and row["value"].casefold() in codes
            ),
        )
        return local, options

    return both


def _parties(table: str) -> Callable[[Stored], Both]:
    def both(stored: Stored) -> Both:
        return (
            _by_id(stored.local(table), "SystemId", lambda row: row["Blocked"] == _NOT_BLOCKED),
            _by_id(
                stored.integration("account"),
                "accountid",
                lambda row: row["statecode"] == 0 and row["customertypecode"] == _TYPES[table],
            ),
        )

    return both


def _people(stored: Stored, *, blocked: bool) -> dict[str, Row]:
    """The people of customers and vendors that are blocked, or of those that are not."""
    parties = {
        (table, row["No."])
        for table in _TYPES
        for row in stored.local(table)
        if (row["Blocked"] != _NOT_BLOCKED) is blocked
    }
    companies = {
        relation["Contact No."]
        for relation in stored.local("Contact Business Relation")
        if (relation["Link to Table"], relation["No."]) in parties
    }
    return _by_id(
        stored.local("Contact"), "SystemId", lambda row: row["Type"] == "Person" and row["Company No."] in companies
    )


def _contacts(stored: Stored) -> Both:
    accounts = {row["accountid"] for row in stored.integration("account") if row["customertypecode"] in _TYPES.values()}
    return (
        _people(stored, blocked=False),
        _by_id(
            stored.integration("contact"),
            "contactid",
            lambda row: row["statecode"] == 0 and row["parentcustomerid"] in accounts,
        ),
    )


_SHOULD_BE_COUPLED: dict[str, Callable[[Stored], Both]] = {
    "CURRENCY": _currencies,
    "SALESPEOPLE": _salespeople,
    **{mapping: _options(mapping) for mapping in _OPTIONS},
    "VENDOR": _parties("Vendor"),
    "CUSTOMER": _parties("Customer"),
    "CONTACT": _contacts,
}
