"""The hostile wrapper: not to be told from what it wraps without faults, and each fault as it is described."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import STATUS, ChangePage, ChangeRequest, FeedKind, Status, WriteKind, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import FeedExpired, SystemUnavailable
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.clock import SettableClock
from twinrow.testing.conformance import ConnectorContract, Subject
from twinrow.testing.hostile import Faults, Hostile

from .memory import Memory

TABLE = Table("things", "id", {name: Field(name, FieldType.TEXT) for name in ("id", "name", "note")})
IDS = [f"id {number}" for number in range(8)]


class TestHostileWithoutFaults(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        memory = Memory(deletes_in_feed=True)
        memory.connector = Hostile(memory.system, Faults())
        return memory


def system(records: int = 0, **settings: Any) -> MemorySystem:
    made = MemorySystem([TABLE], clock=SettableClock().tick, **settings)
    for id in IDS[:records]:
        made.add("things", {"name": "as it was", "note": ""}, id=id)
    return made


def creates(ids: list[str] = IDS) -> WriteRequest:
    frame = pl.DataFrame({ID: ids, "name": ["new"] * len(ids)})
    return WriteRequest("things", WriteKind.CREATE, frame, ("name",))


def updates(made: MemorySystem) -> WriteRequest:
    frame = made.fetch("things", (), IDS).select(ID, VERSION, pl.lit("ours").alias("name"))
    return WriteRequest("things", WriteKind.UPDATE, frame, ("name",))


def feed(connector: Hostile, **request: Any) -> list[ChangePage]:
    return list(connector.changes(ChangeRequest("things", ("name",), **request)))


def handed_over(pages: list[ChangePage]) -> list[str]:
    return [id for page in pages for id in page.frame[ID].to_list()]


def test_a_request_to_an_unavailable_system_does_nothing() -> None:
    inner = system(3)
    hostile = Hostile(inner, Faults(unavailable=1))
    requests = (
        lambda: hostile.write(creates(["id x"])),
        lambda: hostile.fetch("things", (), IDS),
        lambda: hostile.select("things", (), None),
        lambda: hostile.ids("things"),
        lambda: hostile.propose_keys("things", 1),
        lambda: feed(hostile),
    )
    for request in requests:
        with pytest.raises(SystemUnavailable):
            request()
    assert set(inner.records("things")) == set(IDS[:3])
    assert hostile.counts == {"unavailable": 6}


def test_what_was_not_sent_is_not_there() -> None:
    inner = system()
    assert Hostile(inner, Faults(unsent=1)).write(creates())[STATUS].to_list() == [Status.UNSENT] * 8
    assert inner.records("things") == {}


def test_part_of_a_batch_is_not_sent_and_the_rest_is_answered() -> None:
    inner = system()
    hostile = Hostile(inner, Faults(partial=1), seed=3)
    results = hostile.write(creates())
    assert results[ID].to_list() == IDS
    statuses = dict(zip(IDS, results[STATUS].to_list(), strict=True))
    assert set(statuses.values()) == {Status.UNSENT, Status.WRITTEN}
    assert {id for id, status in statuses.items() if status == Status.WRITTEN} == set(inner.records("things"))
    assert results.filter(pl.col(STATUS) == Status.WRITTEN)["name"].to_list() == ["new"] * len(inner.records("things"))
    assert hostile.counts["partial"] == list(statuses.values()).count(Status.UNSENT)


def test_a_lost_answer_hides_what_was_carried_out() -> None:
    inner = system()
    hostile = Hostile(inner, Faults(lost=1))
    statuses = hostile.write(creates())[STATUS].to_list()
    assert len(inner.records("things")) == 8
    assert statuses.count(Status.INDETERMINATE) == hostile.counts["lost"] > 0


def test_a_late_request_arrives_when_it_is_delivered() -> None:
    inner = system()
    hostile = Hostile(inner, Faults(late=1), seed=1)
    results = hostile.write(creates())
    late = {row[ID] for row in results.to_dicts() if row[STATUS] == Status.INDETERMINATE}
    assert late
    assert set(inner.records("things")) == set(IDS) - late
    hostile.calm()
    hostile.deliver()
    assert set(inner.records("things")) == set(IDS)
    assert hostile.counts["late"] == hostile.counts["arrived"] == len(late)


def test_a_late_request_arrives_within_the_lifetime_of_requests() -> None:
    clock = SettableClock()
    inner = MemorySystem([TABLE], clock=clock.now, request_lifetime=timedelta(minutes=10))
    hostile = Hostile(inner, Faults(late=1))
    hostile.write(creates())
    hostile.calm()
    clock.advance(timedelta(minutes=10))
    assert set(hostile.fetch("things", (), IDS)[ID].to_list()) == set(IDS)


def test_a_stale_record_is_refused_and_not_written() -> None:
    inner = system(8)
    hostile = Hostile(inner, Faults(stale=1))
    statuses = dict(zip(IDS, hostile.write(updates(inner))[STATUS].to_list(), strict=True))
    assert set(statuses.values()) <= {Status.STALE, Status.WRITTEN}
    assert list(statuses.values()).count(Status.STALE) == hostile.counts["stale"] > 0
    for id, status in statuses.items():
        assert inner.record("things", id)["name"] == ("as it was" if status == Status.STALE else "ours")


def test_with_an_editor_a_stale_record_really_was_edited() -> None:
    inner = system(8)
    hostile = Hostile(inner, Faults(stale=1), editor=lambda table, id: inner.edit(table, id, note="meanwhile"))
    statuses = dict(zip(IDS, hostile.write(updates(inner))[STATUS].to_list(), strict=True))
    assert Status.STALE in statuses.values()
    for id, status in statuses.items():
        stale = status == Status.STALE
        values = inner.record("things", id)
        assert (values["name"], values["note"]) == (("as it was", "meanwhile") if stale else ("ours", ""))


def test_creates_and_unchecked_writes_are_never_stale() -> None:
    inner = system(8, version_checks=False)
    hostile = Hostile(inner, Faults(stale=1))
    assert set(hostile.write(updates(inner))[STATUS].to_list()) == {Status.WRITTEN}
    assert Hostile(system(), Faults(stale=1)).write(creates())[STATUS].to_list() == [Status.WRITTEN] * 8


def test_a_position_expires_but_a_beginning_does_not() -> None:
    hostile = Hostile(system(3), Faults(expired=1))
    watermark = feed(hostile)[-1].watermark
    with pytest.raises(FeedExpired):
        feed(hostile, since=watermark)
    with pytest.raises(FeedExpired):
        feed(hostile, cursor=feed(hostile, page_rows=1)[0].cursor)


@pytest.mark.parametrize("seed", range(20))
def test_a_disturbed_feed_hands_over_everything_and_goes_on_from_anywhere(seed: int) -> None:
    faults = Faults(small_pages=0.5, repeated=0.5, reordered=0.7)
    inner = system(8)
    pages = feed(Hostile(inner, faults, seed=seed), page_rows=2)
    assert set(handed_over(pages)) == set(IDS)
    assert [page.watermark is None for page in pages] == [True] * (len(pages) - 1) + [False]
    for number, page in enumerate(pages):
        rest = feed(Hostile(inner, Faults()), cursor=page.cursor, page_rows=2)
        assert set(handed_over([*pages[: number + 1], *rest])) == set(IDS)


def test_repeated_rows_come_as_they_were() -> None:
    inner = system(6, feed=FeedKind.MODIFIED_AT)
    hostile = Hostile(inner, Faults(repeated=1))
    pages = []
    for page in hostile.changes(ChangeRequest("things", ("name",), page_rows=1)):
        pages.append(page)
        inner.edit("things", page.frame[ID][0], name="since then")
        if len(pages) > 40:
            break
    first = {row[ID]: row for row in reversed([row for page in pages for row in page.frame.to_dicts()])}
    repeated = [row for page in pages for row in page.frame.to_dicts() if row == first[row[ID]]]
    assert hostile.counts["repeated"] > 0
    assert len(repeated) > 6
    assert {row["name"] for row in first.values()} == {"as it was"}


def test_a_feed_that_breaks_off_goes_on_from_its_cursor() -> None:
    hostile = Hostile(system(8), Faults(broken=0.7), seed=5)
    cursor, seen, watermark, breaks = None, [], None, 0
    while watermark is None:
        try:
            for page in hostile.changes(ChangeRequest("things", ("name",), cursor=cursor, page_rows=2)):
                seen += page.frame[ID].to_list()
                cursor, watermark = page.cursor, page.watermark
        except SystemUnavailable:
            breaks += 1
    assert sorted(seen) == IDS
    assert breaks == hostile.counts["broken"] > 0


def test_the_same_seed_gives_the_same_faults() -> None:
    def story(seed: int) -> list[str]:
        hostile = Hostile(system(), Faults(partial=0.5, lost=0.5, late=0.5), seed=seed)
        return [status for _ in range(5) for status in hostile.write(creates())[STATUS].to_list()]

    assert story(1) == story(1)
    assert len({tuple(story(seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("seed", range(10))
def test_whoever_keeps_to_the_protocol_gets_through_all_faults(seed: int) -> None:
    """A patient client: it repeats what was not sent, reads back what it does not know, and resumes its feed."""
    inner = system()
    hostile = Hostile(
        inner, Faults.everywhere(0.25), seed=seed, editor=lambda table, id: inner.edit(table, id, note="edited")
    )
    missing = list(IDS)
    while missing:
        try:
            hostile.write(creates(missing))
            there = hostile.fetch("things", (), IDS)[ID].to_list()
            missing = [id for id in IDS if id not in there]
        except SystemUnavailable:
            continue
    assert set(inner.records("things")) == set(IDS)
    while not all(values["name"] == "ours" for values in inner.records("things").values()):
        try:
            hostile.write(updates(inner))
        except SystemUnavailable:
            continue
    since, cursor, known = None, None, {}
    hostile.deliver()
    for _ in range(200):
        try:
            for page in hostile.changes(ChangeRequest("things", ("name", "note"), since, cursor, page_rows=3)):
                known |= {row[ID]: row["note"] for row in page.frame.to_dicts()}
                cursor = page.cursor
                if page.watermark is not None:
                    since, cursor = page.watermark, None
        except FeedExpired:
            since, cursor = None, None
        except SystemUnavailable:
            continue
    assert known == {id: values["note"] for id, values in inner.records("things").items()}
    assert hostile.counts.keys() >= {"unavailable", "small_pages", "repeated", "reordered", "broken", "expired"}
