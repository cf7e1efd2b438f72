"""How rows are read: which SQL columns, and how a raw row becomes the JSON object that is sent.

Words: a *plan* is made once for a table, a `$select` and the wanted annotations, and then serves any number of rows.
A *cell* is one property of the object: its name, where its value stands in the raw row, and how it is turned into
JSON; annotations are cells that are left out when there is no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Catalog, Table
from twinrow.sandbox.dataverse.environment import Environment
from twinrow.sandbox.dataverse.preferences import FORMATTED, LOOKUP_NAME, NAVIGATION, Preferences
from twinrow.sandbox.dataverse.schema import Column
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import money_wire, wire

ALIAS = "t0"
Conversion = Callable[[Any], Any]


@dataclass(frozen=True)
class Cell:
    """One property of the object that is sent."""

    name: str
    place: int
    convert: Conversion | None
    optional: bool = False


class Plan:
    """How rows of one table are read for one `$select`.

    `sql` lists the columns, of the table under the alias `t0`; `names` are the properties as the context URL lists
    them, or empty for all. The places of the row's id and of further raw columns are known by `place`.
    """

    def __init__(self, table: Table, selected: tuple[str, ...] | None) -> None:
        self.table = table
        self.names = selected or ()
        self.cells: list[Cell] = []
        self._columns: list[str] = []
        self._places: dict[str, int] = {}
        self._plain: tuple[str, ...] = ()
        self._special: list[tuple[str, Conversion]] = []
        self._is_plain = False

    @property
    def sql(self) -> str:
        """The list of SQL columns."""
        return ", ".join(self._columns)

    def place(self, expression: str) -> int:
        """Where the value of an SQL expression stands in a raw row; it is added when it is new."""
        found = self._places.get(expression)
        if found is None:
            found = self._places[expression] = len(self._columns)
            self._columns.append(expression)
        return found

    def raw(self, name: str) -> int:
        """Where the stored value of a column stands in a raw row."""
        return self.place(f'{ALIAS}."{name}"')

    def finish(self) -> Plan:
        """Look whether rows can be built the quick way: cells in the order of the columns, none optional."""
        in_order = [cell.place for cell in self.cells] == list(range(len(self.cells)))
        self._is_plain = in_order and not any(cell.optional for cell in self.cells)
        self._plain = tuple(cell.name for cell in self.cells)
        self._special = [(cell.name, cell.convert) for cell in self.cells if cell.convert is not None]
        return self

    def build(self, raw: tuple[Any, ...]) -> dict[str, Any]:
        """The JSON object of one raw row."""
        row: dict[str, Any]
        if self._is_plain:
            row = dict(zip(self._plain, raw, strict=False))
            for name, convert in self._special:
                value = row[name]
                if value is not None:
                    row[name] = convert(value)
            return row
        row = {}
        for cell in self.cells:
            value = raw[cell.place]
            if value is not None and cell.convert is not None:
                value = cell.convert(value)
            if value is not None or not cell.optional:
                row[cell.name] = value
        return row


def plan_for(
    environment: Environment, table: Table, selected: tuple[str, ...] | None, preferences: Preferences
) -> Plan:
    """The plan for a `$select` (None for everything) and the wanted annotations. Raises DataverseError."""
    annotations = preferences.annotations
    return table.plan(("select", selected, annotations), lambda: _make(environment, table, selected, preferences))


def _make(environment: Environment, table: Table, selected: tuple[str, ...] | None, preferences: Preferences) -> Plan:
    plan = Plan(table, selected)
    etag = f"""'W/"' || {ALIAS}."versionnumber" || '"'"""
    plan.cells.append(Cell("@odata.etag", plan.place(etag), None))
    columns = [table.readable(name) for name in selected] if selected else list(table.properties.values())
    for column in columns:
        _add(environment, plan, column, preferences)
    shown = {column.name for column in columns}
    money = any(column.type == "Money" for column in columns)
    if money and "transactioncurrencyid" not in shown and "transactioncurrencyid" in table.columns:
        _add(environment, plan, table.columns["transactioncurrencyid"], preferences)
    if table.id not in shown:
        plan.cells.append(Cell(table.id, plan.raw(table.id), None))
    if table.is_principal:
        plan.cells.append(Cell("ownerid", plan.raw(table.id), None))
    return plan.finish()


def _add(environment: Environment, plan: Plan, column: Column, preferences: Preferences) -> None:
    name = column.property_name
    place = plan.place("NULL" if column.secret else f'{ALIAS}."{column.name}"')
    if preferences.annotations:
        table = plan.table
        if column.is_lookup:
            _add_lookup_annotations(environment.catalog, plan, column, preferences)
        elif preferences.wants(FORMATTED):
            cell = _formatted_cell(environment, plan, table, column, place)
            if cell is not None:
                plan.cells.append(cell)
    plan.cells.append(Cell(name, place, wire(column)))


def _add_lookup_annotations(catalog: Catalog, plan: Plan, column: Column, preferences: Preferences) -> None:
    """Name of the row referred to, its table, and the navigation property that leads there."""
    name = column.property_name
    present = f'{ALIAS}."{column.name}"'
    targets = [target for target in column.targets if target in catalog.tables]
    if not targets:
        return
    companion = f'{ALIAS}."{type_column(column)}"' if column.polymorphic else ""
    if preferences.wants(NAVIGATION):
        by_table = {
            target: n.name for n in plan.table.navigations.values() if n.column is column for target in n.targets
        }
        sql = _by_target(present, companion, {target: f"'{by_table[target]}'" for target in targets})
        plan.cells.append(Cell(f"{name}@{NAVIGATION}", plan.place(sql), None, optional=True))
    if preferences.wants(LOOKUP_NAME):
        sql = _by_target(present, companion, {target: f"'{target}'" for target in targets})
        plan.cells.append(Cell(f"{name}@{LOOKUP_NAME}", plan.place(sql), None, optional=True))
    if preferences.wants(FORMATTED):
        sql = _by_target(
            present, companion, {target: name_query(catalog.tables[target], present) for target in targets}
        )
        plan.cells.append(Cell(f"{name}@{FORMATTED}", plan.place(sql), None, optional=True))


def _by_target(present: str, companion: str, expressions: dict[str, str]) -> str:
    if not companion:
        return f"CASE WHEN {present} IS NOT NULL THEN {next(iter(expressions.values()))} END"
    cases = " ".join(f"WHEN '{target}' THEN {sql}" for target, sql in expressions.items())
    return f"CASE {companion} {cases} END"


def name_query(table: Table, key: str) -> str:
    """SQL for the primary name of the row of a table whose id an SQL expression gives."""
    if table.primary_name is None:
        return "NULL"
    return f'(SELECT n."{table.primary_name}" FROM "{table.name}" n WHERE n."{table.id}" = {key})'  # noqa: S608


def _formatted_cell(environment: Environment, plan: Plan, table: Table, column: Column, place: int) -> Cell | None:
    annotated = f"{column.property_name}@{FORMATTED}"
    labels = {option.value: option.label for option in table.options.get(column.name, [])}
    match column.type:
        case "Picklist" | "State" | "Status" | "Boolean":
            return Cell(annotated, place, labels.get, optional=True)
        case "MultiSelectPicklist":
            return Cell(annotated, place, _labels_of(labels), optional=True)
        case "Integer" | "BigInt":
            return Cell(annotated, place, "{:,}".format, optional=True)
        case "Decimal":
            return Cell(annotated, place, _decimal_format(column.precision), optional=True)
        case "Double":
            return Cell(annotated, place, f"{{:,.{column.precision}f}}".format, optional=True)
        case "DateTime":
            return Cell(annotated, place, _date_text if column.date_only else _instant_text, optional=True)
        case "Money":
            amount = f'{ALIAS}."{column.name}"'
            currency = f'{ALIAS}."transactioncurrencyid"' if not column.name.endswith("_base") else "NULL"
            sql = f"CASE WHEN {amount} IS NOT NULL THEN {amount} || ' ' || coalesce({currency}, '') END"
            return Cell(annotated, plan.place(sql), _money_format(environment), optional=True)
    return None


def _labels_of(labels: dict[int, str]) -> Conversion:
    return lambda value: "; ".join(labels.get(int(number), number) for number in value.split(","))


def _decimal_format(places: int) -> Conversion:
    return lambda value: f"{Decimal(value):,.{places}f}"


def _money_format(environment: Environment) -> Conversion:
    def convert(value: str) -> str:
        amount, _, key = value.partition(" ")
        currency = environment.currency(key or environment.base_currency_id)
        places, symbol = (currency.places, currency.symbol) if currency else (2, "")
        return f"{symbol}{money_wire(int(amount)):,.{places}f}"

    return convert


def _instant_text(value: str) -> str:
    instant = datetime.fromisoformat(value)
    hour = instant.hour % 12 or 12
    half = "AM" if instant.hour < 12 else "PM"
    return f"{instant.month}/{instant.day}/{instant.year} {hour}:{instant.minute:02d} {half}"


def _date_text(value: str) -> str:
    year, month, day = value.split("-")
    return f"{int(month)}/{int(day)}/{year}"


def context(root: str, table: Table, names: Iterable[str], expanded: Iterable[str], *, single: bool) -> str:
    """The context URL of rows."""
    listed = ",".join((*names, *expanded))
    entity = "/$entity" if single else ""
    return f"{root}/$metadata#{table.set}{f'({listed})' if listed else ''}{entity}"


def read_row(
    environment: Environment, table: Table, key: str, selected: tuple[str, ...] | None, preferences: Preferences
) -> tuple[dict[str, Any], Plan, tuple[Any, ...]]:
    """One row as it is sent, with the plan and the raw row. Raises DataverseError when it is not there."""
    plan = plan_for(environment, table, selected, preferences)
    raw = environment.storage.execute(_row_query(plan), (key,)).fetchone()
    if raw is None:
        raise errors.row_missing(table.name, key)
    return plan.build(raw), plan, raw


def _row_query(plan: Plan) -> str:
    table = plan.table
    return f'SELECT {plan.sql} FROM "{table.name}" {ALIAS} WHERE {ALIAS}."{table.id}" = ?'  # noqa: S608
