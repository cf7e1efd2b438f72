"""Scored matching: the records that exact criteria leave over, coupled or proposed by how alike they are.

Both sides are read in pages (`values`) into a stock; candidate pairs are found by shared keys (`blocks`), compared field by field
(`patterns`), and weighed with weights that were learned from the records themselves (`scoring`). A pair that is as good as
certain is coupled, one that is likely is proposed to a person, the others are left.

What was learned is kept, and so is which records were looked at, with a digest of their values. The next time only pairs with a
record that is new or has changed are compared, and they stand against the proposals that are open. Weights are learned anew when
other fields are compared, when there are many more records than they were learned from, and when somebody asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import Connection

from twinrow.batch.columns import ID
from twinrow.engine.amend import unsettled_ids
from twinrow.engine.context import RunContext
from twinrow.engine.match.blocks import INTEGRATION, LOCAL, find_candidates
from twinrow.engine.match.job import CouplingJob
from twinrow.engine.match.kinds import as_criteria, compared_fields
from twinrow.engine.match.measures import LEVELS, UNKNOWN
from twinrow.engine.match.patterns import level
from twinrow.engine.match.scoring import AGAINST, OWN, PLACED, PROBABILITY, SCORE, bits, judge, learn, score
from twinrow.engine.match.stock import DIGEST, FRESH, Compared, Stock, said
from twinrow.engine.match.values import SideValues, value
from twinrow.engine.match.weights import Weights
from twinrow.model.sides import Side
from twinrow.store.couplings import by_record
from twinrow.store.leases import check_fence
from twinrow.store.proposals import (
    ACCEPTED,
    BY_ITSELF,
    REJECTED,
    Learned,
    decide,
    forget_proposals,
    known_pairs,
    mark_scored,
    open_pairs,
    read_learned,
    read_scored,
    renew_proposals,
    save_learned,
    save_proposals,
)
from twinrow.store.restraints import check_stop

Progress = Callable[[str, int], None]
"""Called with what is being done and how many records or pairs that has come to."""

CERTAIN = 0.999
"""From this probability on a pair is coupled by itself."""
OWN_BITS, CONTRADICTIONS, PLACE_BITS = 8.0, 1, -4.0
"""And only if the fields that records do not share say so much, no more of them than that speak against it, and what tells a
place does not speak against it by more than this: members of a family, and branches of a company, have the rest in common."""
LIKELY = 0.01
"""From this probability on a pair is proposed."""

_GROWN = 2
"""Weights are learned anew from a stock that is so many times as large."""
_AT_ONCE = 5_000
_READING = {Side.LOCAL: "local records read", Side.INTEGRATION: "integration records read"}


@dataclass(slots=True)
class Scored:
    """What a scored matching has come to.

    `records` are the uncoupled records of each side that took part, `fresh` those that are new or have changed since the last
    time. `coupled` counts pairs, `proposed` open proposals afterwards, `learned` whether the weights are new.
    """

    fields: tuple[Compared, ...]
    records: dict[Side, int]
    fresh: dict[Side, int]
    learned: bool = False
    compared: int = 0
    coupled: int = 0
    proposed: int = 0


class ScoredMatching:
    """One scored matching of a mapping, under its lease."""

    def __init__(self, shared: RunContext, job: CouplingJob, progress: Progress | None = None) -> None:
        self._shared = shared
        self._job = job
        self._progress = progress or (lambda _what, _count: None)
        chosen = compared_fields(shared.mapping.mapping, shared.plans.plans)
        self._plans = [plan for plan, _ in chosen]
        self._fields = tuple(field for _, field in chosen)
        nothing = dict.fromkeys(Side, 0)
        self.result = Scored(self._fields, dict(nothing), dict(nothing))

    def run(self, *, again: bool = False, only_propose: bool = False) -> Scored:
        """Match. `again` learns anew and looks at every record; `only_propose` couples nothing by itself.

        Raises `ConfigurationError` where nothing can be compared, `Stopped`, `LeaseLost`, and what keeps a side from being read.
        """
        shared, result = self._shared, self.result
        with shared.database.reading() as connection:
            known = None if again else read_learned(connection, shared.mapping)
        if known is not None and known.shape != self._shape:
            known = None
        with Stock(self._fields) as stock:
            self._read(stock, known is None)
            total = sum(stock.count(side) for side in Side)
            if known is not None and total > _GROWN * known.records:
                known = None
                stock.all_fresh()
            result.records = {side: stock.count(side) for side in Side}
            result.fresh = {side: int(stock.records[side].get_column(FRESH).sum()) for side in Side}
            found = find_candidates(stock)
            self._job.pause()
            if known is None:
                self._progress("records to learn from", total)
                known = Learned(self._shape, _stored(learn(stock, found)), total)
                with shared.database.transaction() as connection:
                    self._check(connection)
                    save_learned(connection, shared.mapping, known, shared.clock.now())
                result.learned = True
            weights = _weights(known.weights)
            parts = []
            for scored in score(stock, found, weights):
                self._job.pause()
                parts.append(scored)
                result.compared += scored.height
                self._progress("likely pairs found", result.compared)
            self._conclude(stock, parts, known.records, only_propose=only_propose)
        return result

    @property
    def _shape(self) -> str:
        """A text that changes with the fields that are compared, and how: other weights are needed then."""
        parts = [
            [plan.identity, field.kind.value, LEVELS[field.kind]]
            for plan, field in zip(self._plans, self._fields, strict=True)
        ]
        return json.dumps(parts)

    # Reading.

    def _read(self, stock: Stock, everything: bool) -> None:
        shared = self._shared
        criteria = as_criteria(shared.mapping.mapping, shared.plans.plans, self._plans)
        held = unsettled_ids(shared)
        for side in Side:
            count = 0
            for page in SideValues(shared, criteria, side).pages():
                self._job.pause()
                frame = page.select(ID, *(pl.col(value(i)).alias(said(i)) for i in range(len(self._fields))))
                frame = self._taking_part(side, frame, held[side])
                stock.add(side, self._freshness(side, frame, everything))
                count += page.height
                self._progress(_READING[side], count)
        stock.close_intake()

    def _taking_part(self, side: Side, frame: pl.DataFrame, held: set[str]) -> pl.DataFrame:
        """Return the records of a page that are not coupled, and of which it is known what was last sent for them."""
        with self._shared.database.reading() as connection:
            known = by_record(connection, self._shared.mapping, side, frame.get_column(ID).to_list())
        out = pl.col(ID).is_in(known.get_column(f"{side.value}_id").implode()) | pl.col(ID).is_in(list(held))
        pilot = self._shared.pilot
        if pilot is not None and pilot.side is side:
            out = out | ~pilot.has(side, pl.col(ID), pl.lit(None, dtype=pl.String))
        return frame.filter(~out)

    def _freshness(self, side: Side, frame: pl.DataFrame, everything: bool) -> pl.DataFrame:
        """Add `@digest` of the compared values, and whether the record is new or its values are."""
        texts = [pl.col(said(index)).fill_null("\x01") for index in range(len(self._fields))]
        digest = pl.concat_str(texts, separator="\x1f").hash(seed=11).reinterpret(signed=True)
        frame = frame.with_columns(digest.alias(DIGEST))
        if everything:
            return frame.with_columns(pl.lit(True).alias(FRESH))
        with self._shared.database.reading() as connection:
            told = read_scored(connection, self._shared.mapping, side, frame.get_column(ID).to_list())
        joined = frame.join(told.rename({"id": ID, "digest": "told"}), on=ID, how="left", maintain_order="left")
        return joined.with_columns((pl.col("told") != pl.col(DIGEST)).fill_null(True).alias(FRESH)).drop("told")

    # What follows from the scores.

    def _conclude(self, stock: Stock, parts: Sequence[pl.DataFrame], learned_from: int, *, only_propose: bool) -> None:
        shared = self._shared
        scored = pl.concat([self._nothing, *parts])
        scored = scored.with_columns(
            stock.records[side].get_column(ID).gather(scored.get_column(side.value)).alias(f"{side.value}_id")
            for side in Side
        )
        with shared.database.reading() as connection:
            known = known_pairs(connection, shared.mapping, stock.records[Side.LOCAL].get_column(ID).to_list())
            before, stale = _still_open(stock, open_pairs(connection, shared.mapping))
        said_of = {state: known.filter(pl.col("state") == state) for state in (ACCEPTED, REJECTED)}
        scored = scored.join(said_of[REJECTED], on=_PAIR, how="anti")
        judged = judge(pl.concat([scored, before], how="diagonal"), self.result.records, learned_from)
        # Whoever has parted two records that were coupled is asked before they are coupled again.
        parted = said_of[ACCEPTED].select(*_PAIR, pl.lit(True).alias("parted"))
        judged = judged.join(parted, on=_PAIR, how="left", maintain_order="left")
        certain = is_certain() & pl.col("parted").is_null() & pl.lit(not only_propose)
        self._couple(stock, judged.filter(certain))
        others = judged.filter(~certain)
        likely = others.filter(pl.col(PROBABILITY) >= LIKELY)
        dropped = others.filter(pl.col(PROBABILITY) < LIKELY).get_column("id").drop_nulls()
        with shared.database.transaction() as connection:
            self._check(connection)
            forget_proposals(connection, [*stale, *dropped])
            renew_proposals(connection, likely.drop_nulls("id").select("id", PROBABILITY))
        for portion in _portions(likely.filter(pl.col("id").is_null())):
            explained = self._explained(stock, portion)
            with shared.database.transaction() as connection:
                self._check(connection)
                save_proposals(connection, shared.mapping, explained, shared.clock.now())
        self._mark(stock)
        self.result.proposed = likely.height

    def _couple(self, stock: Stock, pairs: pl.DataFrame) -> None:
        shared = self._shared
        for portion in _portions(pairs):
            self._job.couple(portion.select(_PAIR))
            self.result.coupled += portion.height
            self._progress("pairs coupled", self.result.coupled)
            explained = self._explained(stock, portion.filter(pl.col("id").is_null()))
            with shared.database.transaction() as connection:
                self._check(connection)
                save_proposals(connection, shared.mapping, explained, shared.clock.now(), state=ACCEPTED)
                open_before = portion.get_column("id").drop_nulls().to_list()
                decide(connection, open_before, ACCEPTED, BY_ITSELF, shared.clock.now())

    def _mark(self, stock: Stock) -> None:
        """Store which records were looked at. It comes last: what is broken off before is looked at again."""
        shared = self._shared
        for side in Side:
            fresh = stock.records[side].filter(FRESH).unique(ID, keep="last", maintain_order=True)
            for portion in _portions(fresh.select(pl.col(ID).alias("id"), pl.col(DIGEST).alias("digest"))):
                with shared.database.transaction() as connection:
                    self._check(connection)
                    mark_scored(connection, shared.mapping, side, portion)

    def _check(self, connection: Connection) -> None:
        if check_fence(connection, self._shared.lease):
            check_stop(connection)

    @property
    def _nothing(self) -> pl.DataFrame:
        """Scored pairs, of which there are none."""
        fields = range(len(self._fields))
        schema: dict[str, pl.DataType] = {
            LOCAL: pl.UInt32(),
            INTEGRATION: pl.UInt32(),
            **{level(index): pl.Int8() for index in fields},
            **{bits(index): pl.Float64() for index in fields},
            SCORE: pl.Float64(),
            OWN: pl.Float64(),
            PLACED: pl.Float64(),
            AGAINST: pl.Int32(),
        }
        return pl.DataFrame(schema=schema)

    def _explained(self, stock: Stock, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return pairs as they are stored: with both values of each field, what comparing them came to, and its bits."""
        frame = pairs
        for side in Side:
            values = stock.values(side, pairs.get_column(side.value)).drop(ID)
            renamed = values.rename({said(index): f"{side.value}.{index}" for index in range(len(self._fields))})
            frame = frame.join(renamed, left_on=side.value, right_on="row", how="left", maintain_order="left")
        reasons = [_reason(index, field) for index, field in enumerate(self._fields)]
        return frame.select(
            *_PAIR,
            SCORE,
            PROBABILITY,
            pl.struct(pl.concat_list(reasons).alias("fields")).struct.json_encode().alias("explanation"),
        )


