"""Values: what the records of a side say in the fields by which they are matched, in terms that both sides share.

A value is compared as the pass of its criterion would carry it: the source's in the destination's terms, the destination's as
it is, both in the form in which a run compares them (`batch.convert.comparable`), texts without blanks at the end and, unless
their case counts, in small letters. Frames have `@id` and for each criterion `value.i` (null: there is none, or it cannot be
carried) and `filled.i` (the record has one).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from twinrow.batch.canonical import NULL, canonical
from twinrow.batch.columns import DELETED, ID
from twinrow.batch.convert import comparable
from twinrow.connectors.base import ChangeRequest
from twinrow.engine import columns as c
from twinrow.engine.ahead import read_ahead
from twinrow.engine.carry import CarryContext, carry
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import MappingContext, ReadContext
from twinrow.engine.decide import any_of
from twinrow.engine.lookups import References, rule_lookups
from twinrow.engine.match.criteria import Criteria, Criterion
from twinrow.engine.pair import ADMITTED, IN_FILTER, admit, in_filter
from twinrow.engine.rule_inputs import lookups_of
from twinrow.model.filters import Filter, all_of, filter_fields
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import FieldType

MERGED = "@merged"
"""Whether somebody has merged the record into another one: it is nobody's counterpart any more."""

_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}
_NO_ID = "00000000-0000-0000-0000-000000000000"
_IDS = (FieldType.GUID, FieldType.REFERENCE)


def value(index: int) -> str:
    """Return the column of a criterion's value in comparable form; null: the record has none that could equal another."""
    return f"value.{index}"


def filled(index: int) -> str:
    """Return the column that says whether the record itself has a value for a criterion."""
    return f"filled.{index}"


def chosen(group: Sequence[Criterion], bits: int) -> list[Criterion]:
    """Return the criteria of a group for which a record has values, as `mask` says."""
    return [criterion for bit, criterion in enumerate(group) if bits >> bit & 1]


def mask(group: Sequence[Criterion]) -> pl.Expr:
    """Return for which criteria of a group a local record has values, as bits."""
    bits = [pl.col(filled(one.plan.index)).cast(pl.UInt32) * (1 << bit) for bit, one in enumerate(group)]
    return pl.sum_horizontal(bits)


def usable(group: Sequence[Criterion]) -> pl.Expr:
    """Return where a local record has at least one value of a group, and all that it has can be compared."""
    known = [~pl.col(filled(one.plan.index)) | pl.col(value(one.plan.index)).is_not_null() for one in group]
    return any_of(pl.col(filled(one.plan.index)) for one in group) & pl.all_horizontal(known)


