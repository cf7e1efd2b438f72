"""Tables, columns, keys and shared choices made, changed and removed over the Web API."""

from __future__ import annotations

import re
import sqlite3
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.labels import label_text, label_texts
from twinrow.sandbox.dataverse.schema import Column, Key, Option, OptionSet, TableData, metadata_id, system_columns
from twinrow.sandbox.dataverse.setting_up import add_message_filters

_SCHEMA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]+")
_KEY_TYPES = {"Decimal", "Integer", "String", "DateTime", "Lookup", "Picklist"}
_MOST_KEYS = 10
_MOST_KEY_COLUMNS = 16
_FIRST_CUSTOM_CODE = 10_300
_FIRST_OPTION_VALUE = 100_000_000


def create_table(environment: Environment, call: Call, body: Any) -> str:
    """Make a table with its system columns and the columns of the body; gives its logical name."""
    catalog = environment.catalog
    schema = _schema_name(body)
    name = schema.lower()
    if name in catalog.tables:
        raise errors.bad_argument(f"An entity with the specified name {name} already exists.", "0x80044363")
    label = label_text(body.get("DisplayName")) or schema
    columns = [_column(environment, name, attribute) for attribute in body.get("Attributes", [])]
    primary = next((a for a in body.get("Attributes", []) if a.get("IsPrimaryName")), None)
    if primary is None:
        raise errors.bad_argument("A table needs one column with IsPrimaryName.")
    ownership = str(body.get("OwnershipType") or "UserOwned")
    data = TableData(
        name=name,
        schema=schema,
        set=_plural(name),
        label=label,
        plural=label_text(body.get("DisplayCollectionName")) or _plural(label),
        code=_FIRST_CUSTOM_CODE + len(catalog.tables),
        id=f"{name}id",
        primary_name=_schema_name(primary).lower(),
        ownership=ownership,
        custom=True,
        change_tracking=bool(body.get("ChangeTrackingEnabled", False)),
        optimistic_concurrency=True,
        columns=_system_columns(schema, ownership) + columns,
    )
    catalog.add_table(data)
    environment.storage.prepare(catalog.tables[name])
    add_message_filters(environment, call, catalog.tables[name])
    return name


def change_table(environment: Environment, table: Table, body: Any) -> None:
    """Switch change tracking on; that is all of a table's definition that can be changed here."""
    wanted = body.get("ChangeTrackingEnabled") if isinstance(body, dict) else None
    if wanted is True and not environment.tracks_changes(table.name):
        environment.catalog.track_changes(table.name)
        switches = environment.switches["change_tracking"]
        if isinstance(switches, dict):
            switches.pop(table.name, None)
    elif wanted is False and environment.tracks_changes(table.name):
        raise errors.bad_argument("Change tracking cannot be disabled once it is enabled.")


def remove_table(environment: Environment, table: Table) -> None:
    """Remove a custom table with its rows."""
    if not table.data.custom or table.name.startswith(("bcbi_", "cdm_")):
        raise errors.bad_argument(f"The entity '{table.name}' belongs to a managed solution and cannot be deleted.")
    environment.storage.execute("DELETE FROM sdkmessagefilter WHERE primaryobjecttypecode = ?", (table.name,))
    environment.storage.drop_table(table)
    environment.catalog.remove_table(table.name)


def create_column(environment: Environment, table: Table, body: Any) -> str:
    """Add a column; gives its logical name."""
    column = _column(environment, table.name, body)
    if column.name in table.columns:
        raise errors.bad_argument(f"Attribute {column.name} already exists for entity {table.name}.", "0x80044153")
    added = [column]
    if column.type == "Money":
        base = Column(
            name=f"{column.name}_base",
            type="Money",
            schema=f"{column.schema}_Base",
            label=f"{column.label} (Base)",
            precision=column.precision,
            precision_source=column.precision_source,
            write="never",
            custom=True,
        )
        added += [base, *(c for c in system_columns()["money"] if c.name not in table.columns)]
    for each in added:
        environment.catalog.add_column(table.name, each)
    environment.storage.prepare(environment.catalog.tables[table.name])
    if column.type == "Boolean":
        environment.storage.execute(f'UPDATE "{table.name}" SET "{column.name}" = 0')  # noqa: S608
    return column.name


def remove_column(environment: Environment, table: Table, column: Column) -> None:
    """Remove a custom column with its values."""
    if not column.custom:
        raise errors.bad_argument(f"The attribute '{column.name}' is a system attribute and cannot be deleted.")
    if any(column.name in key.columns for key in table.data.keys):
        raise errors.bad_argument(
            f"The attribute '{column.name}' is part of a key and cannot be deleted.", "0x8004f01f"
        )
    environment.catalog.remove_column(table.name, column.name)
    environment.storage.drop_column(table, column)


def create_key(environment: Environment, table: Table, body: Any) -> Key:
    """Add an alternate key; its index is there at once. Raises DataverseError when it makes no sense."""
    name = _schema_name(body)
    columns = body.get("KeyAttributes")
    if not isinstance(columns, list) or not columns or len(columns) > _MOST_KEY_COLUMNS:
        raise errors.bad_argument(f"A key has between 1 and {_MOST_KEY_COLUMNS} columns.")
    if len(table.data.keys) >= _MOST_KEYS:
        raise errors.bad_argument(f"A table can have at most {_MOST_KEYS} keys.", "0x80060893")
    for column in columns:
        if column not in table.columns or table.columns[column].type not in _KEY_TYPES:
            raise errors.bad_argument(f"The attribute '{column}' cannot be part of a key.", "0x80060890")
    if any(key.name == name or key.columns == columns for key in table.data.keys):
        raise errors.bad_argument(f"The key '{name}' exists already.", "0x80060890")
    key = Key(name, label_text(body.get("DisplayName")) or name, list(columns))
    try:
        environment.storage.add_key(table, key)
    except sqlite3.IntegrityError:
        raise errors.duplicate_key(key.label) from None
    environment.catalog.add_key(table.name, key)
    return key