_PAIR = ["local_id", "integration_id"]


def is_certain() -> pl.Expr:
    """Return which judged pairs are coupled without asking anybody."""
    alone = (pl.col(OWN) >= OWN_BITS) & (pl.col(AGAINST) <= CONTRADICTIONS)
    here = pl.col(PLACED) >= PLACE_BITS
    return (pl.col(PROBABILITY) >= CERTAIN) & (alone & here).fill_null(False)


def _still_open(stock: Stock, proposals: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """Return the open proposals whose records both are as they were, as scored pairs with their numbers (`id`).

    And the numbers of the others: one record is coupled, gone, or another one since, and was compared anew.
    """
    frame = proposals
    for side in Side:
        unchanged = stock.records[side].select(pl.col(ID).alias(f"{side.value}_id"), FRESH).with_row_index(side.value)
        frame = frame.join(unchanged.filter(~pl.col(FRESH)).drop(FRESH), on=f"{side.value}_id", how="left")
    standing = frame.drop_nulls([LOCAL, INTEGRATION])
    stale = proposals.filter(~pl.col("id").is_in(standing.get_column("id").implode()))
    return standing.select("id", LOCAL, INTEGRATION, *_PAIR, SCORE), stale.get_column("id").to_list()


def _reason(index: int, field: Compared) -> pl.Expr:
    names = dict(enumerate(LEVELS[field.kind])) | {UNKNOWN: "blank on one side"}
    return pl.struct(
        pl.lit(field.key).alias("field"),
        pl.lit(field.caption).alias("caption"),
        pl.lit(field.kind.value).alias("kind"),
        pl.col(f"local.{index}").alias("local"),
        pl.col(f"integration.{index}").alias("integration"),
        pl.col(level(index)).cast(pl.Int64).replace_strict(names, return_dtype=pl.String).alias("result"),
        pl.col(bits(index)).round(1).alias("bits"),
    )


def _portions(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for start in range(0, frame.height, _AT_ONCE):
        yield frame.slice(start, _AT_ONCE)


def _stored(weights: Weights) -> Any:
    return {"m": [one.tolist() for one in weights.m], "u": [one.tolist() for one in weights.u]}


def _weights(stored: Any) -> Weights:
    return Weights(tuple(np.array(one) for one in stored["m"]), tuple(np.array(one) for one in stored["u"]))
