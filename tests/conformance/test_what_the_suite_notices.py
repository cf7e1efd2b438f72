"""The suite is worth something: systems that break the contract in one way each, and the case that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import (
    ERROR_FIELD,
    MARK,
    REMEDY,
    STATUS,
    ChangePage,
    ChangeRequest,
    CreateKeys,
    FeedKind,
    Status,
    WriteKind,
    WriteRequest,
    sent,
)
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import SystemUnavailable, TwinrowError
from twinrow.model.filters import Filter, TextMatch
from twinrow.testing.conformance import ConnectorContract
from twinrow.testing.hostile import Faults, Hostile

from .memory import Memory


class Wrapped(Hostile):
    """Passes everything on; each subclass breaks one thing."""

    def __init__(self, system: MemorySystem) -> None:
        super().__init__(system, Faults())
        self.system = system


class ReadsFieldsAway(Wrapped):
    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        return self.damaged(super().fetch(table, fields, ids))

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            yield replace(page, frame=self.damaged(page.frame))

    def damaged(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame


class BlanksBecomeNull(ReadsFieldsAway):
    def damaged(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("title").replace({"": None})) if "title" in frame.columns else frame


class DecimalsThroughFloats(ReadsFieldsAway):
    def damaged(self, frame: pl.DataFrame) -> pl.DataFrame:
        if "amount" not in frame.columns:
            return frame
        return frame.with_columns(pl.col("amount").cast(pl.Float64).cast(frame.schema["amount"]))


class TimesCutToSeconds(ReadsFieldsAway):
    def damaged(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("moment").dt.truncate("1s")) if "moment" in frame.columns else frame


class OneVersionForAll(ReadsFieldsAway):
    def damaged(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.when(pl.col(VERSION).is_not_null()).then(pl.lit("1")).alias(VERSION))


class HandsSomeOverTwice(Wrapped):
    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            yield replace(page, frame=pl.concat([page.frame, page.frame.head(1)]))


class ForgetsTheConditionsEdge(Wrapped):
    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            yield replace(page, frame=page.frame.head(-1) if request.condition else page.frame)


class WatermarkOfTheEnd(Wrapped):
    """The watermark is taken when the feed ends, not when it began."""

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            if page.watermark is None:
                yield page
                continue
            (last,) = self.system.changes(replace(request, page_rows=10_000, cursor=None))
            yield replace(page, watermark=last.watermark)


class CursorOfThePageBefore(Wrapped):
    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        before = None
        for page in super().changes(request):
            yield replace(page, cursor=before or page.cursor)
            before = page.cursor


class KeepsQuietAboutDeletes(Wrapped):
    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            yield replace(page, frame=page.frame.filter(~pl.col(DELETED)))


class FetchesAtMostFifty(Wrapped):
    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        return super().fetch(table, fields, ids[:50])


class PercentIsAWildcard(Wrapped):
    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        match condition:
            case TextMatch(function, field, value) if "%" in value:
                condition = TextMatch(function, field, value.replace("%", ""))
        return super().select(table, fields, condition, limit)


class LimitIsAHint(Wrapped):
    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        return super().select(table, fields, condition, limit + 1 if limit else limit)


class IdsTwice(Wrapped):
    def ids(self, table: str) -> Iterator[pl.Series]:
        yield from super().ids(table)
        yield from super().ids(table)


class WritesBroken(Wrapped):
    def write(self, request: WriteRequest) -> pl.DataFrame:
        return self.answered(super().write(self.asked(request)))

    def asked(self, request: WriteRequest) -> WriteRequest:
        return request

    def answered(self, results: pl.DataFrame) -> pl.DataFrame:
        return results


class AnswersReversed(WritesBroken):
    def answered(self, results: pl.DataFrame) -> pl.DataFrame:
        return results.reverse()


class IgnoresVersions(WritesBroken):
    def asked(self, request: WriteRequest) -> WriteRequest:
        if request.kind is WriteKind.CREATE:
            return request
        return replace(request, frame=request.frame.with_columns(pl.lit(None, dtype=pl.String).alias(VERSION)))


class SendsEverything(WritesBroken):
    def asked(self, request: WriteRequest) -> WriteRequest:
        return replace(request, frame=request.frame.drop([sent(name) for name in request.fields], strict=False))


class ForgetsKeys(WritesBroken):
    def asked(self, request: WriteRequest) -> WriteRequest:
        if request.kind is not WriteKind.CREATE:
            return request
        none = pl.lit(None, dtype=pl.String)
        return replace(request, frame=request.frame.with_columns(none.alias(ID), none.alias(MARK)))


class RepeatedCreateUpdates(WritesBroken):
    def write(self, request: WriteRequest) -> pl.DataFrame:
        results = super().write(request)
        if request.kind is WriteKind.CREATE:
            again = results.filter(pl.col(STATUS) == Status.EXISTS).get_column(ID)
            frame = request.frame.filter(pl.col(ID).is_in(again.implode())).with_columns(pl.lit(None).alias(VERSION))
            self.system.write(replace(request, kind=WriteKind.UPDATE, frame=frame))
        return results


class AnswersWhatWasSent(WritesBroken):
    """The system's own logic is not in the answer."""

    def write(self, request: WriteRequest) -> pl.DataFrame:
        results = super().write(request)
        return results.with_columns(request.frame.select(name for name in request.answered if name in request.fields))


