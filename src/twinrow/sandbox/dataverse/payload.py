"""A JSON body taken apart: column values, bindings, related rows to be made with it.

A *draft* is what a body says about one row, checked value by value, before business rules add to it. Columns that may
not be written in this operation are passed over in silence; names that the table does not have are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Navigation, Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.references import resolve
from twinrow.sandbox.dataverse.schema import Column, ManyToMany, ManyToOne
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import storer


@dataclass(slots=True)
class Draft:
    """What a body says. `values` are stored values by column, None clears.

    `parents` are rows to be made first and referred to, `children` rows to be made afterwards that refer to this one,
    `links` existing rows that shall do so. `clears` are polymorphic lookups to be cleared if they refer to the table.
    """

    values: dict[str, Any] = field(default_factory=dict)
    parents: list[tuple[Navigation, dict[str, Any]]] = field(default_factory=list)
    children: list[tuple[ManyToOne | ManyToMany, dict[str, Any]]] = field(default_factory=list)
    links: list[tuple[ManyToOne | ManyToMany, str]] = field(default_factory=list)
    clears: list[tuple[Column, str]] = field(default_factory=list)


Taker = Callable[[Environment, Call, Draft, Any], None]


def read(environment: Environment, call: Call, table: Table, body: Any, *, creating: bool) -> Draft:
    """The draft of a body. Raises DataverseError."""
    if not isinstance(body, dict):
        raise errors.bad_payload(table.set, "Microsoft.OData.ODataException: A JSON object was expected.")
    takers = table.plan(("takers", creating), lambda: _takers(environment, table, creating))
    draft = Draft()
    for name, value in body.items():
        taker = takers.get(name)
        if taker is not None:
            taker(environment, call, draft, value)
        else:
            _unknown(table, name)
    return draft


def _unknown(table: Table, name: str) -> None:
    navigation, at, annotation = name.partition("@")
    if annotation == "odata.bind":
        raise errors.undeclared_property(table.set, navigation)
    if at:
        # Annotations that came with a row (`@odata.etag`, formatted values) may go back with it.
        return
    raise errors.invalid_property(table.set, table.name, name)


def _takers(environment: Environment, table: Table, creating: bool) -> dict[str, Taker]:
    empty_is_null = bool(environment.switches["empty_text_is_null"])
    takers: dict[str, Taker] = {}
    for column in table.properties.values():
        if column.is_lookup:
            takers[column.name] = takers[column.property_name] = _refuse_lookup
        elif column.writable(creating=creating):
            options = table.options.get(column.name, [])
            takers[column.name] = _value_taker(
                column, storer(table.data, column, options, empty_text_is_null=empty_is_null)
            )
        else:
            takers[column.name] = _pass_over
    for navigation in table.navigations.values():
        writable = navigation.column.writable(creating=creating)
        takers[f"{navigation.name}@odata.bind"] = _binding_taker(navigation) if writable else _pass_over
        takers[navigation.name] = _related_taker(table, navigation, creating) if writable else _pass_over
    for name, relationship in table.collections.items():
        takers[f"{name}@odata.bind"] = _links_taker(table, relationship, creating)
        takers[name] = _children_taker(table, relationship, creating)
    if table.is_principal:
        takers["ownerid"] = _pass_over
    return takers


def _pass_over(_environment: Environment, _call: Call, _draft: Draft, _value: Any) -> None:
    return


def _refuse_lookup(_environment: Environment, _call: Call, _draft: Draft, _value: Any) -> None:
    raise errors.lookup_assigned()


def _value_taker(column: Column, store: Callable[[Any], Any]) -> Taker:
    name = column.name

    def take(_environment: Environment, _call: Call, draft: Draft, value: Any) -> None:
        draft.values[name] = None if value is None else store(value)

    return take


def _binding_taker(navigation: Navigation) -> Taker:
    def take(environment: Environment, call: Call, draft: Draft, value: Any) -> None:
        if value is None:
            clear(draft, navigation)
        else:
            bind(draft, navigation, *resolve(environment, call, value))

    return take


def bind(draft: Draft, navigation: Navigation, target: Table, key: str) -> None:
    """Let the lookup behind a navigation property refer to a row; raises DataverseError for a wrong table."""
    if target.name not in navigation.targets:
        raise errors.bad_argument(
            f"A binding of '{navigation.name}' must name a row of {' or '.join(navigation.targets)}, not of {target.name}."
        )
    column = navigation.column
    draft.values[column.name] = key
    if column.polymorphic:
        draft.values[type_column(column)] = target.name


def clear(draft: Draft, navigation: Navigation) -> None:
    """Let the lookup refer to nothing; one of several navigation properties clears only what leads to its table."""
    column = navigation.column
    if column.polymorphic and len(navigation.targets) == 1:
        draft.clears.append((column, navigation.targets[0]))
    else:
        draft.values[column.name] = None
        if column.polymorphic:
            draft.values[type_column(column)] = None


def _related_taker(table: Table, navigation: Navigation, creating: bool) -> Taker:
    def take(_environment: Environment, _call: Call, draft: Draft, value: Any) -> None:
        if value is None:
            clear(draft, navigation)
        elif not isinstance(value, dict):
            raise errors.lookup_assigned()
        elif not creating:
            raise errors.bad_payload(table.set, "Deep update of navigation properties is not allowed.")
        else:
            draft.parents.append((navigation, value))

    return take


def _children_taker(table: Table, relationship: ManyToOne | ManyToMany, creating: bool) -> Taker:
    def take(_environment: Environment, _call: Call, draft: Draft, value: Any) -> None:
        if not creating:
            raise errors.bad_payload(table.set, "Deep update of navigation properties is not allowed.")
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise errors.bad_payload(table.set, f"The property '{relationship.name}' must be an array of objects.")
        draft.children += [(relationship, entry) for entry in value]

    return take


def _links_taker(table: Table, relationship: ManyToOne | ManyToMany, creating: bool) -> Taker:
    def take(_environment: Environment, _call: Call, draft: Draft, value: Any) -> None:
        if not creating:
            raise errors.bad_payload(table.set, "Deep update of navigation properties is not allowed.")
        if not isinstance(value, list):
            raise errors.bad_payload(table.set, f"The property '{relationship.name}@odata.bind' must be an array.")
        draft.links += [(relationship, entry) for entry in value]

    return take
