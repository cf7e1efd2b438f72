"""Feeds of changes: everything at first, exactly what changed afterwards, nothing missed, wherever the reader breaks off."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

import polars as pl
import pytest

from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, VERSION
from twinrow.batch.filters import filter_expression
from twinrow.connectors.base import ChangeRequest, FeedKind
from twinrow.model.errors import FeedExpired
from twinrow.model.filters import And, Comparison, Or, TextMatch
from twinrow.testing.conformance.exchange import (
    Row,
    all_ids,
    create,
    create_one,
    delete,
    held,
    read_feed,
    update,
)
from twinrow.testing.conformance.subject import Subject

PAGE_ROWS = [1, 3, 1_000]


def _filled(subject: Subject, count: int = 7) -> list[str]:
    return [subject.add(subject.values(number)) for number in range(count)]


def _exact(subject: Subject) -> bool:
    """Whether a feed hands over nothing that it has handed over before."""
    return subject.capabilities.feed in (FeedKind.DELTA, FeedKind.ROW_VERSION)


class Feeding:
    """Feeds of changes."""

    @pytest.mark.parametrize("page_rows", PAGE_ROWS)
    def test_the_first_feed_hands_over_everything_once(self, subject: Subject, page_rows: int) -> None:
        _filled(subject)
        feed = read_feed(subject, page_rows=page_rows)
        everything = all_ids(subject)
        assert sorted(feed.ids) == sorted(everything)
        assert not any(row[DELETED] for row in feed.rows)
        stored = held(subject, everything)
        assert all({**row, DELETED: False} == stored[row[ID]] for row in feed.rows)

    @pytest.mark.parametrize("page_rows", PAGE_ROWS)
    def test_what_is_remembered_comes_with_or_without_its_fields(self, subject: Subject, page_rows: int) -> None:
        made = [create_one(subject, subject.values(number)) for number in range(4)]
        before = {answer[ID]: answer[VERSION] for answer in made}
        subject.edit(made[1][ID], {subject.text: "edited since"})
        by_others = _filled(subject, 3)

        def remembered(ids: pl.Series) -> pl.Series:
            return pl.Series([before.get(id) for id in ids.to_list()], dtype=pl.String)

        request = ChangeRequest(subject.table, subject.names, page_rows=page_rows, remembered=remembered)
        pages = list(subject.connector.changes(request))
        rows = {row[ID]: row for page in pages for row in page.frame.to_dicts()}
        known = {row[ID]: row for page in pages if page.known is not None for row in page.known.to_dicts()}
        assert sorted([*rows, *known]) == sorted(all_ids(subject)), "each record comes once, one way or the other"
        assert {made[1][ID], *by_others} <= set(rows), "what is in another version comes with its fields"
        stored = held(subject, list(rows))
        assert all({**row, DELETED: False} == stored[id] for id, row in rows.items())
        current = held(subject, list(known))
        assert all(row == {name: current[id][name] for name in (ID, VERSION, MODIFIED_AT)} for id, row in known.items())

    def test_nothing_is_new_when_nothing_changed(self, subject: Subject) -> None:
        _filled(subject)
        first = read_feed(subject)
        second = read_feed(subject, first.watermark)
        third = read_feed(subject, second.watermark)
        for feed in (second, third):
            assert feed.fresh(first.seen) == []
            if _exact(subject):
                assert feed.rows == []

    @pytest.mark.parametrize("page_rows", PAGE_ROWS)
    def test_the_next_feed_hands_over_exactly_what_changed(self, subject: Subject, page_rows: int) -> None:
        ids = _filled(subject)
        first = read_feed(subject)
        subject.edit(ids[4], {subject.text: "once"})
        subject.edit(ids[1], {subject.text: "once"})
        subject.edit(ids[4], {subject.text: "twice"})
        added = subject.add(subject.values(100))
        second = read_feed(subject, first.watermark, page_rows=page_rows)
        assert sorted(second.fresh(first.seen)) == sorted([ids[4], ids[1], added])
        if _exact(subject):
            assert sorted(second.ids) == sorted([ids[4], ids[1], added])
        found = {row[ID]: row[subject.text] for row in second.rows}
        assert (found[ids[4]], found[ids[1]]) == ("twice", "once")
        third = read_feed(subject, second.watermark, page_rows=page_rows)
        assert third.fresh(first.seen | second.seen) == []

    def test_a_feed_without_anything_to_tell_has_a_watermark_that_works(self, subject: Subject) -> None:
        watermark = read_feed(subject).watermark
        for _ in range(3):
            watermark = read_feed(subject, watermark).watermark
        id = subject.add(subject.values(1))
        assert id in read_feed(subject, watermark).ids

    def test_our_own_writes_come_in_the_feed_with_the_version_of_their_answer(self, subject: Subject) -> None:
        first = read_feed(subject)
        created = create(subject, [subject.values(number) for number in range(3)])
        token = created[0][VERSION] if subject.capabilities.version_checks else None
        (updated,) = update(subject, [(created[0][ID], token, {subject.text: "ours"})])
        second = read_feed(subject, first.watermark)
        versions = {row[ID]: row[VERSION] for row in second.rows}
        for answer in (updated, created[1], created[2]):
            assert versions[answer[ID]] == answer[VERSION]

    @pytest.mark.parametrize("page_rows", [1, 3])
    def test_a_feed_goes_on_behind_any_of_its_pages(self, subject: Subject, page_rows: int) -> None:
        ids = _filled(subject, 5)
        before = read_feed(subject)
        for id in (ids[3], ids[0], ids[2], ids[4]):
            subject.edit(id, {subject.text: "changed"})
        for since in (None, before.watermark):
            whole = read_feed(subject, since, page_rows=page_rows)
            for number, page in enumerate(whole.pages[:-1]):
                rest = read_feed(subject, since, cursor=page.cursor, page_rows=page_rows, by=subject.reopen())
                handed_over = {row[ID] for earlier in whole.pages[: number + 1] for row in earlier.frame.to_dicts()}
                assert sorted(rest.ids) == sorted(set(whole.ids) - handed_over)
            assert read_feed(subject, since, cursor=whole.pages[-1].cursor).rows == []

    def test_a_feed_goes_on_with_pages_of_another_size(self, subject: Subject) -> None:
        _filled(subject)
        whole = read_feed(subject, page_rows=2)
        rest = read_feed(subject, cursor=whole.pages[0].cursor, page_rows=1_000)
        assert sorted(rest.ids + whole.pages[0].frame[ID].to_list()) == sorted(whole.ids)

    def test_the_watermark_of_a_resumed_feed_misses_nothing(self, subject: Subject) -> None:
        ids = _filled(subject, 4)
        request = ChangeRequest(subject.table, subject.names, page_rows=1)
        page = next(iter(subject.connector.changes(request)))
        subject.edit(page.frame[ID][0], {subject.text: "while the reader was away"})
        rest = read_feed(subject, cursor=page.cursor, page_rows=1, by=subject.reopen())
        later = read_feed(subject, rest.watermark)
        versions = held(subject, ids)
        seen = rest.seen | later.seen
        assert (page.frame[ID][0], versions[page.frame[ID][0]][VERSION]) in seen

    @pytest.mark.parametrize("since_the_beginning", [True, False])
    def test_what_happens_during_a_feed_comes_in_it_or_in_the_next(
        self, subject: Subject, since_the_beginning: bool
    ) -> None:
        ids = _filled(subject, 6)
        since = None if since_the_beginning else read_feed(subject).watermark
        for id in ids:
            subject.edit(id, {subject.text: "before"})
        added: list[str] = []

        def meanwhile() -> None:
            for id in ids:
                subject.edit(id, {subject.text: "during"})
            added.append(subject.add(subject.values(50)))

        feed = read_feed(subject, since, page_rows=2, between={1: meanwhile})
        following = read_feed(subject, feed.watermark)
        last: dict[str, Row] = {row[ID]: row for row in [*feed.rows, *following.rows]}
        assert {last[id][subject.text] for id in ids} == {"during"}
        assert added[0] in last
        current = held(subject, [*ids, *added])
        assert all(last[id][VERSION] == row[VERSION] for id, row in current.items())

    def test_a_watermark_serves_another_connector(self, subject: Subject) -> None:
        ids = _filled(subject, 3)
        first = read_feed(subject)
        subject.edit(ids[1], {subject.text: "changed"})
        assert read_feed(subject, first.watermark, by=subject.reopen()).fresh(first.seen) == [ids[1]]

    def test_a_watermark_serves_more_than_once(self, subject: Subject) -> None:
        ids = _filled(subject, 3)
        first = read_feed(subject)
        subject.edit(ids[1], {subject.text: "changed"})
        feeds = [read_feed(subject, first.watermark).fresh(first.seen) for _ in range(2)]
        assert feeds == [[ids[1]], [ids[1]]]

    def test_the_overlap_comes_again_with_equal_versions(self, subject: Subject) -> None:
        _filled(subject)
        first = read_feed(subject)
        second = read_feed(subject, first.watermark)
        known = {row[ID]: row for row in first.rows}
        assert all(row == known[row[ID]] for row in second.rows)
        recheck = first.pages[-1].recheck_from
        if recheck is not None:
            due = {row[ID] for row in first.rows if row[MODIFIED_AT] is not None and row[MODIFIED_AT] >= recheck}
            assert due <= set(second.ids)

    def test_a_deleted_record_is_reported_or_simply_absent(self, subject: Subject) -> None:
        ids = _filled(subject, 4)
        first = read_feed(subject)
        subject.remove(ids[0])
        subject.edit(ids[1], {subject.text: "and then deleted"})
        subject.remove(ids[1])
        second = read_feed(subject, first.watermark)
        rows = {row[ID]: row for row in second.rows if row[ID] in ids[:2]}
        if subject.capabilities.deletes_in_feed:
            assert set(rows) == set(ids[:2])
            assert all(row[DELETED] for row in rows.values())
            assert all(row[name] is None for row in rows.values() for name in subject.names)
        else:
            assert rows == {}
        third = read_feed(subject, second.watermark)
        assert not set(ids[:2]) & set(third.ids)

    def test_our_own_deletes_are_reported_like_others(self, subject: Subject) -> None:
        if not subject.capabilities.deletes_in_feed:
            pytest.skip("the feed reports no deletes, and says so")
        answer = create_one(subject, subject.values(1))
        since = read_feed(subject).watermark
        delete(subject, [(answer[ID], answer[VERSION] if subject.capabilities.version_checks else None)])
        assert [(row[ID], row[DELETED]) for row in read_feed(subject, since).rows] == [(answer[ID], True)]

    def test_a_condition_leaves_nothing_out_that_satisfies_it(self, subject: Subject) -> None:
        text, other = subject.text, subject.other
        value = subject.values(3)[other]
        for number in range(6):
            subject.add(subject.values(number) | {text: f"{'odd' if number % 2 else 'even'} {number}"})
        conditions = (
            TextMatch("startswith", text, "odd"),
            Comparison(other, "eq", value),
            And((TextMatch("contains", text, "d"), Comparison(other, "ne", value))),
            Or((Comparison(text, "eq", "even 2"), Comparison(text, "in", ("odd 1", "odd 5")))),
        )
        everything = read_feed(subject)
        for condition in conditions:
            expected = {
                row[ID]
                for page in everything.pages
                for row in page.frame.filter(filter_expression(condition, subject.description)).to_dicts()
            }
            assert expected
            for page_rows in (1, 1_000):
                assert expected <= set(read_feed(subject, condition=condition, page_rows=page_rows).ids)

    def test_a_condition_holds_in_the_following_feeds_too(self, subject: Subject) -> None:
        text = subject.text
        ids = [subject.add(subject.values(number) | {text: f"out {number}"}) for number in range(4)]
        condition = TextMatch("startswith", text, "in")
        first = read_feed(subject, condition=condition)
        subject.edit(ids[2], {text: "in 2"})
        assert ids[2] in read_feed(subject, first.watermark, condition=condition).ids

    def test_a_position_that_no_longer_works_says_so(self, subject: Subject) -> None:
        if subject.expire_feeds is None:
            pytest.skip("the system forgets no positions")
        _filled(subject, 3)
        since = read_feed(subject).watermark
        cursor = read_feed(subject, page_rows=1).pages[0].cursor
        subject.expire_feeds()
        with pytest.raises(FeedExpired):
            read_feed(subject, since)
        with pytest.raises(FeedExpired):
            read_feed(subject, cursor=cursor)
        assert len(read_feed(subject).rows) == len(all_ids(subject)), "a new beginning works"

    def test_two_feeds_at_once_do_not_disturb_each_other(self, subject: Subject) -> None:
        _filled(subject)
        requests = [ChangeRequest(subject.table, subject.names, page_rows=size) for size in (2, 3)]
        first, second = (subject.connector.changes(request) for request in requests)
        pages = [next(first), next(second), *first, *second]
        handed_over = [id for page in pages for id in page.frame[ID].to_list()]
        assert sorted(handed_over) == sorted(2 * all_ids(subject))

    def test_a_feed_that_is_left_in_the_middle_disturbs_nobody(self, subject: Subject) -> None:
        ids = _filled(subject, 4)
        feed = iter(subject.connector.changes(ChangeRequest(subject.table, subject.names, page_rows=1)))
        next(feed)
        subject.edit(ids[0], {subject.text: "edited"})
        create_one(subject, subject.values(60))
        del feed
        assert sorted(read_feed(subject).ids) == sorted(all_ids(subject))
