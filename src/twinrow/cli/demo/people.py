"""What people do in the demo: link salespeople with users, and change records on both sides over HTTP as themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from twinrow.batch.columns import ID, VERSION, column_type
from twinrow.cli.sandbox import PERSON, SandboxPair
from twinrow.connectors.base import ERROR, STATUS, Connector, Status, WriteKind, WriteRequest
from twinrow.connectors.opening import open_connector
from twinrow.model.errors import ConfigurationError
from twinrow.model.sides import Side

if TYPE_CHECKING:
    from twinrow.sandbox.process import Kind
    from twinrow.workspace import Workspace

_TABLES = {
    "CUSTOMER": {Side.LOCAL: "customers", Side.INTEGRATION: "account"},
    "CONTACT": {Side.LOCAL: "contacts", Side.INTEGRATION: "contact"},
}
NOT_BLOCKED = " "
_EACH = 5
"""How many customers each kind of change befalls."""

_CUSTOMER_TYPE = 3


@dataclass(frozen=True, slots=True)
class Expectation:
    """A value that must stand in a field once everything is synchronized."""

    mapping: str
    side: Side
    record: str
    field: str
    value: str


class People:
    """Somebody in each system, signed in as a client of their own."""

    def __init__(self, pair: SandboxPair, opened: Workspace) -> None:
        context = opened.context
        kinds: dict[Side, Kind] = {Side.LOCAL: "business-central", Side.INTEGRATION: "dataverse"}
        self._opened = opened
        self._systems: dict[Side, Connector] = {
            side: open_connector(kind, PERSON, pair.options(kind, PERSON), context.secrets, context.clock)
            for side, kind in kinds.items()
        }
        self._expected: list[Expectation] = []

    def couple_salespeople(self) -> int:
        """Couple each salesperson with the user of the same e-mail address; return how many there were."""
        salespeople = self._by_mail(Side.LOCAL, "salespeoplePurchasers", "email")
        users = self._by_mail(Side.INTEGRATION, "systemuser", "internalemailaddress")
        both = sorted(salespeople.keys() & users.keys())
        for mail in both:
            self._opened.couple("SALESPEOPLE", salespeople[mail], users[mail])
        return len(both)

    def _by_mail(self, side: Side, table: str, field: str) -> dict[str, str]:
        rows = self._systems[side].select(table, [field], None).filter(pl.col(field).fill_null("") != "")
        return {mail.lower(): id for id, mail in rows.select(ID, field).iter_rows()}

    def work(self) -> list[str]:
        """Change records on both sides; return what was done, one sentence for each."""
        pairs = self._pairs("CUSTOMER", "number")
        phoned, mailed, both, agreed = (pairs[start : start + _EACH] for start in range(0, 4 * _EACH, _EACH))
        told = []
        if phoned:
            self._change("CUSTOMER", Side.LOCAL, phoned, "phoneNumber", "telephone1", "+49 30 1000{}")
            told.append(f"In the ERP, {len(phoned)} customers get another phone number.")
        if mailed:
            self._change("CUSTOMER", Side.INTEGRATION, mailed, "emailaddress1", "email", "office-{}@demo.example")
            told.append(f"In the CRM, {len(mailed)} accounts get another e-mail address.")
        if both:
            self._change("CUSTOMER", Side.LOCAL, both, "website", "websiteurl", "https://www.demo-{}.example")
            self._change("CUSTOMER", Side.INTEGRATION, both, "telephone1", "phoneNumber", "+49 40 2000{}")
            told.append(f"{len(both)} others change on both sides at once: the home page here, the phone number there.")
        if agreed:
            self._change("CUSTOMER", Side.LOCAL, agreed, "phoneNumber", "telephone1", "+49 89 3000{}")
            self._change("CUSTOMER", Side.INTEGRATION, agreed, "telephone1", "phoneNumber", "+49 89 3000{}")
            told.append(f"{len(agreed)} get the same new phone number on both sides.")
        persons = self._pairs("CONTACT", "number")[:_EACH]
        if persons:
            self._change("CONTACT", Side.INTEGRATION, persons, "mobilephone", "mobilePhoneNumber", "+49 170 4000{}")
            told.append(f"In the CRM, {len(persons)} contacts get another mobile number.")
        released = self._release()
        if released:
            told.append(
                f"In the ERP, {released} blocked customers and vendors are released; their people were waiting."
            )
        self._make()
        told.append("A new customer comes into the ERP, and a new account into the CRM.")
        return told

    def _pairs(self, mapping: str, order: str) -> list[dict[Side, str]]:
        """Return coupled records of a mapping by the number that the ERP gave them: the ids of each pair."""
        couplings = self._opened.couplings(mapping).select(
            pl.col("local_id").alias(ID), pl.col("integration_id").alias("counterpart")
        )
        numbers = self._systems[Side.LOCAL].select(_TABLES[mapping][Side.LOCAL], [order], None).select(ID, order)
        rows = couplings.join(numbers, on=ID).sort(order).select(ID, "counterpart").head(4 * _EACH).iter_rows()
        return [{Side.LOCAL: local, Side.INTEGRATION: integration} for local, integration in rows]

    def _change(
        self, mapping: str, side: Side, pairs: Sequence[Mapping[Side, str]], field: str, other: str, pattern: str
    ) -> None:
        """Write a field on one side, and expect the value on both."""
        system, table = self._systems[side], _TABLES[mapping][side]
        versions = system.fetch(table, (), [pair[side] for pair in pairs]).select(ID, VERSION)
        values = [pattern.format(place) for place in range(len(pairs))]
        frame = pl.DataFrame({ID: [pair[side] for pair in pairs], field: values}).join(versions, on=ID)
        _write(system, WriteRequest(table, WriteKind.UPDATE, frame, (field,)))
        for pair, value in zip(pairs, values, strict=True):
            self._expected.append(Expectation(mapping, side, pair[side], field, value))
            self._expected.append(Expectation(mapping, side.other, pair[side.other], other, value))

    def _release(self) -> int:
        """Release all blocked customers and vendors, which no account is made for; return how many."""
        system, count = self._systems[Side.LOCAL], 0
        for table in ("customers", "vendors"):
            blocked = system.select(table, ["blocked"], None).filter(pl.col("blocked") != NOT_BLOCKED)
            count += blocked.height
            if blocked.height:
                released = blocked.select(ID, VERSION, pl.lit(NOT_BLOCKED).alias("blocked"))
                _write(system, WriteRequest(table, WriteKind.UPDATE, released, ("blocked",)))
        return count

    def _make(self) -> None:
        self._create(Side.LOCAL, "customers", {"displayName": "Demo Neukunde AG", "email": "new@demo-erp.example"})
        account = {"name": "Demo New Account Ltd.", "customertypecode": _CUSTOMER_TYPE, "telephone1": "+44 20 5000"}
        self._create(Side.INTEGRATION, "account", account)

    def _create(self, side: Side, table: str, values: Mapping[str, Any]) -> None:
        system = self._systems[side]
        described = system.describe(table)
        blank = pl.lit(None, dtype=pl.String)
        frame = pl.select(
            blank.alias(ID),
            blank.alias(VERSION),
            *(pl.lit(value).cast(column_type(described.field(name))).alias(name) for name, value in values.items()),
        )
        _write(system, WriteRequest(table, WriteKind.CREATE, frame, tuple(values)))

    def missed(self) -> list[str]:
        """Return what of all that was changed has not arrived, or is gone; then nobody is signed in any more."""
        problems = []
        for mapping, sides in _TABLES.items():
            for side, table in sides.items():
                wanted = [one for one in self._expected if (one.mapping, one.side) == (mapping, side)]
                fields = sorted({one.field for one in wanted})
                rows = self._systems[side].fetch(table, fields, sorted({one.record for one in wanted}))
                stored = {row[ID]: row for row in rows.iter_rows(named=True)}
                problems += [
                    f"{mapping}: {one.field} of {one.record} in {table} is {found!r} instead of {one.value!r}."
                    for one in wanted
                    if (found := stored.get(one.record, {}).get(one.field)) != one.value
                ]
        for system in self._systems.values():
            system.close()
        return problems


def _write(system: Connector, request: WriteRequest) -> None:
    answers = system.write(request)
    refused = answers.filter(pl.col(STATUS) != Status.WRITTEN.value)
    if refused.height:
        raise ConfigurationError(
            f"A change that belongs to the demo was not taken by {request.table}",
            cause=refused.get_column(ERROR).item(0) or refused.get_column(STATUS).item(0),
        )