class SideValues:
    """Reads the records of a side that take part, with what they say in the fields of the criteria."""

    def __init__(self, context: MappingContext, criteria: Criteria, side: Side) -> None:
        self._context = context
        self._criteria = criteria
        self._side = side
        self._whole = ReadContext(context, _SOURCE[side])
        self._reading = ReadContext(replace(context, plans=criteria.plans), _SOURCE[side])
        self._references = References(self._reading)
        self._rule_lookups = lookups_of(self._reading)
        self._ruled = bool(context.rules) and self._reading.pass_ in context.mapping.mapping.direction.passes

    @property
    def _fields(self) -> tuple[str, ...]:
        """The fields that are read: those of the criteria and the filter; rules may look at any that is mapped."""
        if self._ruled:
            return tuple(dict.fromkeys((*self._whole.source_fields, *self._criteria.plans.names(self._side))))
        merged = self._reading.source.capabilities.merged_into
        names = [*self._criteria.plans.names(self._side), *sorted(filter_fields(self._reading.condition))]
        names += [merged] if merged is not None and merged in self._reading.source.table.fields else []
        return tuple(dict.fromkeys(names))

    def pages(self, condition: Filter | None = None) -> Iterator[pl.DataFrame]:
        """Yield all records of the side within its filter that the mapping's rules let take part, in pages.

        A record that is changed meanwhile may come twice. A further `condition` is asked of the system, which may let more
        through.
        """
        end = self._reading.source
        asked = all_of(self._reading.condition, condition)
        request = ChangeRequest(end.table.name, self._fields, None, None, asked, self._context.engine.page_rows)
        pages = end.connector.changes(request)
        for page in read_ahead(pages) if end.capabilities.reads_ahead else pages:
            frame = self._compared(_present(page.frame))
            takes_part = frame.select(pl.col(IN_FILTER) & pl.col(ADMITTED) & ~pl.col(MERGED)).to_series()
            yield frame if takes_part.all() else frame.filter(takes_part)

    def fetched(self, ids: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the records with these ids, as far as they exist, whether they take part or not.

        `@in_filter`, `@admitted` and `@merged` say whether they do.
        """
        end, rows = self._reading.source, self._context.engine.page_rows
        possible = possible_ids(self._context.mapping, self._side, dict.fromkeys(ids))
        for start in range(0, len(possible), rows):
            chunk = possible[start : start + rows]
            yield self._compared(end.connector.fetch(end.table.name, self._fields, chunk))

    def _compared(self, frame: pl.DataFrame) -> pl.DataFrame:
        reading, hooks = self._reading, self._reading.hooks
        frame = frame.with_columns(in_filter(reading).alias(IN_FILTER), self._merged(frame).alias(MERGED))
        if self._ruled:
            frame, hooks = rule_lookups(reading, frame)
            frame = admit(reading, hooks, frame)
        else:
            frame = frame.with_columns(pl.lit(True).alias(ADMITTED))
        inputs = self._rule_lookups.for_batch(frame, reading.carried, hooks)
        rules = reading.shared.rules if self._ruled else ()
        frame = carry(frame, CarryContext(hooks, reading.plans, rules, inputs, self._references.for_batch(frame)))
        columns = [column for criterion in self._criteria.all for column in self._columns(criterion)]
        return frame.select(ID, IN_FILTER, ADMITTED, MERGED, *columns)

    def _merged(self, frame: pl.DataFrame) -> pl.Expr:
        name = self._reading.source.capabilities.merged_into
        return pl.col(name).is_not_null() if name is not None and name in frame.columns else pl.lit(False)

    def _columns(self, criterion: Criterion) -> list[pl.Expr]:
        plan, pass_ = criterion.plan, criterion.pass_
        own_field = plan.field(self._side)
        own = canonical(pl.col(own_field.name), own_field)
        has_own = ~_is_blank(own.str.strip_chars() if own_field.is_text else own)
        if pass_ is not self._reading.pass_:
            form = _form(own, criterion)
            return [form.alias(value(plan.index)), form.is_not_null().alias(filled(plan.index))]
        carriable = pl.col(c.problem(plan.index)).is_null() & ~pl.col(c.unresolved(plan.index))
        form = _form(pl.col(c.carried_text(plan.index)), criterion)
        # A value of which the rules leave nothing is as good as none; one that they cannot carry equals nothing.
        return [
            pl.when(carriable & has_own).then(form).alias(value(plan.index)),
            (has_own & ~(carriable & form.is_null())).alias(filled(plan.index)),
        ]


def _present(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the records of a page of a feed, each once; a page that has to be changed is rare."""
    if frame.get_column(DELETED).any():
        frame = frame.filter(~pl.col(DELETED))
    if frame.get_column(ID).n_unique() == frame.height:
        return frame
    return frame.unique(ID, keep="last", maintain_order=True)


def _form(text: pl.Expr, criterion: Criterion) -> pl.Expr:
    """Return the comparable form of canonical texts of the destination's field; null where they are blank."""
    destination = criterion.plan.field(criterion.pass_.destination)
    form = comparable(text, destination, criterion.plan.field(criterion.pass_.source))
    if destination.is_text:
        form = form.str.strip_chars_end(" ")
        if not criterion.case_sensitive or destination.type in _IDS:
            form = form.str.to_lowercase()
    blank = _is_blank(form)
    if destination.type in _IDS:
        blank = blank | (form == _NO_ID)
    return pl.when(~blank).then(form)


def _is_blank(text: pl.Expr) -> pl.Expr:
    return (text == "") | (text == NULL)
