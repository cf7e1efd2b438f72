"""What Dataverse works out by itself while a row is written.

A *rule* names the columns that it looks at. When one of them is written, it is given the row as it will be (those
columns, at least) and the values about to be written, and adds to these. Columns that a rule fills cannot be written
by callers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.values import money_stored, money_wire, rounded

Row = dict[str, Any]


@dataclass(frozen=True)
class Writing:
    """One row being written: `row` is how it will be, `values` what is about to be stored."""

    environment: Environment
    call: Call
    table: Table
    key: str
    row: Row
    values: Row
    creating: bool

    def set(self, name: str, value: Any) -> None:
        """Add a value."""
        self.values[name] = self.row[name] = value


@dataclass(frozen=True)
class Rule:
    """A rule; `when` are the columns that wake it, `reads` those that it looks at besides; a new row may always."""

    when: frozenset[str]
    reads: frozenset[str]
    work: Callable[[Writing], None]
    on_create: bool = False


def rules_of(table: Table) -> list[Rule]:
    """The rules of a table, in the order in which they apply."""
    return table.plan("rules", lambda: _make_rules(table))


def defaults_of(table: Table) -> Row:
    """What a new row holds when the caller says nothing."""
    return table.plan("defaults", lambda: _make_defaults(table))


def settle(writing: Writing) -> None:
    """Apply the rules that the values wake to a row that is not new."""
    for rule in rules_of(writing.table):
        if not rule.when.isdisjoint(writing.values):
            rule.work(writing)


def _make_defaults(table: Table) -> Row:
    defaults: Row = {}
    for column in table.properties.values():
        required = column.required == "SystemRequired" and column.writable(creating=True)
        if column.default is not None:
            defaults[column.name] = column.default
        elif column.type == "Boolean":
            defaults[column.name] = int(column.name == "followemail")
        elif required and column.type == "Picklist":
            defaults[column.name] = table.options[column.name][0].value
        elif required and column.type == "Integer" and column.name != "currencyprecision":
            defaults[column.name] = 0
    return defaults


def _make_rules(table: Table) -> list[Rule]:
    columns = table.columns
    rules = []
    if {"firstname", "lastname", "fullname"} <= columns.keys():
        rules.append(_rule({"firstname", "lastname"}, set(), _full_name))
    prefixes = ("address1", "address2", "address3", "billto", "shipto")
    rules += [_address_rule(table, prefix) for prefix in prefixes if f"{prefix}_composite" in columns]
    if "ownerid" in columns and columns["ownerid"].write is None and columns["ownerid"].stored:
        rules.append(_rule({"ownerid"}, {"owneridtype"}, _owner))
    if "statecode" in columns and "statuscode" in columns:
        rules.append(_rule({"statecode", "statuscode"}, set(), _state, on_create=True))
    for lookup, account, contact in (
        ("parentcustomerid", "accountid", "parentcontactid"),
        ("customerid", "accountid", "contactid"),
    ):
        if {lookup, account, contact} <= columns.keys():
            rules.append(_customer_rule(lookup, account, contact))
    if table.name == "salesorderdetail":
        rules.append(_rule({"quantity", "priceperunit", "manualdiscountamount", "tax"}, set(), _line_amounts))
    # Last, so that amounts that other rules filled are converted too.
    money = {name for name in columns if columns[name].type == "Money" and f"{name}_base" in columns}
    if "transactioncurrencyid" in columns and (money or "exchangerate" in columns):
        rules.append(_rule({"transactioncurrencyid"} | money, set(), _money_work(sorted(money)), on_create=True))
    return rules


def _rule(when: set[str], reads: set[str], work: Callable[[Writing], None], *, on_create: bool = False) -> Rule:
    return Rule(frozenset(when), frozenset(reads), work, on_create)


def _full_name(writing: Writing) -> None:
    parts = (writing.row.get("firstname"), writing.row.get("lastname"))
    writing.set("fullname", " ".join(part for part in parts if part) or None)


def _address_rule(table: Table, prefix: str) -> Rule:
    lines = [f"{prefix}_line{number}" for number in (1, 2, 3)]
    place = [f"{prefix}_{part}" for part in ("city", "stateorprovince", "postalcode", "country")]

    def work(writing: Writing) -> None:
        row = writing.row
        city, region, code, country = (row.get(name) for name in place)
        region_and_code = " ".join(part for part in (region, code) if part)
        written = [row.get(name) for name in lines]
        written += [", ".join(part for part in (city, region_and_code) if part), country]
        writing.set(f"{prefix}_composite", "\r\n".join(line for line in written if line) or None)
        identifier = f"{prefix}_addressid"
        if writing.creating and identifier in table.properties and not row.get(identifier):
            writing.set(identifier, str(uuid.uuid4()))

    return _rule({name for name in [*lines, *place] if name in table.columns}, set(), work, on_create=True)


def _owner(writing: Writing) -> None:
    owner = writing.row.get("ownerid")
    principal = writing.environment.principal(owner) if owner else None
    if principal is None:
        raise errors.required_missing("ownerid")
    kind, unit = principal
    for name, value in (
        ("owninguser", owner if kind == "systemuser" else None),
        ("owningteam", owner if kind == "team" else None),
        ("owningbusinessunit", unit),
    ):
        if name in writing.table.columns:
            writing.set(name, value)


def _state(writing: Writing) -> None:
    table, row, values = writing.table, writing.row, writing.values
    if writing.creating and row.get("statecode") is None:
        writing.set("statecode", _first_state(writing))
    options = table.options["statuscode"]
    state = row.get("statecode")
    if values.get("statuscode") is None:
        writing.set("statuscode", next(option.value for option in options if option.state == state))
        return
    status = values["statuscode"]
    if next(option.state for option in options if option.value == status) != state:
        label = next((option.label for option in table.options["statecode"] if option.value == state), str(state))
        raise errors.bad_status(table.name, status, f"{table.data.schema}State.{label.replace(' ', '')}", writing.key)


def _first_state(writing: Writing) -> int:
    if writing.table.name == "product":
        row = writing.environment.storage.execute(
            "SELECT createproductswithoutparentinactivestate FROM organization"
        ).fetchone()
        return 0 if row and row[0] else 2
    return 0


def _customer_rule(lookup: str, account: str, contact: str) -> Rule:
    def work(writing: Writing) -> None:
        key, kind = writing.row.get(lookup), writing.row.get(f"{lookup}type")
        writing.set(account, key if kind == "account" else None)
        writing.set(contact, key if kind == "contact" else None)

    return _rule({lookup}, {f"{lookup}type"}, work)


def _line_amounts(writing: Writing) -> None:
    row = writing.row
    quantity = Decimal(row.get("quantity") or 0)
    amount = rounded(money_wire(row.get("priceperunit") or 0) * quantity, 2)
    writing.set("baseamount", money_stored(amount))
    extra = (row.get("tax") or 0) - (row.get("manualdiscountamount") or 0)
    writing.set("extendedamount", money_stored(amount) + extra)


def _money_work(names: list[str]) -> Callable[[Writing], None]:
    def work(writing: Writing) -> None:
        environment, row, values = writing.environment, writing.row, writing.values
        key = row.get("transactioncurrencyid")
        if key is None:
            key = environment.base_currency_id
            writing.set("transactioncurrencyid", key)
        currency, base = environment.currency(key), environment.currency(environment.base_currency_id)
        if currency is None or base is None:
            return
        if "exchangerate" in writing.table.properties:
            writing.set("exchangerate", f"{rounded(currency.rate, 10):f}")
        changed = "transactioncurrencyid" in values
        for name in names:
            if name not in values and not (changed and row.get(name) is not None):
                continue
            stored = row.get(name)
            if stored is None:
                writing.set(f"{name}_base", None)
                continue
            amount = rounded(money_wire(stored), currency.places)
            writing.set(name, money_stored(amount))
            writing.set(f"{name}_base", money_stored(rounded(amount / currency.rate, base.places)))

    return work
