# ruff: noqa: S608 -- names of tables and columns come from metadata, values are bound
"""How rows are named in URLs and bindings: by id, by alternate key, by what an earlier part of a change set made."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.schema import Key
from twinrow.sandbox.dataverse.values import guid, storer
from twinrow.sandbox.odata.errors import ODataError
from twinrow.sandbox.odata.query_options import KeyValue, parse_key

_ROW = re.compile(r"(?:https?://[^/]+)?/?(?:api/data/v\d+\.\d+/)?(\w+)\((.*)\)")
_FORBIDDEN = frozenset("/<>*%&:\\?+")


def resolve(environment: Environment, call: Call, text: Any) -> tuple[Table, str]:
    """The table and id of the row that a binding names; the row is there. Raises DataverseError."""
    if not isinstance(text, str):
        raise errors.bad_argument(f"Invalid reference '{text}'.")
    if text.startswith("$"):
        text = content_reference(call, text)
    match = _ROW.fullmatch(unquote(text) if "%" in text else text)
    table = environment.catalog.sets.get(match[1]) if match else None
    if match is None or table is None:
        raise errors.bad_argument(f"The reference '{text}' does not name a row of a known entity set.", "0x80060888")
    key = guid(match[2])
    if key is None:
        return table, find(environment, table, match[2])
    if not environment.storage.exists(table, key):
        raise errors.row_missing(table.name, key)
    return table, key


def content_reference(call: Call, text: str) -> str:
    """The path of what an earlier part of the change set made; `$1/rest` keeps its rest."""
    reference, slash, rest = text.partition("/")
    if reference not in call.content_ids:
        raise errors.bad_argument(
            f"Content-ID Reference: '{reference}' does not exist in the batch context.", "0x80060888"
        )
    return call.content_ids[reference] + slash + rest


def find(environment: Environment, table: Table, key_text: str) -> str:
    """The id of the row with this key, as it stands between the parentheses of a URL. Raises DataverseError."""
    key = parse(table, key_text)
    if isinstance(key, str):
        return key
    row = find_by_key(environment, table, key)
    if row is None:
        raise errors.row_missing_by_key(table.name)
    return row


def parse(table: Table, key_text: str) -> str | dict[str, Any]:
    """The id in a key, or the stored values of an alternate key by column. Raises DataverseError."""
    key = guid(key_text)
    if key is not None:
        return key
    try:
        parsed = parse_key(key_text)
    except ODataError as error:
        raise errors.bad_query(str(error)) from None
    if not isinstance(parsed, dict):
        raise _bad_key(table)
    if list(parsed) == [table.id] and not table.is_principal:
        return guid(parsed[table.id]) or _refuse(table)
    if list(parsed) == ["ownerid"] and table.is_principal:
        return guid(parsed["ownerid"]) or _refuse(table)
    return _alternate(table, parsed)


def find_by_key(environment: Environment, table: Table, key: dict[str, Any]) -> str | None:
    """The id of the row with these stored values; None when there is none."""
    condition = " AND ".join(f'"{name}" = ? COLLATE NOCASE' for name in key)
    row = environment.storage.execute(
        f'SELECT "{table.id}" FROM "{table.name}" WHERE {condition}', key.values()
    ).fetchone()
    return row[0] if row else None


def key_of(table: Table, columns: set[str]) -> Key | None:
    """The alternate key made of exactly these columns."""
    for key in table.data.keys:
        if set(key.columns) == columns:
            return key
    return None


def _alternate(table: Table, parsed: dict[str, KeyValue]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in parsed.items():
        column = table.properties.get(name)
        if column is None:
            raise _bad_key(table)
        if isinstance(value, str) and column.edm == "Edm.String" and not _FORBIDDEN.isdisjoint(value):
            raise errors.bad_argument(
                f"The value '{value}' of the key column '{name}' holds characters that cannot be used in a URL."
            )
        store = storer(table.data, column, table.options.get(column.name, []), empty_text_is_null=False)
        values[column.name] = store(value)
    if key_of(table, set(values)) is None:
        raise _bad_key(table)
    return values


def _refuse(table: Table) -> str:
    raise _bad_key(table)


def _bad_key(table: Table) -> errors.DataverseError:
    kind = f"Microsoft.Dynamics.CRM.{table.name}"
    return errors.bad_query(
        f"The key in the request URI is not valid for resource '{kind}'. Ensure that the names and number of key "
        f"properties match the declared or alternate key properties for the resource '{kind}'."
    )
