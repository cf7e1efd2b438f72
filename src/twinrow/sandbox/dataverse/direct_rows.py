"""Rows as control sees them: read and written by column, past all business rules.

Values are those of JSON (money and decimals as numbers, Booleans as such); a polymorphic lookup has its companion
`<lookup>type` beside it. Alternate keys are seen as rows too, of a table `entitykey`.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.metadata_changes import create_key
from twinrow.sandbox.dataverse.rules import defaults_of
from twinrow.sandbox.dataverse.setting_up import user_id
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import storer, wire

KEYS = "entitykey"


def table_rows(environment: Environment, name: str) -> list[dict[str, Any]]:
    """All rows of a table, in the order of their ids; of an intersect table, all pairs. Raises LookupError."""
    table = environment.catalog.tables.get(name)
    if table is not None:
        return _read(environment, table, "1", ())
    return _keys(environment) if name == KEYS else _pairs(environment, name)


def _read(environment: Environment, table: Table, condition: str, values: tuple[str, ...]) -> list[dict[str, Any]]:
    columns = list(table.properties.values())
    names = [column.name for column in columns] + [type_column(column) for column in columns if column.polymorphic]
    listed = ", ".join(f'"{column}"' for column in names)
    conversions = {column.name: wire(column) for column in columns}
    rows = []
    sql = f'SELECT {listed} FROM "{table.name}" WHERE {condition} ORDER BY "{table.id}"'  # noqa: S608
    for raw in environment.storage.execute(sql, values):
        row = dict(zip(names, raw, strict=True))
        for column, convert in conversions.items():
            if convert is not None and row[column] is not None:
                row[column] = convert(row[column])
        rows.append(row)
    return rows


def write_row(environment: Environment, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Add a row, or change the columns given of the row with this id. Raises LookupError, ValueError."""
    if name == KEYS:
        return _add_key(environment, row)
    table = environment.catalog.tables.get(name)
    if table is None:
        raise LookupError(f"There is no table {name!r}.")
    values = _stored(table, row)
    key = values.pop(table.id, None) or str(uuid.uuid4())
    values["versionnumber"] = environment.storage.next_version()
    if environment.storage.exists(table, key):
        environment.storage.update(table, key, values)
    else:
        environment.storage.insert(table, {table.id: key, **_new(environment, table), **values})
        environment.storage.forget_deletion(table, key)
    return _read(environment, table, f'"{table.id}" = ?', (key,))[0]


def _stored(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    companions = {type_column(column) for column in table.properties.values() if column.polymorphic}
    values: dict[str, Any] = {}
    for name, value in row.items():
        column = table.columns.get(name)
        if name in companions:
            values[name] = value
        elif column is None or not column.stored:
            raise ValueError(f"The table {table.name} has no column {name!r}.")
        elif value is None:
            values[name] = None
        else:
            store = storer(table.data, column, table.options.get(name, []), empty_text_is_null=False)
            try:
                values[name] = store(Decimal(str(value)) if isinstance(value, float) else value)
            except DataverseError as error:
                raise ValueError(str(error)) from None
    return values


def _new(environment: Environment, table: Table) -> dict[str, Any]:
    """What a row gets that control does not mention."""
    values = dict(defaults_of(table))
    if "statecode" in table.columns:
        values["statecode"] = 0
        values["statuscode"] = next(o.value for o in table.options["statuscode"] if o.state == 0)
    if "createdon" in table.properties:
        values["createdon"] = values["modifiedon"] = environment.now()
        values["createdby"] = values["modifiedby"] = user_id("administrator")
    if "_ownerid_value" in table.properties:
        values["ownerid"], values["owneridtype"] = user_id("administrator"), "systemuser"
        values["owninguser"], values["owningbusinessunit"] = user_id("administrator"), environment.root_unit_id
    return values


def _keys(environment: Environment) -> list[dict[str, Any]]:
    tables = environment.catalog.tables.values()
    return [{"table": t.name, "name": key.name, "columns": key.columns} for t in tables for key in t.data.keys]


def _add_key(environment: Environment, row: dict[str, Any]) -> dict[str, Any]:
    """Make an alternate key out of `table`, `name` and `columns`."""
    try:
        table = environment.catalog.table(str(row.get("table")))
        create_key(environment, table, {"SchemaName": row.get("name"), "KeyAttributes": row.get("columns")})
    except DataverseError as error:
        raise ValueError(str(error)) from None
    return row


def _pairs(environment: Environment, name: str) -> list[dict[str, Any]]:
    for relationship in environment.catalog.many_to_many:
        if relationship.intersect == name:
            columns = [environment.catalog.tables[table].id for table in relationship.tables]
            rows = environment.storage.execute(f'SELECT {", ".join(columns)} FROM "{name}" ORDER BY 1, 2')  # noqa: S608
            return [dict(zip(columns, row, strict=True)) for row in rows]
    raise LookupError(f"There is no table {name!r}.")
