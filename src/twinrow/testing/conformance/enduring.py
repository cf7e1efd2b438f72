"""Failures and company: what was not carried out is said not to be, and several threads do not disturb each other."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import STATUS, Status
from twinrow.model.errors import SystemUnavailable
from twinrow.testing.conformance.exchange import (
    Row,
    all_ids,
    create,
    create_one,
    held,
    holds,
    read_feed,
    statuses,
    update,
)
from twinrow.testing.conformance.subject import Subject


class Enduring:
    """Failing requests, and several threads."""

    def test_reading_that_fails_says_so_and_works_afterwards(self, subject: Subject) -> None:
        if subject.fail_next is None:
            pytest.skip("the subject cannot make a request fail")
        id = subject.add(subject.values(1))
        with subject.fail_next(), pytest.raises(SystemUnavailable):
            held(subject, [id])
        assert holds(held(subject, [id])[id], subject.values(1))

    def test_writing_that_fails_before_it_is_carried_out_may_be_sent_again(self, subject: Subject) -> None:
        if subject.fail_next is None:
            pytest.skip("the subject cannot make a request fail")
        was = create_one(subject, subject.values(1))
        token = was[VERSION] if subject.capabilities.version_checks else None
        before = sorted(all_ids(subject))
        changes: list[tuple[str, str | None, Row]] = [(was[ID], token, {subject.text: "ours"})]
        attempts: list[Callable[[], list[Row]]] = [
            lambda: create(subject, [subject.values(2)]),
            lambda: update(subject, changes),
        ]
        with subject.fail_next():
            for attempt in attempts:
                try:
                    answers = attempt()
                except SystemUnavailable:
                    continue
                assert statuses(answers) == [Status.UNSENT]
        assert sorted(all_ids(subject)) == before
        assert holds(held(subject, [was[ID]])[was[ID]], subject.values(1))
        assert statuses(update(subject, changes)) == [Status.WRITTEN]

    def test_a_feed_is_read_while_another_thread_writes(self, subject: Subject) -> None:
        ids = [subject.add(subject.values(number)) for number in range(20)]

        def writes() -> None:
            for number in range(10):
                create_one(subject, subject.values(100 + number))
                subject.edit(ids[number], {subject.text: f"edited {number}"})

        def reads() -> list[str]:
            since, handed_over = None, []
            for _ in range(5):
                feed = read_feed(subject, since, page_rows=7)
                handed_over += feed.ids
                since = feed.watermark
                held(subject, ids)
            handed_over += read_feed(subject, since).ids if not writing.done() else []
            return [*handed_over, since or ""]

        with ThreadPoolExecutor(2) as threads:
            writing = threads.submit(writes)
            reading = threads.submit(reads)
            writing.result()
            *handed_over, since = reading.result()
        handed_over += read_feed(subject, since).ids
        assert set(handed_over) == set(all_ids(subject))
        texts = {row[ID]: row[subject.text] for row in held(subject, ids).values()}
        assert [texts[id] for id in ids[:10]] == [f"edited {number}" for number in range(10)]

    def test_two_threads_that_update_one_record_do_not_overwrite_each_other(self, subject: Subject) -> None:
        if not subject.capabilities.version_checks:
            pytest.skip("the table has no version checks, and says so")
        was = create_one(subject, subject.values(1))

        def writes(who: str) -> tuple[str, str]:
            (answer,) = update(subject, [(was[ID], was[VERSION], {subject.text: who})])
            return answer[STATUS], who

        with ThreadPoolExecutor(2) as threads:
            outcomes = list(threads.map(writes, ("first", "second")))
        winners = [who for status, who in outcomes if status == Status.WRITTEN]
        losers = [status for status, _ in outcomes if status != Status.WRITTEN]
        assert len(winners) == 1
        assert losers[0] in (Status.STALE, Status.UNSENT)
        assert held(subject, [was[ID]])[was[ID]][subject.text] == winners[0]
