"""Hook points: where the rules of special tables come in.

A rule is a subclass of `Rule`, registered by name in `standard.rules`, and takes part in the mappings that name it. It says
what it reads and what must be looked up; the engine reads and looks up, and the rule only works on columns. So the stages
stay pure, and the engine knows the hook points and no table's name.

| Hook point | What a rule can do there |
| --- | --- |
| `admit` | leave source records out |
| `natural` | recognize the counterpart of an uncoupled record by a value |
| `derived` | add a one-way field whose value is computed from the source |
| `adjust` | change the carried value of a mapped field |
| `refuse` | say why the value of a mapped field cannot be carried |
| `translate` | add pairs to the translation of a reference |
| `complete_create` | fill fields of a record that is about to be made |
| `resets` | clear what marks a destination record as ours, when it is uncoupled |
| `follows` | say with whose records those of the mapping are uncoupled |

Expressions work on the source batch: fields under their own names, coupling lookups as `lookup(name)`, the first row that a
table lookup found as `lookup(name, field)`. Whole lookup frames are in `HookContext.lookups`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from twinrow.model.filters import Filter
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, Table


def lookup(name: str, field: str = "id") -> str:
    """Return the name of the column with what was looked up: the counterpart's id, or a field of the row found."""
    return f"lookup.{name}.{field}"


@dataclass(frozen=True, slots=True)
class CouplingLookup:
    """Asks for the counterparts of the records that a source field names, in the couplings of a mapping."""

    name: str
    mapping: str
    column: str


@dataclass(frozen=True, slots=True)
class TableLookup:
    """Asks for rows of a table of a side.

    With `column`, the rows whose `key` is one of that source field's values; otherwise those that satisfy `condition`.
    Where several rows have one key, the one with the highest `latest` counts.
    """

    name: str
    side: Side
    table: str
    fields: tuple[str, ...]
    key: str | None = None
    column: str | None = None
    condition: Filter | None = None
    latest: str | None = None


Lookup = CouplingLookup | TableLookup


@dataclass(frozen=True, slots=True)
class HookContext:
    """What a rule may know: the pass, the tables, the settings of the connection, and what was looked up.

    Settings that rules use: `ownership_model`, `owner_team_id`, `check_owners` and `business_unit_id`, `company_id`,
    `local_currency_code`, `local_currency_id` (the local currency's integration record), `base_currency_code`,
    `currency_precision`.
    """

    pass_: Pass
    source: Table
    destination: Table
    settings: Mapping[str, Any]
    lookups: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derived:
    """A one-way field whose source value a rule computes.

    `source` describes the computed value (its type must be `column_type(source)`), `destination` names the field written.
    `error` yields a text where it cannot be computed, `waits` is true where a related record is not coupled yet.
    `not_null`: a null value leaves the destination as it is. `on_create_only`: never written to a record that is there already.
    """

    destination: str
    source: Field
    value: Callable[[HookContext], pl.Expr]
    error: Callable[[HookContext], pl.Expr] | None = None
    waits: Callable[[HookContext], pl.Expr] | None = None
    not_null: bool = False
    on_create_only: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """Says that records are uncoupled together with the record of another mapping that they name, each side by its field.

    A side whose table does not have the field does not count.
    """

    mapping: str
    fields: Mapping[Side, str]


class Rule:
    """The base of all rules: takes part nowhere. Subclasses override the hook points that they need."""

    name: str = ""

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Return the source fields that the rule looks at, beside the mapped ones; those that a table lacks stay away."""
        del pass_
        return ()

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Return what must be looked up for a batch."""
        del context
        return ()

    def admit(self, context: HookContext) -> pl.Expr | None:
        """Return where a source record takes part (true), or None when all do."""
        del context
        return None

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        """Return the source and the destination field by whose equal value (regardless of case) a counterpart is known.

        The source's value is brought into the destination's form first: cut to its length, put into upper case.
        """
        del context
        return None

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Return the derived fields of the pass."""
        del context
        return ()

    def adjust(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr:
        """Return what is carried into a destination field instead of `value` (which has the field's column type)."""
        del context, field
        return value

    def refuse(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr | None:
        """Return why `value` cannot be carried into a destination field (a text, null where it can), or None: it always can."""
        del context, field, value
        return None

    def translate(self, context: HookContext, field: str) -> dict[str | None, str | None]:
        """Return pairs that the translation of a destination reference knows besides couplings; None is a blank."""
        del context, field
        return {}

    def complete_create(
        self, context: HookContext, frame: pl.DataFrame, carried: Mapping[str, str]
    ) -> dict[str, pl.Expr]:
        """Return destination fields and their values for records about to be made.

        `carried` names the column of `frame` that holds the carried value of each mapped destination field.
        """
        del context, frame, carried
        return {}

    def resets(self, context: HookContext) -> Mapping[str, Any]:
        """Return destination fields and the own values that are taken out of them when a record is uncoupled."""
        del context
        return {}

    def follows(self) -> tuple[Followed, ...]:
        """Return with whose records those of the mapping are uncoupled."""
        return ()