def remove_key(environment: Environment, table: Table, key: Key) -> None:
    """Remove an alternate key."""
    environment.storage.remove_key(key)
    environment.catalog.remove_key(table.name, key.name)


def create_option_set(environment: Environment, body: Any) -> OptionSet:
    """Add a shared choice."""
    name = str(body.get("Name") or "") if isinstance(body, dict) else ""
    if not name or name in environment.catalog.option_sets:
        raise errors.bad_argument(f"An OptionSet with the specified name {name} already exists.", "0x80044345")
    made = OptionSet(name, label_text(body.get("DisplayName")) or name, read_options(body.get("Options", [])))
    environment.catalog.set_option_set(made)
    return made


def change_option_set(environment: Environment, option_set: OptionSet, body: Any) -> None:
    """Change the label of a shared choice; options have actions of their own."""
    if body.get("Name", option_set.name) != option_set.name:
        raise errors.bad_argument("The name of an option set cannot be changed.", "0x80048409")
    label = label_text(body.get("DisplayName")) or option_set.label
    environment.catalog.set_option_set(OptionSet(option_set.name, label, option_set.options))


def remove_option_set(environment: Environment, option_set: OptionSet) -> None:
    """Remove a shared choice that no column uses."""
    columns = (c for table in environment.catalog.tables.values() for c in table.columns.values())
    if any(column.option_set == option_set.name for column in columns):
        raise DataverseError(400, "0x80048417", "The option set cannot be deleted because it is in use by attributes.")
    environment.catalog.remove_option_set(option_set.name)


def read_options(entries: Any) -> list[Option]:
    """Options as they come in a body; those without a number get the next free one."""
    options: list[Option] = []
    for entry in entries if isinstance(entries, list) else []:
        taken = {option.value for option in options}
        value = entry.get("Value")
        if value is None:
            value = next(
                number for number in range(_FIRST_OPTION_VALUE, _FIRST_OPTION_VALUE * 2) if number not in taken
            )
        options.append(Option(int(value), label_texts(entry.get("Label")), color=entry.get("Color")))
    return options


def _schema_name(body: Any) -> str:
    name = body.get("SchemaName") if isinstance(body, dict) else None
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name):
        raise errors.bad_argument(
            f"The schema name '{name}' must begin with a publisher's prefix and hold only letters, digits and _."
        )
    return name


def _plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def _column(environment: Environment, table: str, body: Any) -> Column:
    schema = _schema_name(body)
    kind = str(body.get("@odata.type", "")).rpartition(".")[2]
    # The action that makes whole tables writes `ComplexStringAttributeMetadata` for the same.
    kind = kind.removeprefix("Complex").removesuffix("AttributeMetadata")
    column = Column(
        name=schema.lower(),
        type=kind,
        schema=schema,
        label=label_text(body.get("DisplayName")) or schema,
        required=str((body.get("RequiredLevel") or {}).get("Value") or "None"),
        custom=True,
    )
    match kind:
        case "String" | "Memo":
            column.length = int(body.get("MaxLength") or (100 if kind == "String" else 2000))
            column.format = (body.get("FormatName") or {}).get("Value")
        case "Integer" | "Decimal" | "Double" | "Money" | "BigInt":
            column.min, column.max = _decimal(body.get("MinValue")), _decimal(body.get("MaxValue"))
            column.precision = int(body.get("Precision") if body.get("Precision") is not None else 2)
            column.precision_source = int(body.get("PrecisionSource") or 0)
        case "DateTime":
            column.format = str(body.get("Format") or "DateAndTime")
            column.date_only = (body.get("DateTimeBehavior") or {}).get("Value") == "DateOnly"
        case "Boolean":
            column.default = int(bool(body.get("DefaultValue")))
            _set_boolean_options(column, body.get("OptionSet"))
        case "Picklist" | "MultiSelectPicklist":
            _set_options(environment, column, body)
        case "Uniqueidentifier" | "Image":
            pass
        case _:
            raise errors.bad_argument(f"A column of the type '{kind}' cannot be made on '{table}'.")
    return column


def _set_boolean_options(column: Column, option_set: Any) -> None:
    if isinstance(option_set, dict):
        for number, part, usual in ((0, "FalseOption", "No"), (1, "TrueOption", "Yes")):
            text = label_text((option_set.get(part) or {}).get("Label")) or usual
            column.options.append([number, text])


def _set_options(environment: Environment, column: Column, body: Any) -> None:
    bound = body.get("GlobalOptionSet@odata.bind")
    if bound is not None:
        for name in environment.catalog.option_sets:
            if name in str(bound) or metadata_id("global", name) in str(bound):
                column.option_set = name
                return
        raise errors.bad_argument(f"There is no option set '{bound}'.")
    options = read_options((body.get("OptionSet") or {}).get("Options", []))
    column.options = [[option.value, option.label] for option in options]


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _system_columns(schema: str, ownership: str) -> list[Column]:
    key = Column(
        name=f"{schema.lower()}id",
        type="Uniqueidentifier",
        schema=f"{schema}Id",
        label=schema,
        required="SystemRequired",
        write="create",
    )
    shared = system_columns()
    return [key, *shared["all"], *(shared["user_owned"] if ownership == "UserOwned" else [])]
