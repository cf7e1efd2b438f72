"""Going back to the standard set-up, and taking mappings out of use (semantics 15).

What is remembered of records (couplings, bases, watermarks, journal) stays when a mapping is reset: the next run looks at all
records again where fields or filters have changed, and writes only what then differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinrow.actions.context import ActionContext
from twinrow.actions.mapping_changes import MappingChange, changes
from twinrow.actions.mappings import save_mappings, standard_for
from twinrow.model.errors import ConfigurationError, UnknownName, UnknownTable
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.store.couplings import count_couplings
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.store.mappings import forget_mapping


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset does: the mappings that have their standard form again, those of your own that are disabled, each change."""

    standard: tuple[str, ...]
    disabled: tuple[str, ...]
    changes: tuple[MappingChange, ...]


def plan_reset(context: ActionContext, names: Sequence[str] = ()) -> Reset:
    """Return what `reset_mappings` would do; nothing is changed."""
    return _reset(context, names)[0]


def reset_mappings(context: ActionContext, names: Sequence[str] = ()) -> Reset:
    """Give mappings (all, or those named) their standard form again.

    A mapping of your own comes back disabled, a field that you have added (`user_defined`) too; other fields that are not of
    the standard are taken out. A standard mapping that was removed is added again. Raises `UnknownName` for a mapping that is
    neither there nor a standard one, `ConfigurationError` where the systems serve no standard mapping.
    """
    told, mappings = _reset(context, names)
    if told.changes:
        save_mappings(context, mappings)
    return told


def _reset(context: ActionContext, names: Sequence[str]) -> tuple[Reset, list[TableMapping]]:
    known = {stored.name: stored.mapping for stored in context.mappings()}
    standard = {mapping.name: mapping for mapping in standard_for(context.pair()) if _served(context, mapping)}
    for name in names:
        if name not in known and name not in standard:
            raise UnknownName("mapping", name, sorted(known | standard))
    wanted = list(dict.fromkeys(names or [*standard, *known]))
    if not standard and not names:
        raise ConfigurationError(
            "The systems of this connection serve no standard mapping",
            cause="The standard mappings are those of Business Central and Dataverse.",
            remedy="Apply a mapping file instead: twinrow mapping apply FILE.",
        )
    made = [
        _standard_again(standard[name], known.get(name))
        if name in standard
        else known[name].model_copy(update={"enabled": False})
        for name in wanted
    ]
    told = Reset(
        tuple(name for name in wanted if name in standard),
        tuple(name for name in wanted if name not in standard),
        tuple(changes(known, made)),
    )
    return told, made


def _served(context: ActionContext, mapping: TableMapping) -> bool:
    """Whether both systems have the mapping's tables and fields, or say why they lack some.

    A site without the extension's pages lacks tables; a system of another kind may have a table of the same name.
    """
    pair = context.pair()
    try:
        tables = {side: context.connector(pair.system(side)).describe(mapping.table(side)) for side in Side}
    except UnknownTable:
        return False
    names = [(table, name) for row in mapping.fields for side, table in tables.items() if (name := row.field(side))]
    return all(name in table.fields or name in table.absent for table, name in names)


def _standard_again(standard: TableMapping, present: TableMapping | None) -> TableMapping:
    of_the_standard = {row.key for row in standard.fields}
    added = [
        row.model_copy(update={"enabled": False})
        for row in (present.fields if present is not None else ())
        if row.user_defined and row.key not in of_the_standard
    ]
    return standard.model_copy(update={"fields": (*standard.fields, *added)})


def enable_mapping(context: ActionContext, name: str) -> TableMapping:
    """Let a mapping run again. Raises `UnknownName`."""
    return _switch(context, name, True)


def disable_mapping(context: ActionContext, name: str) -> TableMapping:
    """Take a mapping out of use: it does not run until it is enabled; what is remembered stays. Raises `UnknownName`."""
    return _switch(context, name, False)


def _switch(context: ActionContext, name: str, enabled: bool) -> TableMapping:
    mapping = context.mapping(name).mapping.model_copy(update={"enabled": enabled})
    save_mappings(context, [mapping])
    return mapping


def remove_mapping(context: ActionContext, name: str, *, forget_couplings: bool = False) -> int:
    """Remove a mapping and everything that is remembered of its records; return how many couplings that were.

    The records themselves stay as they are in both systems. A mapping with couplings is removed only with `forget_couplings`.
    Raises `UnknownName`, `LeaseHeld` while it runs, `ConfigurationError` where other mappings refer to it.
    """
    stored = context.mapping(name)
    referring = [
        other.name
        for other in context.mappings()
        if other.name != name and any(row.enabled and name in row.related_mapping for row in other.mapping.fields)
    ]
    if referring:
        raise ConfigurationError(
            f"Fields of {' and '.join(referring)} refer to records of {name}",
            remedy=f"Disable these fields first, or keep the mapping and disable it: twinrow mapping disable {name}.",
        )
    with context.database.transaction() as connection:
        lease = take_lease(connection, stored.id, None, this_process())
        try:
            coupled = count_couplings(connection, stored)
            if coupled and not forget_couplings:
                raise ConfigurationError(
                    f"{name} has {coupled:,} couplings, which would be forgotten",
                    cause="Nothing would then tell which records belong together.",
                    remedy=f"Disable it instead (twinrow mapping disable {name}), or repeat with --forget-couplings.",
                )
            forget_mapping(connection, stored.id)
        finally:
            release_lease(connection, lease)
    return coupled
