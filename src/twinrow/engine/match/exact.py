"""Exact matching: pairs of uncoupled records that agree in the criteria of a group (semantics 11.2).

Each side is read once, in pages: the local one first, then the integration side. Of each record its id and a hash of its values
are staged for each group (`staged`), and joined partition by partition. Groups are tried one after the other, each with the
records for which the earlier ones found nobody. Exactly one integration record must agree; where it is coupled already, or
several local records would take it, nobody gets it.

A record is known by its number in the order of reading; what has become of it is one byte. Hashes have 64 bits, and a second
hash of as many must agree as well before two records are a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import polars as pl

from twinrow.batch.columns import ID
from twinrow.engine.context import MappingContext
from twinrow.engine.match.criteria import Criteria, Criterion
from twinrow.engine.match.narrowing import FEW, conditions
from twinrow.engine.match.staged import KEY, Staged, in_parts
from twinrow.engine.match.values import MERGED, SideValues, chosen, mask, usable, value
from twinrow.engine.pair import ADMITTED, IN_FILTER
from twinrow.model.outcomes import LeftOut, Unmatched
from twinrow.model.sides import Side
from twinrow.store.couplings import by_record
from twinrow.store.intents import open_intents

Progress = Callable[[str, int], None]
"""Called with what is being done and how many records that has come to."""

READING = {Side.LOCAL: "local records read", Side.INTEGRATION: "integration records read"}

HELD = 500_000
"""So many rows of a kind are held in memory; more are staged on disk."""

AT_ONCE = 200_000
"""So many pairs are handed over at once: SQLite writes every page of an index that a transaction touches."""

_NUMBER = "number"
_CHECK = "check"
_ROW = {_NUMBER: pl.UInt32(), "id": pl.String(), KEY: pl.UInt64(), _CHECK: pl.UInt64()}
_DONE = 254
_AGAIN, _MATCHED = _DONE, 255
_CODES = {reason: code for code, reason in enumerate(Unmatched)}
_REASONS = {code: reason.value for reason, code in _CODES.items()}
_SEEDS = {KEY: 1, _CHECK: 2}


@dataclass(slots=True)
class Matched:
    """What a matching has come to, in local records.

    `looked_at` counts those that are uncoupled and take part; each was matched (`by_group`) or is `unmatched`. `left_out` counts
    the others, as far as they were named or are within the filter. `refused` are records that were named and cannot take part.
    """

    looked_at: int = 0
    by_group: list[int] = field(default_factory=list)
    unmatched: dict[Unmatched, int] = field(default_factory=dict)
    left_out: dict[LeftOut, int] = field(default_factory=dict)
    refused: dict[str, LeftOut] = field(default_factory=dict)

    @property
    def matched(self) -> int:
        """How many records were matched."""
        return sum(self.by_group)

    def leave_out(self, reason: LeftOut, count: int) -> None:
        """Count records that are left out."""
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count


class Matching:
    """One matching of a mapping; a context manager, because it stages on disk. First `pairs`, then `unmatched`."""

    def __init__(
        self,
        context: MappingContext,
        criteria: Criteria,
        records: Sequence[str] = (),
        progress: Progress | None = None,
        pause: Callable[[], None] | None = None,
    ) -> None:
        """`records` are the ids of the only local records that are meant. `pause` is called now and then, and may raise."""
        self._context = context
        self._criteria = criteria
        self._records = tuple(dict.fromkeys(records))
        self._progress = progress or (lambda _what, _count: None)
        self._pause = pause or (lambda: None)
        self._folder = TemporaryDirectory(prefix="twinrow-matching-")
        self._everyone = self._staged("everyone", {_NUMBER: pl.UInt32(), "id": pl.String()})
        groups = range(len(criteria.groups))
        self._staged_rows = {side: [self._staged(f"{side.value}-{number}", _ROW) for number in groups] for side in Side}
        self._masks: list[set[int]] = [set() for _ in groups]
        self._chosen: list[pl.DataFrame] = []
        """What few records that were named say, as long as they are few."""
        self._came = pl.Series(dtype=pl.UInt8)
        self._taken = pl.Series(dtype=pl.Boolean)
        self.result = Matched(by_group=[0 for _ in groups])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _staged(self, name: str, schema: Mapping[str, pl.DataType]) -> Staged:
        return Staged(Path(self._folder.name), name, dict(schema), HELD)

    def pairs(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Read both sides, and yield the number of a group with pairs (`local_id`, `integration_id`) that are to be coupled.

        Each record stands in one pair at the most. What is yielded is taken for coupled.
        """
        self._read_local()
        if not any(self._masks):
            return
        self._read_integration()
        for number in range(len(self._criteria.groups)):
            for pairs in self._match(number):
                self.result.by_group[number] += pairs.height
                yield number, pairs

    def take_back(self, number: int, count: int) -> None:
        """Count pairs of a group that were yielded and not coupled after all, because a person has rejected them."""
        self.result.by_group[number] -= count
        self.result.unmatched[Unmatched.REJECTED] = self.result.unmatched.get(Unmatched.REJECTED, 0) + count

    def unmatched(self) -> Iterator[pl.DataFrame]:
        """Yield the local records for which nobody was found: `local_id` and `reason` (a value of `Unmatched`)."""
        for frame in self._everyone.in_order():
            told = frame.with_columns(self._came.gather(frame.get_column(_NUMBER)).alias("came"))
            told = told.filter(pl.col("came") < _DONE)
            reasons = told.select(
                pl.col("id").alias("local_id"),
                pl.col("came").replace_strict(_REASONS, return_dtype=pl.String).alias("reason"),
            )
            for start in range(0, reasons.height, AT_ONCE):
                part = reasons.slice(start, AT_ONCE)
                counts = part.get_column("reason").value_counts()
                for name, count in zip(counts.get_column("reason"), counts.get_column("count"), strict=True):
                    reason = Unmatched(name)
                    self.result.unmatched[reason] = self.result.unmatched.get(reason, 0) + count
                yield part

    # Reading.

    def _read_local(self) -> None:
        reader = SideValues(self._context, self._criteria, Side.LOCAL)
        unsettled = self._unsettled(Side.LOCAL)
        came: list[pl.Series] = []
        missing = set(self._records)
        count = read = 0
        for page in reader.fetched(self._records) if self._records else reader.pages():
            self._pause()
            read += page.height
            missing -= set(page.get_column(ID)) if missing else set()
            frame = self._taking_part(page)
            numbers = pl.int_range(count, count + frame.height, dtype=pl.UInt32, eager=True)
            waits = frame.get_column(ID).is_in(unsettled.implode())
            frame = frame.with_columns(numbers.alias(_NUMBER), pl.col(ID).alias("id"))
            came.append(waits.cast(pl.UInt8) * _CODES[Unmatched.UNSETTLED])
            self._everyone.add(frame)
            self._stage(Side.LOCAL, frame.filter(~waits))
            if len(self._records) in range(1, FEW + 1):
                self._chosen.append(frame.filter(~waits))
            count += frame.height
            self._progress(READING[Side.LOCAL], read)
        self._came = pl.concat(came) if came else self._came
        self.result.looked_at = count
        self.result.leave_out(LeftOut.NOT_FOUND, len(missing))
        self.result.refused |= dict.fromkeys(sorted(missing), LeftOut.NOT_FOUND)

    def _taking_part(self, page: pl.DataFrame) -> pl.DataFrame:
        """Return the uncoupled local records of a page that take part; count those left out."""
        with self._context.database.reading() as connection:
            known = by_record(connection, self._context.mapping, Side.LOCAL, page.get_column(ID).to_list())
        pilot = self._context.pilot
        inside = pl.lit(True)
        if pilot is not None and pilot.side is Side.LOCAL:
            inside = pilot.has(Side.LOCAL, pl.col(ID), pl.lit(None, dtype=pl.String))
        coupled = pl.col(ID).is_in(known.get_column("local_id").implode())
        cases = (
            (coupled, LeftOut.COUPLED),
            (~pl.col(IN_FILTER), LeftOut.OUTSIDE_FILTER),
            (~pl.col(ADMITTED) | pl.col(MERGED), LeftOut.RULE),
            (~inside, LeftOut.OUTSIDE_PILOT),
        )
        for condition, reason in cases:
            out = page.filter(condition)
            self.result.leave_out(reason, out.height)
            if self._records and reason is not LeftOut.COUPLED:
                self.result.refused |= dict.fromkeys(out.get_column(ID), reason)
            page = page.filter(~condition)
        return page

    def _read_integration(self) -> None:
        reader = SideValues(self._context, self._criteria, Side.INTEGRATION)
        unsettled = self._unsettled(Side.INTEGRATION)
        pilot = self._context.pilot
        taken: list[pl.Series] = []
        count = 0
        for frame in self._candidates(reader):
            self._pause()
            with self._context.database.reading() as connection:
                ids = frame.get_column(ID).to_list()
                known = by_record(connection, self._context.mapping, Side.INTEGRATION, ids)
            held = pl.col(ID).is_in(known.get_column("integration_id").implode()) | pl.col(ID).is_in(
                unsettled.implode()
            )
            if pilot is not None and pilot.side is Side.INTEGRATION:
                held = held | ~pilot.has(Side.INTEGRATION, pl.col(ID), pl.lit(None, dtype=pl.String))
            taken.append(frame.select(held).to_series().rename("taken"))
            numbers = pl.int_range(count, count + frame.height, dtype=pl.UInt32, eager=True)
            self._stage(Side.INTEGRATION, frame.with_columns(numbers.alias(_NUMBER), pl.col(ID).alias("id")))
            count += frame.height
            self._progress(READING[Side.INTEGRATION], count)
        self._taken = pl.concat(taken) if taken else self._taken

    def _candidates(self, reader: SideValues) -> Iterator[pl.DataFrame]:
        """Yield the integration records that could agree with a local one, each once as far as that can be told."""
        narrowed = conditions(self._criteria, pl.concat(self._chosen)) if self._chosen else None
        if narrowed is None:
            yield from reader.pages()
            return
        known = pl.Series(dtype=pl.String)
        for condition in narrowed:
            for frame in reader.pages(condition):
                new = frame.filter(~pl.col(ID).is_in(known.implode()))
                known = pl.concat([known, new.get_column(ID)])
                yield new

    def _unsettled(self, side: Side) -> pl.Series:
        """Return the records of a side of which it is not known what became of what was sent for them."""
        found: list[str] = []
        with self._context.database.reading() as connection:
            for intent in open_intents(connection, self._context.mapping.id):
                name = "source_id" if intent.pass_.source is side else "destination_id"
                found += intent.frame.get_column(name).drop_nulls().to_list()
        return pl.Series(found, dtype=pl.String)

    def _stage(self, side: Side, frame: pl.DataFrame) -> None:
        """Stage the records of a page for each group, under the hashes of their values.

        The values for which a local record is blank are ignored: so an integration record is staged once for each set of
        values that local records have.
        """
        for number, group in enumerate(self._criteria.groups):
            staged = self._staged_rows[side][number]
            if side is Side.LOCAL:
                rows = frame.filter(usable(group)).with_columns(mask(group).alias("mask"))
                for (bits,), part in rows.partition_by("mask", as_dict=True, include_key=False).items():
                    self._masks[number].add(int(str(bits)))
                    staged.add(_hashed(part, group, int(str(bits))))
                continue
            for bits in sorted(self._masks[number]):
                wanted = [pl.col(value(criterion.plan.index)).is_not_null() for criterion in chosen(group, bits)]
                staged.add(_hashed(frame.filter(pl.all_horizontal(wanted)), group, bits))

    # Matching.

    def _match(self, number: int) -> Iterator[pl.DataFrame]:
        """Yield the pairs of a group."""
        claims = pl.zeros(self._taken.len(), dtype=pl.UInt8, eager=True)
        schema = {_NUMBER: pl.UInt32(), "local_id": pl.String(), "other": pl.UInt32(), "integration_id": pl.String()}
        claimed = self._staged(f"claimed-{number}", schema)
        local, integration = (self._staged_rows[side][number] for side in (Side.LOCAL, Side.INTEGRATION))
        for here, there in in_parts(local, integration):
            self._pause()
            found = self._found(here, there)
            counts = found.get_column("other").value_counts()
            rows = counts.get_column("other")
            claims = claims.scatter(rows, (claims.gather(rows) + counts.get_column("count").clip(0, 2)).clip(0, 2))
            claimed.add(found)
        for pairs in _portions(claimed.in_order()):
            alone = claims.gather(pairs.get_column("other")) == 1
            self._note(pairs.filter(~alone).get_column(_NUMBER), Unmatched.RIVALS)
            kept = pairs.filter(alone)
            self._came = self._came.scatter(kept.get_column(_NUMBER), _MATCHED)
            self._taken = self._taken.scatter(kept.get_column("other"), True)
            if kept.height:
                yield kept.select("local_id", "integration_id")

    def _found(self, here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
        """Return local records with the one free integration record that agrees with them; note what came of the others."""
        here = self._once(here.filter(self._came.gather(here.get_column(_NUMBER)) < _DONE))
        there = there.join(here.select(KEY), on=KEY, how="semi")
        repeated = there.get_column(KEY).is_duplicated()
        if repeated.any():
            # A record that was changed while the feed was read may have come twice.
            once = there.filter(repeated).unique([KEY, "id"], keep="last", maintain_order=True)
            there = pl.concat([there.filter(~repeated), once])
        counted = there.group_by(KEY).agg(
            pl.len().alias("count"),
            pl.col(_NUMBER).last().alias("other"),
            pl.col("id").last().alias("integration_id"),
            pl.col(_CHECK).last().alias("check_there"),
        )
        joined = here.join(counted, on=KEY, how="left")
        nobody = pl.col("count").is_null() | ((pl.col("count") == 1) & (pl.col("check_there") != pl.col(_CHECK)))
        joined = joined.with_columns(
            pl.when(nobody)
            .then(pl.lit(Unmatched.NO_MATCH.value))
            .when(pl.col("count") > 1)
            .then(pl.lit(Unmatched.SEVERAL.value))
            .alias("reason")
        )
        alone = joined.filter(pl.col("reason").is_null())
        taken = self._taken.gather(alone.get_column("other"))
        self._note(alone.filter(taken).get_column(_NUMBER), Unmatched.COUPLED)
        for reason in (Unmatched.NO_MATCH, Unmatched.SEVERAL):
            self._note(joined.filter(pl.col("reason") == reason.value).get_column(_NUMBER), reason)
        return alone.filter(~taken).rename({"id": "local_id"})

    def _once(self, here: pl.DataFrame) -> pl.DataFrame:
        """Return local records without those that came twice, because they were changed while the feed was read."""
        repeated = here.get_column(KEY).is_duplicated()
        if not repeated.any():
            return here
        once = here.filter(repeated).unique([KEY, "id"], keep="last", maintain_order=True)
        again = here.filter(repeated).join(once, on=_NUMBER, how="anti").get_column(_NUMBER)
        self._came = self._came.scatter(again, _AGAIN)
        self.result.looked_at -= again.len()
        return pl.concat([here.filter(~repeated), once])

    def _note(self, numbers: pl.Series, reason: Unmatched) -> None:
        """Note what came of records; of several groups the first in which anybody was found tells the reason."""
        nothing_yet = self._came.gather(numbers) <= _CODES[Unmatched.NO_MATCH]
        self._came = self._came.scatter(numbers.filter(nothing_yet), _CODES[reason])


def _hashed(frame: pl.DataFrame, group: Sequence[Criterion], bits: int) -> pl.DataFrame:
    values = [pl.col(value(criterion.plan.index)) for criterion in chosen(group, bits)]
    whole = values[0] if len(group) == 1 else pl.concat_str([pl.lit(str(bits)), *values], separator="\x1f")
    return frame.select(_NUMBER, "id", *(whole.hash(seed).alias(name) for name, seed in _SEEDS.items()))


def _portions(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield rows in portions of `AT_ONCE`."""
    waiting: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        waiting.append(frame)
        rows += frame.height
        while rows >= AT_ONCE:
            whole = pl.concat(waiting)
            yield whole.head(AT_ONCE)
            waiting, rows = [whole.slice(AT_ONCE)], rows - AT_ONCE
    if rows:
        yield pl.concat(waiting)
