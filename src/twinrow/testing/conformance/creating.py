"""Creates, and what becomes of their repetition."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from uuid import uuid4

import pytest

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import STATUS, CreateKeys, Status, WriteKind
from twinrow.model.filters import Comparison
from twinrow.testing.conformance.exchange import (
    Key,
    all_ids,
    create,
    create_one,
    held,
    holds,
    new_keys,
    statuses,
    write,
)
from twinrow.testing.conformance.subject import Subject


def _needs_keys(subject: Subject) -> None:
    if subject.capabilities.create_keys is CreateKeys.NONE:
        pytest.skip("the system cannot tell a create from its repetition, and says so")


class Creating:
    """Creates with and without keys."""

    def test_answers_come_in_the_order_of_the_request(self, subject: Subject) -> None:
        rows = [subject.values(number) for number in (5, 3, 9, 1)]
        keys = new_keys(subject, len(rows))
        answers = create(subject, rows, keys)
        assert statuses(answers) == [Status.WRITTEN] * 4
        for key, row, answer in zip(keys, rows, answers, strict=True):
            assert key.id is None or answer[ID] == key.id
            assert holds(answer, row)
        assert len({answer[ID] for answer in answers}) == 4

    def test_a_create_without_a_key_gets_an_id_of_the_systems_own(self, subject: Subject) -> None:
        rows = [subject.values(number) for number in range(3)]
        answers = create(subject, rows, [Key()] * 3)
        assert statuses(answers) == [Status.WRITTEN] * 3
        stored = held(subject, [answer[ID] for answer in answers])
        for row, answer in zip(rows, answers, strict=True):
            assert holds(stored[answer[ID]], row)

    def test_a_repeated_create_is_answered_exists_and_doubles_nothing(self, subject: Subject) -> None:
        _needs_keys(subject)
        rows = [subject.values(number) for number in range(3)]
        keys = new_keys(subject, 3)
        first = create(subject, rows, keys)
        before = sorted(all_ids(subject))
        again = create(subject, rows, keys)
        assert statuses(again) == [Status.EXISTS] * 3
        assert sorted(all_ids(subject)) == before
        for was, answer in zip(first, again, strict=True):
            assert answer[ID] in (was[ID], None), "where the record is known, it is named"
            assert answer[VERSION] is None

    def test_a_repeated_create_overwrites_nothing(self, subject: Subject) -> None:
        _needs_keys(subject)
        keys = new_keys(subject, 1)
        (first,) = create(subject, [subject.values(1)], keys)
        subject.edit(first[ID], {subject.text: "edited since"})
        version = held(subject, [first[ID]])[first[ID]][VERSION]
        assert statuses(create(subject, [subject.values(2)], keys)) == [Status.EXISTS]
        now = held(subject, [first[ID]])[first[ID]]
        assert holds(now, subject.values(1) | {subject.text: "edited since"})
        assert now[VERSION] == version

    def test_the_same_key_twice_in_one_request_makes_one_record(self, subject: Subject) -> None:
        _needs_keys(subject)
        first, second = new_keys(subject, 2)
        before = len(all_ids(subject))
        rows = [subject.values(number) for number in range(4)]
        answers = create(subject, rows, [first, second, first, first])
        assert sorted(statuses([answers[0], answers[2], answers[3]])) == [Status.EXISTS, Status.EXISTS, Status.WRITTEN]
        assert answers[1][STATUS] == Status.WRITTEN
        assert len(all_ids(subject)) == before + 2

    def test_what_exists_does_not_keep_the_others_from_being_created(self, subject: Subject) -> None:
        _needs_keys(subject)
        keys = new_keys(subject, 6)
        create(subject, [subject.values(number) for number in (1, 4)], [keys[1], keys[4]])
        answers = create(subject, [subject.values(number) for number in range(6)], keys)
        expected = [Status.EXISTS if number in (1, 4) else Status.WRITTEN for number in range(6)]
        assert statuses(answers) == expected

    def test_somebody_elses_record_with_that_key_is_left_alone(self, subject: Subject) -> None:
        if subject.capabilities.create_keys is not CreateKeys.CHOSEN:
            pytest.skip("the system chooses the ids")
        id = subject.add(subject.values(1))
        assert statuses(create(subject, [subject.values(2)], [Key(id=id)])) == [Status.EXISTS]
        assert holds(held(subject, [id])[id], subject.values(1))

    def test_a_deleted_records_key_is_free_or_refused_but_never_silently_lost(self, subject: Subject) -> None:
        _needs_keys(subject)
        keys = new_keys(subject, 1)
        (first,) = create(subject, [subject.values(1)], keys)
        subject.remove(first[ID])
        (again,) = create(subject, [subject.values(2)], keys)
        exists = again[ID] in held(subject, [again[ID] or first[ID]])
        assert (again[STATUS] == Status.WRITTEN) == exists

    def test_a_mark_finds_its_record(self, subject: Subject) -> None:
        field = subject.capabilities.mark_field
        if subject.capabilities.create_keys is not CreateKeys.MARK or field is None:
            pytest.skip("the system knows no marks")
        keys = new_keys(subject, 2)
        answers = create(subject, [subject.values(number) for number in range(2)], keys)
        condition = Comparison(field, "in", (keys[1].mark, str(uuid4())))
        found = subject.connector.select(subject.table, (field,), condition).to_dicts()
        assert [(row[ID], row[field]) for row in found] == [(answers[1][ID], keys[1].mark)]

    def test_the_time_of_creation_is_the_systems_own(self, subject: Subject) -> None:
        field = subject.capabilities.created_at
        if field is None:
            pytest.skip("the table does not tell when a record was made")
        before = subject.connector.now().replace(microsecond=0)
        answer = create_one(subject, subject.values(1))
        created = subject.connector.fetch(subject.table, (field,), [answer[ID]])[field][0]
        assert before <= created <= subject.connector.now()
        found = subject.connector.select(subject.table, (), Comparison(field, "ge", before))[ID].to_list()
        assert answer[ID] in found

    def test_fields_that_are_not_sent_are_left_to_the_system(self, subject: Subject) -> None:
        full, partial = subject.values(1), subject.values(2)
        field = subject.description.field(subject.other)
        if field.required or not field.nullable:
            pytest.skip("every field that the cases may write is required")
        del partial[subject.other]
        answers = create(subject, [full, partial])
        assert statuses(answers) == [Status.WRITTEN] * 2
        stored = held(subject, [answer[ID] for answer in answers])
        assert stored[answers[0][ID]][subject.other] == full[subject.other]
        assert stored[answers[1][ID]][subject.other] != full[subject.other]
        assert answers[1][subject.other] == stored[answers[1][ID]][subject.other]

    def test_a_large_request_is_carried_out_whole(self, subject: Subject) -> None:
        before = len(all_ids(subject))
        rows = [subject.values(number) for number in range(subject.many)]
        answers = create(subject, rows)
        assert statuses(answers) == [Status.WRITTEN] * subject.many
        assert all(holds(answer, row) for answer, row in zip(answers, rows, strict=True))
        assert len(all_ids(subject)) == before + subject.many

    def test_a_request_without_records_has_an_answer_without_records(self, subject: Subject) -> None:
        create_one(subject, subject.values(1))
        for kind in WriteKind:
            assert write(subject, kind, {ID: [], VERSION: []}, []) == []

    def test_the_systems_own_logic_is_in_the_answer(self, subject: Subject) -> None:
        name = subject.upper_cased
        if name is None:
            pytest.skip("the subject names no field that the system changes by itself")
        (answer,) = create(subject, [subject.values(1) | {name: "sent so"}])
        assert answer[name] == "SENT SO"
        row = subject.connector.fetch(subject.table, (name,), [answer[ID]]).to_dicts()[0]
        assert (row[name], row[VERSION]) == ("SENT SO", answer[VERSION])