class OneRefusalRefusesAll(WritesBroken):
    def write(self, request: WriteRequest) -> pl.DataFrame:
        if "title" in request.fields and request.frame["title"].str.len_chars().gt(100).any():
            frame = request.frame.with_columns(pl.lit("x" * 101).alias("title"))
            return super().write(replace(request, frame=frame))
        return super().write(request)


class RefusesWithoutRemedy(WritesBroken):
    def answered(self, results: pl.DataFrame) -> pl.DataFrame:
        return results.with_columns(pl.lit(None, dtype=pl.String).alias(REMEDY), pl.lit("title").alias(ERROR_FIELD))


class VersionBeforeTheWrite(WritesBroken):
    def write(self, request: WriteRequest) -> pl.DataFrame:
        results = super().write(request)
        if request.kind is not WriteKind.UPDATE:
            return results
        return results.with_columns(request.frame[VERSION])


class FailsAfterWriting(WritesBroken):
    def write(self, request: WriteRequest) -> pl.DataFrame:
        super().write(request)
        raise SystemUnavailable("No answer")


class ChangesMissAnHour(Wrapped):
    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for page in super().changes(request):
            later = pl.col(MODIFIED_AT) + timedelta(hours=1)
            yield replace(page, frame=page.frame.with_columns(later))


Case = tuple[type[Wrapped], str, dict[str, Any], dict[str, Any]]
CASES: list[Case] = [
    (BlanksBecomeNull, "test_blank_and_absent_texts_stay_what_they_are", {}, {}),
    (DecimalsThroughFloats, "test_every_value_survives_a_create", {}, {}),
    (TimesCutToSeconds, "test_every_value_survives_an_update", {}, {}),
    (OneVersionForAll, "test_two_edits_at_once_do_not_look_like_one_version", {}, {}),
    (OneVersionForAll, "test_the_next_feed_hands_over_exactly_what_changed", {}, {"page_rows": 3}),
    (HandsSomeOverTwice, "test_the_first_feed_hands_over_everything_once", {}, {"page_rows": 1_000}),
    (ForgetsTheConditionsEdge, "test_a_condition_leaves_nothing_out_that_satisfies_it", {}, {}),
    (
        WatermarkOfTheEnd,
        "test_what_happens_during_a_feed_comes_in_it_or_in_the_next",
        {},
        {"since_the_beginning": True},
    ),
    (CursorOfThePageBefore, "test_a_feed_goes_on_behind_any_of_its_pages", {}, {"page_rows": 2}),
    (KeepsQuietAboutDeletes, "test_a_deleted_record_is_reported_or_simply_absent", {"deletes_in_feed": True}, {}),
    (KeepsQuietAboutDeletes, "test_our_own_deletes_are_reported_like_others", {"feed": FeedKind.DELTA}, {}),
    (FetchesAtMostFifty, "test_a_fetch_takes_more_ids_than_one_request_holds", {}, {}),
    (PercentIsAWildcard, "test_quotes_and_wildcards_in_texts_stand_for_themselves", {}, {"function": "contains"}),
    (LimitIsAHint, "test_no_more_than_the_limit", {}, {}),
    (IdsTwice, "test_the_ids_are_complete_and_each_comes_once", {}, {}),
    (AnswersReversed, "test_answers_come_in_the_order_of_the_request", {}, {}),
    (IgnoresVersions, "test_a_version_that_no_longer_holds_is_stale_and_nothing_is_written", {}, {}),
    (IgnoresVersions, "test_what_is_gone_is_missing_and_what_changed_is_stale", {}, {}),
    (SendsEverything, "test_each_record_of_a_request_has_fields_of_its_own", {}, {}),
    (ForgetsKeys, "test_a_repeated_create_is_answered_exists_and_doubles_nothing", {}, {}),
    (
        ForgetsKeys,
        "test_the_same_key_twice_in_one_request_makes_one_record",
        {"create_keys": CreateKeys.MARK},
        {},
    ),
    (RepeatedCreateUpdates, "test_a_repeated_create_overwrites_nothing", {}, {}),
    (AnswersWhatWasSent, "test_the_systems_own_logic_is_in_the_answer", {}, {}),
    (OneRefusalRefusesAll, "test_a_text_that_is_too_long_is_refused_by_field", {}, {}),
    (RefusesWithoutRemedy, "test_a_text_that_is_too_long_is_refused_by_field", {}, {}),
    (VersionBeforeTheWrite, "test_the_version_of_an_answer_serves_the_next_write", {}, {}),
    (FailsAfterWriting, "test_answers_come_in_the_order_of_the_request", {}, {}),
    (ChangesMissAnHour, "test_an_answer_a_fetch_a_selection_and_a_feed_say_the_same", {}, {}),
]


@pytest.mark.parametrize(
    ("wrapped", "case", "settings", "arguments"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_suite_notices(
    wrapped: type[Wrapped], case: str, settings: dict[str, Any], arguments: dict[str, Any]
) -> None:
    run: Callable[..., None] = getattr(ConnectorContract(), case)
    run(Memory(**settings), **arguments)
    broken = Memory(**settings)
    broken.connector = wrapped(broken.system)
    with pytest.raises((AssertionError, TwinrowError)):
        run(broken, **arguments)
