"""Writing records: a request in one transaction where all is well, in ever smaller ones where the database refuses some.

Each record gets its answer, whatever becomes of the others. What can be seen to be refused is sorted out first (`checking`).
What remains is written at once; when the database refuses that, each half is tried by itself, down to the records that are
the reason. A record that comes twice in a request waits for a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION, frame_schema
from twinrow.connectors.base import (
    ERROR,
    ERROR_CODE,
    ERROR_FIELD,
    RECOVERY,
    REMEDY,
    STATUS,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
    sent,
)
from twinrow.connectors.sql.checking import problems
from twinrow.connectors.sql.database import AnswerMissing, Database, NotCarriedOut, Refusal, Transaction
from twinrow.connectors.sql.shape import Shape, Storage
from twinrow.connectors.sql.tokens import content_tokens
from twinrow.model.errors import SystemUnavailable
from twinrow.model.outcomes import Recovery
from twinrow.model.tables import FieldType

ROW = "@row"
_ROUND = "@round"
GUID_LENGTH = 36


def takes_guids(shape: Shape) -> bool:
    """Whether a caller can choose a GUID as the id of a new record."""
    key = shape.key
    if key.found.fixed or key.field.type is FieldType.REFERENCE:
        return False
    return key.storage is Storage.UUID or (
        key.storage is Storage.TEXT and (key.field.max_length is None or key.field.max_length >= GUID_LENGTH)
    )


class Writer:
    """Carries out one request."""

    def __init__(self, request: WriteRequest, shape: Shape, database: Database) -> None:
        self._request = request
        self._shape = shape
        self._database = database
        self._creating = request.kind is WriteKind.CREATE
        self._schema = result_schema(shape.table, request.answered)
        self._anything_done = False

    def write(self) -> pl.DataFrame:
        """Return a result for each record. Raises `SystemUnavailable` when there was no connection at all."""
        frame = self._request.frame.with_row_index(ROW)
        known = frame_schema(self._shape.table, self._request.fields)
        ids = pl.col(ID).str.to_lowercase() if self._shape.table.key_is_guid else pl.col(ID)
        frame = frame.with_columns(ids, *(pl.col(name).cast(known[name]) for name in self._request.fields))
        results = []
        if self._request.kind is not WriteKind.DELETE:
            found = problems(
                frame,
                self._shape,
                self._request.fields,
                creating=self._creating,
                forbidden=self._database.forbidden_character,
                keeps_nan=self._database.keeps_nan,
            )
            if found is not None:
                refused = found.get_column(STATUS).is_not_null()
                results.append(frame.select(ROW, ID).hstack(found).filter(refused))
                frame = frame.filter(~refused)
        if self._creating and self._shape.key.name in self._request.fields:
            frame = self._with_sent_keys(frame)
        for part in self._rounds(frame):
            results += self._attempt(part, likely_new=self._database.inserts_quickly)
        answered = pl.concat([self._conformed(result) for result in results], how="vertical") if results else None
        if answered is None:
            return pl.DataFrame(schema=self._schema)
        return answered.sort(ROW).drop(ROW)

    def _conformed(self, result: pl.DataFrame) -> pl.DataFrame:
        types = {ROW: pl.UInt32()} | self._schema
        return result.select(
            pl.col(name).cast(kind) if name in result.columns else pl.lit(None, dtype=kind).alias(name)
            for name, kind in types.items()
        )

    def _with_sent_keys(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Take the id from among the fields, where there is none of the caller's choice."""
        key = self._shape.key.name
        own = pl.col(key).cast(pl.String)
        if sent(key) in frame.columns:
            own = pl.when(sent(key)).then(own)
        return frame.with_columns(pl.coalesce(ID, own).alias(ID))

    def _rounds(self, frame: pl.DataFrame) -> list[pl.DataFrame]:
        """Divide the records so that none comes twice in one part; all of one record's come in their order."""
        ids = frame.get_column(ID)
        if ids.n_unique() + max(ids.null_count() - 1, 0) == frame.height:
            return [frame] if frame.height else []
        before = pl.when(pl.col(ID).is_null()).then(0).otherwise(pl.int_range(pl.len()).over(ID))
        numbered = frame.with_columns(before.alias(_ROUND)).sort(_ROUND, ROW)
        return [part.drop(_ROUND) for part in numbered.partition_by(_ROUND, maintain_order=True)]

    def _with_new_keys(self, transaction: Transaction, part: pl.DataFrame) -> pl.DataFrame:
        """Give an id to every record that has none yet."""
        missing = part.get_column(ID).null_count()
        if missing == 0:
            return part
        made = transaction.new_keys(self._shape, missing)
        if made is None and takes_guids(self._shape):
            made = [str(uuid4()) for _ in range(missing)]
        if made is None:
            key = self._shape.key.name
            raise Refusal(
                f"{key} is the record's id, and nobody gives it one",
                "no key",
                key,
                f"Map a field to {key}, or give the column a default.",
                Recovery.CONFIGURATION,
            )
        given = iter(made)
        ids = [id if id is not None else next(given) for id in part.get_column(ID).to_list()]
        return part.with_columns(pl.Series(ID, ids, dtype=pl.String))

    # One transaction, or two with half of the records each.

    def _attempt(self, part: pl.DataFrame, *, likely_new: bool) -> list[pl.DataFrame]:
        try:
            with self._database.transaction() as transaction:
                results = self._carry_out(transaction, part, likely_new=likely_new)
        except Refusal as refusal:
            if likely_new and self._creating:
                return self._attempt(part, likely_new=False)
            if refusal.whole:
                return [self._refused(part, refusal)]
            if part.height == 1:
                return [self._refused(part, self._database.explain(refusal, self._shape, part, self._request.fields))]
            half = part.height // 2
            return [
                *self._attempt(part.head(half), likely_new=likely_new),
                *self._attempt(part.tail(-half), likely_new=likely_new),
            ]
        except NotCarriedOut as error:
            if not self._anything_done:
                raise _unavailable(self._database, error) from error
            return [self._unclear(part, Status.UNSENT, error.message)]
        except AnswerMissing as error:
            self._anything_done = True
            return [self._unclear(part, Status.INDETERMINATE, error.message)]
        self._anything_done = True
        return results

    def _carry_out(self, transaction: Transaction, part: pl.DataFrame, *, likely_new: bool) -> list[pl.DataFrame]:
        if self._creating:
            return self._create(transaction, part, likely_new=likely_new)
        there = transaction.versions(self._shape, part.get_column(ID).to_list())
        compared = part.select(ROW, ID, pl.col(VERSION).alias("wanted")).join(
            there.select(ID, pl.col(VERSION).alias("found"), pl.lit(True).alias("there")),
            on=ID,
            how="left",
            maintain_order="left",
        )
        status = (
            pl.when(pl.col("there").is_null())
            .then(pl.lit(Status.MISSING.value))
            .when(pl.col("wanted") != pl.col("found"))
            .then(pl.lit(Status.STALE.value))
        )
        compared = compared.with_columns(status.alias(STATUS))
        holding = compared.get_column(STATUS).is_null()
        left_alone = compared.filter(~holding).select(ROW, ID, STATUS)
        holds = part.filter(holding)
        if self._request.kind is WriteKind.DELETE:
            transaction.delete(self._shape, holds.get_column(ID).to_list())
            written = holds.select(ROW, ID, pl.lit(Status.WRITTEN.value).alias(STATUS))
        else:
            for names, group in self._by_fields_sent(holds):
                if names:
                    transaction.update(self._shape, self._timed(transaction, group), self._written(names))
            written = self._as_they_are_now(transaction, holds)
        return [left_alone, written]

    def _create(self, transaction: Transaction, part: pl.DataFrame, *, likely_new: bool) -> list[pl.DataFrame]:
        part = self._with_new_keys(transaction, part)
        new: set[str] = set()
        for names, group in self._by_fields_sent(part):
            new |= transaction.insert(
                self._shape, self._timed(transaction, group), self._written(names), likely_new=likely_new
            )
        if len(new) == part.height:
            return [self._as_made(transaction, part)] if new else [part.clear()]
        is_new = part.get_column(ID).is_in(pl.Series(sorted(new), dtype=pl.String).implode())
        made = part.filter(is_new)
        results = [made.clear()] if made.is_empty() else [self._as_made(transaction, made)]
        return [*results, self._not_made(transaction, part.filter(~is_new))]

    def _not_made(self, transaction: Transaction, part: pl.DataFrame) -> pl.DataFrame:
        """Return the answers for records that were not inserted: they exist, unless the table's own logic dropped them."""
        existing = part.select(ROW, ID, pl.lit(Status.EXISTS.value).alias(STATUS))
        if not self._shape.found.triggers:
            return existing
        there = transaction.versions(self._shape, part.get_column(ID).to_list()).get_column(ID)
        exists = part.get_column(ID).is_in(there.implode())
        return pl.concat([existing.filter(exists), self._refused(part.filter(~exists), _DROPPED)], how="diagonal")

    def _as_made(self, transaction: Transaction, made: pl.DataFrame) -> pl.DataFrame:
        foreseen = self._as_foreseen(transaction, made)
        return foreseen if foreseen is not None else self._as_they_are_now(transaction, made)

    def _by_fields_sent(self, part: pl.DataFrame) -> list[tuple[tuple[str, ...], pl.DataFrame]]:
        """Return the records in groups that send the same fields: only what is sent may be set."""
        fields = [name for name in self._request.fields if name != self._shape.key.name]
        choices = [name for name in fields if sent(name) in part.columns and not part.get_column(sent(name)).all()]
        if not choices:
            return [(tuple(fields), part)] if part.height else []
        groups = []
        for sent_or_not, group in part.group_by([sent(name) for name in choices], maintain_order=True):
            left_out = {name for name, is_sent in zip(choices, sent_or_not, strict=True) if not is_sent}
            groups.append((tuple(name for name in fields if name not in left_out), group))
        return groups

    def _written(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that are set: the fields sent, and the time of the last change where it is ours to set."""
        time = self._shape.modified_at
        return (*names, time.name) if self._shape.sets_modified_at and time is not None else tuple(names)

    def _timed(self, transaction: Transaction, group: pl.DataFrame) -> pl.DataFrame:
        if not self._shape.sets_modified_at or self._shape.modified_at is None:
            return group
        now = pl.lit(transaction.now).cast(pl.Datetime("us", "UTC"))
        return group.with_columns(now.alias(self._shape.modified_at.name))

    # Answers.

    def _as_they_are_now(self, transaction: Transaction, part: pl.DataFrame) -> pl.DataFrame:
        if part.is_empty():
            return part.select(ROW, ID)
        stored = transaction.read(self._shape, self._request.answered, part.get_column(ID).to_list())
        there = part.get_column(ID).is_in(stored.get_column(ID).implode())
        found = part.select(ROW, ID).join(stored, on=ID, how="inner", maintain_order="left")
        answers = found.with_columns(pl.lit(Status.WRITTEN.value).alias(STATUS))
        if there.all():
            return answers
        return pl.concat([answers, self._refused(part.filter(~there), _DROPPED)], how="diagonal")

    def _as_foreseen(self, transaction: Transaction, made: pl.DataFrame) -> pl.DataFrame | None:
        """Return the answers without looking, where the database holds exactly what it was sent; None where it may not."""
        shape = self._shape
        time = shape.modified_at
        if shape.found.triggers or shape.row_version is not None or (time is not None and not shape.sets_modified_at):
            return None
        given = {shape.key.name, *self._written(self._request.fields)}
        for name, column in shape.columns.items():
            partly = sent(name) in made.columns and not made.get_column(sent(name)).all()
            if name in given and not partly:
                if not column.found.exact:
                    return None
            elif column.found.default is not None or column.found.fixed:
                return None
        types = frame_schema(shape.table, tuple(shape.columns))
        full = self._timed(transaction, made)
        columns = []
        for name in shape.columns:
            if name == shape.key.name:
                columns.append(pl.col(ID).cast(types[name]).alias(name))
            elif name not in given:
                columns.append(pl.lit(None, dtype=types[name]).alias(name))
            elif sent(name) in full.columns:
                columns.append(pl.when(sent(name)).then(pl.col(name)).cast(types[name]).alias(name))
            else:
                columns.append(pl.col(name).cast(types[name]))
        record = full.select(columns)
        versions = (
            content_tokens(record, shape)
            if transaction.version is None
            else pl.repeat(transaction.version, made.height, dtype=pl.String, eager=True)
        )
        answers = made.select(ROW, ID).with_columns(versions.alias(VERSION), pl.lit(Status.WRITTEN.value).alias(STATUS))
        if time is not None:
            answers = answers.with_columns(record.get_column(time.name).alias(MODIFIED_AT))
        return answers.hstack(record.select(self._request.answered))

    def _refused(self, part: pl.DataFrame, refusal: Refusal) -> pl.DataFrame:
        return part.select(
            ROW,
            ID,
            pl.lit(Status.REFUSED.value).alias(STATUS),
            pl.lit(refusal.message).alias(ERROR),
            pl.lit(refusal.code).alias(ERROR_CODE),
            pl.lit(refusal.field, dtype=pl.String).alias(ERROR_FIELD),
            pl.lit(refusal.remedy).alias(REMEDY),
            pl.lit(refusal.recovery.value).alias(RECOVERY),
        )

    def _unclear(self, part: pl.DataFrame, status: Status, message: str) -> pl.DataFrame:
        return part.select(
            ROW,
            ID,
            pl.lit(status.value).alias(STATUS),
            pl.lit(message).alias(ERROR),
            pl.lit(Recovery.RETRY.value).alias(RECOVERY),
        )


_DROPPED = Refusal(
    "The database took the record and did not keep it",
    "dropped",
    None,
    "Look at the triggers and rules of the table.",
)


def _unavailable(database: Database, error: NotCarriedOut) -> SystemUnavailable:
    return SystemUnavailable(
        f"The database of {database.name} cannot be written now", cause=error.message, remedy="Try again later."
    )
