"""CreateMultiple, UpdateMultiple, UpsertMultiple: many rows of one table in one request, all or none."""

from __future__ import annotations

import re
import uuid
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.references import find_by_key, parse
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.dataverse.writing import create, delete, require, update

_REFERENCE = re.compile(r"(?:.*/)?(\w+)\((.*)\)")


def create_multiple(environment: Environment, call: Call, table: Table, body: Any) -> list[str]:
    """Make the targets and give their ids in order."""
    return [create(environment, call, table, target) for target in _targets(table, body)]


def update_multiple(environment: Environment, call: Call, table: Table, body: Any) -> None:
    """Change the targets, all of which must be there."""
    for target in _targets(table, body):
        if table.id not in target:
            raise errors.bad_argument(
                f"Entity Id must be specified for Operation Update of {table.name}.", "0x80040203"
            )
        key = require(environment, table, target[table.id])
        update(environment, call, table, key, target, ignored=frozenset({table.id}))


def upsert_multiple(environment: Environment, call: Call, table: Table, body: Any) -> None:
    """Make or change each target, found by its id or by the alternate key in its `@odata.id`."""
    for target in _targets(table, body):
        reference = target.pop("@odata.id", None)
        if reference is not None:
            _upsert_by_reference(environment, call, table, target, reference)
            continue
        key = guid(target.get(table.id))
        if key is None:
            create(environment, call, table, target)
        elif environment.storage.exists(table, key):
            update(environment, call, table, key, target, ignored=frozenset({table.id}))
        else:
            create(environment, call, table, target, key=key)


def _upsert_by_reference(environment: Environment, call: Call, table: Table, target: Any, reference: Any) -> None:
    match = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if match is None or match[1] != table.set:
        raise errors.bad_argument(f"'{reference}' does not name a row of {table.set}.")
    key = parse(table, match[2])
    found = key if isinstance(key, str) else find_by_key(environment, table, key)
    if found is not None and environment.storage.exists(table, found):
        update(environment, call, table, found, target, ignored=frozenset() if isinstance(key, str) else frozenset(key))
    elif isinstance(key, str):
        create(environment, call, table, target, key=key)
    else:
        create(environment, call, table, target, given=key)


def bulk_delete(environment: Environment, call: Call, body: Any) -> str:
    """Delete the rows that a query expression of ids names, and give the id of the job that did it.

    The real service does it later, in a job of its own; here the job is done when the answer comes. Rows that cannot
    be deleted stay.
    """
    for query in body.get("QuerySet", []) if isinstance(body, dict) else []:
        table = environment.catalog.table(str(query.get("EntityName")))
        for condition in (query.get("Criteria") or {}).get("Conditions", []):
            if condition.get("AttributeName") != table.id or condition.get("Operator") not in ("In", "Equal"):
                raise errors.bad_argument("BulkDelete takes conditions on the primary key with In or Equal.")
            for value in condition.get("Values", []):
                key = guid(value.get("Value") if isinstance(value, dict) else value)
                if key is None or not environment.storage.exists(table, key):
                    continue
                environment.storage.savepoint()
                try:
                    delete(environment, call, table, key)
                except errors.DataverseError:
                    environment.storage.undo()
                else:
                    environment.storage.release()
    return str(uuid.uuid4())


def _targets(table: Table, body: Any) -> list[dict[str, Any]]:
    targets = body.get("Targets") if isinstance(body, dict) else None
    if not isinstance(targets, list) or not targets:
        raise errors.bad_argument("The parameter 'Targets' must hold at least one row.")
    checked = []
    for target in targets:
        kind = target.get("@odata.type") if isinstance(target, dict) else None
        if not isinstance(kind, str):
            raise errors.bad_payload(
                table.set, "Microsoft.OData.ODataException: Every target must carry '@odata.type'."
            )
        if kind.removeprefix("#") != f"Microsoft.Dynamics.CRM.{table.name}":
            raise errors.bad_argument(f"A target is of type '{kind}', but all targets must be of type '{table.name}'.")
        checked.append({name: value for name, value in target.items() if name != "@odata.type"})
    return checked
