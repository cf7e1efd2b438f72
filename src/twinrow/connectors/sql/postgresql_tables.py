"""What a PostgreSQL database says of its tables, from its catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from twinrow.connectors.sql.database import quoted
from twinrow.connectors.sql.shape import FoundColumn, FoundTable, Relation, Storage
from twinrow.model.tables import Option

_STORAGES = {
    "varchar": Storage.TEXT,
    "text": Storage.TEXT,
    "bpchar": Storage.TEXT,
    "citext": Storage.TEXT,
    "name": Storage.TEXT,
    "uuid": Storage.UUID,
    "int2": Storage.INTEGER,
    "int4": Storage.INTEGER,
    "int8": Storage.INTEGER,
    "numeric": Storage.DECIMAL,
    "float4": Storage.FLOAT,
    "float8": Storage.FLOAT,
    "bool": Storage.BOOLEAN,
    "date": Storage.DATE,
    "timestamp": Storage.INSTANT,
    "timestamptz": Storage.INSTANT,
}
_INTEGER_BITS = {"int2": 15, "int4": 31, "int8": 63}
_ROUNDED = frozenset({"bpchar", "float4"})
_MICROSECONDS = 6
_RELATIONS = {"r": Relation.TABLE, "p": Relation.TABLE, "f": Relation.FOREIGN, "v": Relation.VIEW, "m": Relation.VIEW}

_NAMES = sa.text("""
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    ORDER BY c.relname
""")
_TABLE = sa.text("""
    SELECT c.oid, c.relkind, c.relrowsecurity,
           array_remove(ARRAY[CASE WHEN has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
                              CASE WHEN has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
                              CASE WHEN has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END], NULL),
           ARRAY(SELECT t.tgname::text FROM pg_trigger t
                 WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.tgname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = :name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
""")
_COLUMNS = sa.text("""
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS declared, b.typname AS type, b.typtype = 'e' AS is_enum,
           CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier,
           NOT (a.attnotnull OR t.typnotnull) AS nullable,
           CASE WHEN a.attidentity <> '' THEN format('nextval(%L::regclass)', pg_get_serial_sequence(:qualified, a.attname))
                ELSE pg_get_expr(d.adbin, d.adrelid) END AS value,
           a.attgenerated <> '' AS fixed,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder) AS labels
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
""")


def table_names(connection: sa.Connection, schema: str) -> list[str]:
    """Return the names of the tables and views of a schema; partitions belong to their table."""
    return list(connection.execute(_NAMES, {"schema": schema}).scalars())


def find_table(connection: sa.Connection, name: str, schema: str, shown_schema: str | None) -> FoundTable | None:
    """Return a table or view as the database describes it; None where there is none of that name.

    `shown_schema` is the schema that statements must name.
    """
    row = connection.execute(_TABLE, {"schema": schema, "name": name}).one_or_none()
    if row is None:
        return None
    oid, kind, guarded, privileges, triggers = row
    described = connection.execute(_COLUMNS, {"oid": oid, "qualified": f"{quoted(schema)}.{quoted(name)}"})
    columns = tuple(column for row in described.mappings() if (column := _column(row)) is not None)
    inspector = sa.inspect(connection)
    primary_key = tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"])
    constraints = dict(_constraints(inspector, name, schema))
    unique = {names[0] for names in constraints.values() if len(names) == 1}
    by_name = {column.name: column for column in columns}
    counted = len(primary_key) == 1 and "nextval(" in (getattr(by_name.get(primary_key[0]), "default", None) or "")
    return FoundTable(
        name=name,
        schema=shown_schema,
        relation=_RELATIONS[kind],
        columns=columns,
        primary_key=primary_key,
        unique=frozenset(unique),
        indexed=frozenset(_leading(inspector, name, schema)) | frozenset(primary_key[:1]),
        references=dict(_references(inspector, name, schema)),
        constraints=constraints,
        triggers=tuple(triggers),
        counted=counted,
        guarded=guarded,
        privileges=frozenset(privileges),
    )


def _column(row: Any) -> FoundColumn | None:
    type_, modifier = row["type"], row["modifier"]
    storage = Storage.ENUM if row["is_enum"] else _STORAGES.get(type_)
    if storage is None:
        return None
    precision, scale, low, high = None, None, None, None
    if storage is Storage.DECIMAL and modifier >= 0:
        # PostgreSQL packs both into one number; a scale below zero rounds to tens, hundreds, …
        packed = modifier - 4
        precision, scale = packed >> 16 & 0xFFFF, (packed & 0x7FF ^ 0x400) - 0x400
        whole = precision - scale
        largest = float("9" * max(whole, 1) + "." + "9" * scale) if scale > 0 else 10**whole - 1
        low, high = -largest, largest
    elif storage is Storage.INTEGER:
        bits = _INTEGER_BITS[type_]
        low, high = -(2**bits), 2**bits - 1
    return FoundColumn(
        name=row["attname"],
        storage=storage,
        declared=row["declared"],
        nullable=row["nullable"],
        max_length=modifier - 4
        if type_ in ("varchar", "bpchar") and modifier >= 0
        else 63
        if type_ == "name"
        else None,
        precision=precision,
        scale=max(scale, 0) if scale is not None else None,
        minimum=low,
        maximum=high,
        default=row["value"],
        fixed=row["fixed"],
        exact=type_ not in _ROUNDED
        and not (storage is Storage.INSTANT and 0 <= modifier < _MICROSECONDS)
        and (scale is None or scale >= 0),
        options=tuple(Option(label, label) for label in row["labels"]),
    )


def _constraints(inspector: sa.Inspector, name: str, schema: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    primary = inspector.get_pk_constraint(name, schema)
    if primary["constrained_columns"]:
        yield str(primary["name"]), tuple(primary["constrained_columns"])
    for index in inspector.get_indexes(name, schema):
        partial = index.get("dialect_options", {}).get("postgresql_where") is not None
        if index["unique"] and not partial and all(index["column_names"]):
            yield str(index["name"]), tuple(column for column in index["column_names"] if column)


def _leading(inspector: sa.Inspector, name: str, schema: str) -> Iterator[str]:
    for index in inspector.get_indexes(name, schema):
        if index["column_names"] and index["column_names"][0]:
            yield index["column_names"][0]


def _references(inspector: sa.Inspector, name: str, schema: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for key in inspector.get_foreign_keys(name, schema):
        if len(key["constrained_columns"]) == 1:
            elsewhere = key["referred_schema"] not in (None, schema)
            target = f"{key['referred_schema']}.{key['referred_table']}" if elsewhere else key["referred_table"]
            yield key["constrained_columns"][0], (target, key["referred_columns"][0])
