# ruff: noqa: S608 -- names of tables and columns come from metadata, values are bound
"""Creating, changing and deleting rows: bodies checked, rules applied, related rows kept in order.

All functions work inside the caller's transaction and raise DataverseError; what happens to a transaction then is the
caller's business.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from typing import Any

from twinrow.sandbox.dataverse import aftermath, errors
from twinrow.sandbox.dataverse.catalog import Navigation, Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.payload import Draft, bind, read
from twinrow.sandbox.dataverse.references import resolve
from twinrow.sandbox.dataverse.rules import Row, Writing, defaults_of, rules_of
from twinrow.sandbox.dataverse.schema import ManyToMany, ManyToOne
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import guid

_VIOLATED = re.compile(r"UNIQUE constraint failed: (.+)")


def create(
    environment: Environment, call: Call, table: Table, body: Any, *, key: str | None = None, given: Row | None = None
) -> str:
    """Make a row, with everything nested in its body, and give its id.

    `key` is the id chosen in the URL; `given` are stored values that count where the body says nothing.
    """
    draft = read(environment, call, table, body, creating=True)
    for navigation, related in draft.parents:
        target = environment.catalog.tables[navigation.targets[0]]
        bind(draft, navigation, target, create(environment, call, target, related))
    values = {**defaults_of(table), **(given or {}), **draft.values}
    chosen = key or values.get(table.id) or _new_id()
    values[table.id] = chosen
    _stamp_creation(call, table, values)
    aftermath.before_create(environment, call, table, values)
    writing = Writing(environment, call, table, chosen, values, values, creating=True)
    for rule in rules_of(table):
        if rule.on_create or not rule.when.isdisjoint(values):
            rule.work(writing)
    _check_required(table, values)
    _store(environment, table, chosen, values, creating=True)
    environment.storage.forget_deletion(table, chosen)
    _attach(environment, call, table, chosen, draft)
    aftermath.after_create(environment, call, table, chosen, values)
    return chosen


def update(environment: Environment, call: Call, table: Table, key: str, body: Any, *, ignored: frozenset[str]) -> None:
    """Change the row, which is known to be there. `ignored` columns of the body are left as they are."""
    if ignored and isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in ignored}
    draft = read(environment, call, table, body, creating=False)
    draft.values.pop(table.id, None)
    _clear_where_it_leads(environment, table, key, draft)
    write(environment, call, table, key, draft.values)


def write(environment: Environment, call: Call, table: Table, key: str, values: Row) -> None:
    """Store checked values of an existing row, after the rules have added to them."""
    for name in values:
        column = table.columns.get(name)
        if column is not None and column.required == "SystemRequired" and values[name] is None:
            raise errors.required_missing(name)
    awake = [rule for rule in rules_of(table) if not rule.when.isdisjoint(values)]
    if awake:
        needed = set().union(*(rule.when | rule.reads for rule in awake))
        row = environment.storage.fetch(table, key, needed) or {}
        writing = Writing(environment, call, table, key, {**row, **values}, values, creating=False)
        for rule in awake:
            rule.work(writing)
    aftermath.before_update(environment, table, key, values)
    values["versionnumber"] = environment.storage.next_version()
    if "modifiedon" in table.properties:
        values["modifiedon"] = call.now
        values["modifiedby"] = call.user
        values["modifiedonbehalfby"] = call.on_behalf_of
    _store(environment, table, key, values, creating=False)
    aftermath.after_update(environment, call, table, key, values)


def delete(environment: Environment, call: Call, table: Table, key: str) -> None:
    """Remove the row, which is known to be there, and see to the rows that refer to it."""
    aftermath.before_delete(environment, table, key)
    for relationship in table.referenced_by:
        _release(environment, call, relationship, key)
    for membership in table.collections.values():
        if isinstance(membership, ManyToMany):
            environment.storage.execute(f'DELETE FROM "{membership.intersect}" WHERE "{table.id}" = ?', (key,))
    environment.storage.delete(table, key, call.now)
    aftermath.after_delete(environment, call, table, key)


def link(
    environment: Environment, call: Call, table: Table, key: str, relationship: ManyToOne | ManyToMany, reference: Any
) -> None:
    """Let an existing row take part in a collection of this one."""
    target, other = resolve(environment, call, reference)
    if isinstance(relationship, ManyToOne):
        if target.name != relationship.table:
            raise errors.bad_argument(
                f"'{relationship.name}' takes rows of {relationship.table}, not of {target.name}."
            )
        write(environment, call, target, other, referring_values(environment, relationship, key))
        return
    if target.name != relationship.other(table.name):
        raise errors.bad_argument(f"'{relationship.name}' does not take rows of {target.name}.")
    aftermath.before_link(environment, relationship, {table.name: key, target.name: other})
    try:
        environment.storage.execute(
            f'INSERT INTO "{relationship.intersect}" ("{table.id}", "{target.id}") VALUES (?, ?)', (key, other)
        )
    except sqlite3.IntegrityError:
        raise errors.linked_already() from None


def unlink(
    environment: Environment, call: Call, table: Table, key: str, relationship: ManyToOne | ManyToMany, other: str
) -> None:
    """End that an existing row takes part in a collection of this one; nothing happens when it does not."""
    storage = environment.storage
    if isinstance(relationship, ManyToOne):
        target = environment.catalog.tables[relationship.table]
        row = storage.fetch(target, other, [relationship.column])
        if row is None:
            raise errors.row_missing(target.name, other)
        if row[relationship.column] == key:
            write(environment, call, target, other, referring_values(environment, relationship, None))
        return
    target = environment.catalog.tables[relationship.other(table.name)]
    aftermath.before_link(environment, relationship, {table.name: key, target.name: other})
    storage.execute(
        f'DELETE FROM "{relationship.intersect}" WHERE "{table.id}" = ? AND "{target.id}" = ?',
        (key, other),
    )


def set_navigation(
    environment: Environment, call: Call, table: Table, key: str, navigation: Navigation, reference: Any
) -> None:
    """Let a single-valued navigation property lead to a row, or (None) to nothing."""
    draft = Draft()
    if reference is None:
        draft.values[navigation.column.name] = None
        if navigation.column.polymorphic:
            draft.values[type_column(navigation.column)] = None
    else:
        bind(draft, navigation, *resolve(environment, call, reference))
    write(environment, call, table, key, draft.values)


def referring_values(environment: Environment, relationship: ManyToOne, key: str | None) -> Row:
    """The stored values of a lookup that refers to a row, or to nothing."""
    column = environment.catalog.tables[relationship.table].columns[relationship.column]
    values: Row = {column.name: key}
    if column.polymorphic:
        values[type_column(column)] = relationship.target if key else None
    return values


def _new_id() -> str:
    return str(uuid.uuid4())


def _stamp_creation(call: Call, table: Table, values: Row) -> None:
    columns = table.properties
    if "createdon" in columns:
        values["createdon"] = values["modifiedon"] = call.now
        if values.get("overriddencreatedon"):
            # The caller's date becomes that of creation; the column keeps when it was really made.
            values["createdon"], values["overriddencreatedon"] = values["overriddencreatedon"], call.now
        values["createdonbehalfby"] = values["modifiedonbehalfby"] = call.on_behalf_of
    if "_createdby_value" in columns:
        values["createdby"] = values["modifiedby"] = call.user
    owner = columns.get("_ownerid_value")
    if owner is not None and owner.write is None and values.get("ownerid") is None:
        values["ownerid"], values["owneridtype"] = call.user, "systemuser"


def _check_required(table: Table, values: Row) -> None:
    for name in table.plan("required", lambda: _required(table)):
        if values.get(name) is None:
            raise errors.required_missing(name)


def _required(table: Table) -> tuple[str, ...]:
    columns = table.properties.values()
    return tuple(c.name for c in columns if c.required == "SystemRequired" and c.writable(creating=True))


def _store(environment: Environment, table: Table, key: str, values: Row, *, creating: bool) -> None:
    storage = environment.storage
    try:
        if creating:
            values["versionnumber"] = storage.next_version()
            storage.insert(table, values)
        else:
            storage.update(table, key, values)
    except sqlite3.IntegrityError as error:
        raise _violation(table, str(error)) from None


def _violation(table: Table, text: str) -> errors.DataverseError:
    match = _VIOLATED.match(text)
    columns = {name.partition(".")[2] for name in match[1].split(", ")} if match else set()
    for alternate in table.data.keys:
        if set(alternate.columns) == columns:
            return errors.duplicate_key(alternate.label)
    return errors.row_exists()


def _attach(environment: Environment, call: Call, table: Table, key: str, draft: Draft) -> None:
    for relationship, child in draft.children:
        if isinstance(relationship, ManyToOne):
            target = environment.catalog.tables[relationship.table]
            create(environment, call, target, child, given=referring_values(environment, relationship, key))
        else:
            target = environment.catalog.tables[relationship.other(table.name)]
            made = create(environment, call, target, child)
            link(environment, call, table, key, relationship, f"/{target.set}({made})")
    for relationship, reference in draft.links:
        link(environment, call, table, key, relationship, reference)


def _clear_where_it_leads(environment: Environment, table: Table, key: str, draft: Draft) -> None:
    for column, target in draft.clears:
        companion = type_column(column)
        if column.name in draft.values:
            continue
        row = environment.storage.fetch(table, key, [companion])
        if row is not None and row[companion] == target:
            draft.values[column.name] = draft.values[companion] = None


def _release(environment: Environment, call: Call, relationship: ManyToOne, key: str) -> None:
    storage, table = environment.storage, environment.catalog.tables[relationship.table]
    column = table.columns[relationship.column]
    condition = f' AND "{type_column(column)}" = ?' if column.polymorphic else ""
    values = (key, relationship.target) if column.polymorphic else (key,)
    rows = storage.execute(
        f'SELECT "{table.id}" FROM "{table.name}" WHERE "{column.name}" = ?{condition}',
        values,
    ).fetchall()
    if rows and relationship.delete == "Restrict":
        raise errors.referenced()
    for (other,) in rows:
        if relationship.delete == "Cascade":
            delete(environment, call, table, other)
            continue
        # The link goes, the row gets a new version, but nobody has modified it.
        cleared = referring_values(environment, relationship, None)
        storage.update(table, other, {**cleared, "versionnumber": storage.next_version()})


def require(environment: Environment, table: Table, key: Any) -> str:
    """The id, of a row that is there. Raises DataverseError."""
    found = guid(key)
    if found is None:
        raise errors.bad_argument(f"'{key}' is not the id of a row.")
    if not environment.storage.exists(table, found):
        raise errors.row_missing(table.name, found)
    return found
