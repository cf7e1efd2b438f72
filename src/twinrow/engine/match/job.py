"""The job of a matching: its pairs are coupled batch by batch, its unmatched records are told of.

Each batch is one store transaction under the lease of the mapping. What was stored stays, whenever the process ends: whoever
matches again finds the records coupled, and goes on with the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from sqlalchemy.exc import IntegrityError

from twinrow.engine.context import RunContext
from twinrow.model.outcomes import Counters, Decision, Ignored, Recovery, Unmatched
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import COUPLING_SCHEMA, by_record, insert_couplings
from twinrow.store.errors import ERROR_SCHEMA, add_errors
from twinrow.store.leases import check_fence
from twinrow.store.pending import MATCHED, clear_pending, has_open_work, look_again, make_counterparts
from twinrow.store.restraints import check_stop
from twinrow.store.runs import advance_job, finish_job, start_job
from twinrow.store.watermarks import read_again, read_watermark

COUPLING = "coupling"
"""The type of the job."""

FEW = 10_000
"""So many new couplings are looked at one by one by the next run; where there are more, it reads everything again."""

_REMEDIES: Mapping[Unmatched, str] = {
    Unmatched.NO_VALUE: "Fill in one of the fields to match by, match by others, or couple it by hand.",
    Unmatched.NO_MATCH: "Match by other fields, couple it by hand, or have its counterpart made.",
    Unmatched.SEVERAL: "Merge the records that are the same, match by further fields, or couple it by hand.",
    Unmatched.COUPLED: "Look whether the two local records are the same; or couple it by hand to another record.",
    Unmatched.RIVALS: "Look whether the local records are the same; match by further fields, or couple one by hand.",
    Unmatched.REJECTED: "Nothing, if they are different; else accept the proposal, or couple them by hand.",
    Unmatched.UNSETTLED: "Run the mapping, which finds out; then match again.",
}


class CouplingJob:
    """A coupling job under way."""

    def __init__(self, shared: RunContext) -> None:
        self._shared = shared
        with shared.database.transaction() as connection:
            self._job = start_job(connection, shared.run, COUPLING, None, shared.clock.now())
            marks = {side: read_watermark(connection, shared.mapping.id, side) for side in Side}
            self._waiting = [pass_ for pass_ in Pass if has_open_work(connection, shared.mapping, pass_)]
        self._read_before = any(mark is not None for mark in marks.values())
        self.coupled = 0
        self.couplings: tuple[int, int] | None = None
        """The numbers of the first and the last coupling that was made; nobody else makes any meanwhile."""

    @property
    def number(self) -> int:
        """The job's number."""
        return self._job.id

    def pause(self) -> None:
        """Look whether the work is to go on. Raises `Stopped` or `LeaseLost`."""
        with self._shared.database.transaction() as connection:
            if check_fence(connection, self._shared.lease):
                check_stop(connection)

    def couple(self, pairs: pl.DataFrame) -> None:
        """Couple pairs of records (`local_id`, `integration_id`) neither of which is coupled."""
        try:
            self._store(pairs)
        except IntegrityError:
            # A record that was changed while its feed was read came twice, with other values.
            self._store(self._not_coupled(pairs))

    def _not_coupled(self, pairs: pl.DataFrame) -> pl.DataFrame:
        for side in Side:
            name = f"{side.value}_id"
            pairs = pairs.unique(name, keep="last", maintain_order=True)
            with self._shared.database.reading() as connection:
                known = by_record(connection, self._shared.mapping, side, pairs.get_column(name).to_list())
            pairs = pairs.filter(~pl.col(name).is_in(known.get_column(name).implode()))
        return pairs

    def _store(self, pairs: pl.DataFrame) -> None:
        shared, mapping, count = self._shared, self._shared.mapping, pairs.height
        rows = pairs.sort("local_id").select(
            pl.col(name) if name in ("local_id", "integration_id") else pl.lit(None, dtype=kind).alias(name)
            for name, kind in COUPLING_SCHEMA.items()
            if name not in ("coupling_id", "state")
        )
        with shared.database.transaction() as connection:
            if check_fence(connection, shared.lease):
                check_stop(connection)
            numbered = insert_couplings(
                connection, mapping, rows.with_columns(pl.lit(0, dtype=pl.Int64).alias("state"))
            )
            for pass_ in self._waiting:
                clear_pending(connection, mapping, pass_, pairs.get_column(f"{pass_.source.value}_id").to_list())
            if self._read_before and self.coupled + count <= FEW:
                look_again(
                    connection, mapping, numbered.get_column("coupling_id").to_list(), MATCHED, shared.clock.now()
                )
            elif self._read_before:
                read_again(connection, mapping.id)
            counted = Counters(read=count, unchanged=count, coupled=count)
            advance_job(connection, self.number, counted, {}, None, None)
        self.coupled += count
        if count:
            numbers = numbered.get_column("coupling_id")
            self.couplings = (self.couplings[0] if self.couplings else int(numbers[0]), int(numbers[-1]))

    def tell_unmatched(self, unmatched: pl.DataFrame, *, to_be_made: bool = False) -> None:
        """Tell of local records (`local_id`, `reason`) for which no counterpart was found: an error row for each.

        `to_be_made`: nothing has failed, but the next run makes their counterparts.
        """
        shared, mapping, now = self._shared, self._shared.mapping, self._shared.clock.now()
        # Of what was sent for a record without an answer, something may have been made.
        making = (pl.col("reason") != Unmatched.UNSETTLED.value) & to_be_made
        made, failed = unmatched.filter(making), unmatched.filter(~making)
        with shared.database.transaction() as connection:
            if check_fence(connection, shared.lease):
                check_stop(connection)
            make_counterparts(connection, mapping, Pass.TO, made.get_column("local_id"), self.number, now)
            add_errors(connection, mapping, Pass.TO, self.number, now, _error_rows(failed))
            reasons = {Ignored.TO_BE_MADE.value: made.height} if made.height else {}
            counted = Counters(read=unmatched.height, ignored=made.height, failed=failed.height)
            advance_job(connection, self.number, counted, reasons, None, None)

    def tell_refused(self, pairs: pl.DataFrame) -> None:
        """Tell of pairs (`local_id`, `integration_id`, `message`) that are not coupled: an error row for each."""
        shared, mapping, now = self._shared, self._shared.mapping, self._shared.clock.now()
        rows = _rows(pairs, pl.col("integration_id"), pl.col("message"), pl.lit(None, dtype=pl.String))
        with shared.database.transaction() as connection:
            if check_fence(connection, shared.lease):
                check_stop(connection)
            add_errors(connection, mapping, Pass.TO, self.number, now, rows)
            advance_job(connection, self.number, Counters(read=pairs.height, failed=pairs.height), {}, None, None)

    def finish(self, message: str | None) -> None:
        """End the job; `message` says for people what came of it."""
        with self._shared.database.transaction() as connection:
            check_fence(connection, self._shared.lease)
            finish_job(connection, self.number, message, self._shared.clock.now())


def _error_rows(unmatched: pl.DataFrame) -> pl.DataFrame:
    remedies = {reason.value: remedy for reason, remedy in _REMEDIES.items()}
    remedy = pl.col("reason").replace_strict(remedies, default=None, return_dtype=pl.String)
    return _rows(unmatched, pl.lit(None, dtype=pl.String), pl.col("reason"), remedy)


def _rows(frame: pl.DataFrame, integration_id: pl.Expr, reason: pl.Expr, remedy: pl.Expr) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.String)
    rows = frame.select(
        pl.col("local_id").alias("source_id"),
        integration_id.alias("destination_id"),
        pl.lit(int(Decision.LEFT_OUT), dtype=pl.Int64).alias("decision"),
        pl.lit(Recovery.DATA.value).alias("recovery"),
        nothing.alias("field"),
        pl.concat_str([pl.lit("not coupled: "), reason]).alias("message"),
        nothing.alias("cause"),
        remedy.alias("remedy"),
    )
    return rows.select(*ERROR_SCHEMA)
