"""Records by id, by condition, and the ids of all."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import pytest

from twinrow.batch.columns import ID
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch
from twinrow.model.tables import FieldType
from twinrow.testing.conformance.exchange import all_ids, create, held, holds
from twinrow.testing.conformance.subject import Subject

ORDERED = (
    FieldType.INTEGER,
    FieldType.DECIMAL,
    FieldType.FLOAT,
    FieldType.DATE,
    FieldType.DATETIME,
)

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
MATCH: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def selected(subject: Subject, condition: Filter | None, among: Mapping[str, Any]) -> set[str]:
    """Return which of these records a condition selects; what else the table holds does not matter."""
    frame = subject.connector.select(subject.table, (), condition)
    ids = frame[ID].to_list()
    assert len(set(ids)) == len(ids)
    return set(ids) & set(among)


class Reading:
    """Fetches, selections, ids."""

    def test_a_fetch_returns_what_there_is(self, subject: Subject) -> None:
        rows = {subject.add(subject.values(number)): subject.values(number) for number in range(5)}
        ids = list(rows)
        unknown = [str(uuid4()), "no id at all", "", "12345", "'; --"]
        stored = held(subject, [*ids[1:4], *unknown, ids[1]])
        assert set(stored) == set(ids[1:4])
        assert all(holds(stored[id], rows[id]) for id in stored)
        assert held(subject, unknown) == {}
        assert held(subject, []) == {}

    def test_a_fetch_takes_more_ids_than_one_request_holds(self, subject: Subject) -> None:
        answers = create(subject, [subject.values(number) for number in range(subject.many)])
        ids = [answer[ID] for answer in answers]
        unknown = [str(uuid4()) for _ in range(subject.many)]
        mixed = [id for pair in zip(ids, unknown, strict=True) for id in pair]
        assert set(held(subject, mixed)) == set(ids)

    def test_the_ids_are_complete_and_each_comes_once(self, subject: Subject) -> None:
        before = set(all_ids(subject))
        answers = create(subject, [subject.values(number) for number in range(subject.many)])
        ids = all_ids(subject)
        assert len(set(ids)) == len(ids)
        assert set(ids) == before | {answer[ID] for answer in answers}

    def test_without_a_condition_everything_is_selected(self, subject: Subject) -> None:
        ids = {subject.add(subject.values(number)): number for number in range(3)}
        assert selected(subject, None, ids) == set(ids)

    @pytest.mark.parametrize("comparison", list(COMPARE))
    def test_every_comparison_on_every_type(self, subject: Subject, comparison: str) -> None:
        compare = COMPARE[comparison]
        rows = {subject.add(subject.values(number)): subject.values(number) for number in range(4)}
        for field in subject.usable:
            if comparison not in ("eq", "ne") and field.type not in ORDERED:
                continue
            for value in {row[field.name] for row in rows.values()}:
                expected = {id for id, row in rows.items() if compare(row[field.name], value)}
                assert selected(subject, Comparison(field.name, comparison, value), rows) == expected, field.name

    def test_null_is_found_and_differs_from_every_value(self, subject: Subject) -> None:
        for field in subject.usable:
            if not field.nullable or field.required:
                continue
            value = subject.values(1)[field.name]
            blank = subject.add(subject.values(0) | {field.name: None})
            filled = subject.add(subject.values(1))
            rows = {blank: None, filled: value}
            assert selected(subject, Comparison(field.name, "eq", None), rows) == {blank}, field.name
            assert selected(subject, Comparison(field.name, "ne", None), rows) == {filled}, field.name
            assert selected(subject, Comparison(field.name, "eq", value), rows) == {filled}, field.name
            assert selected(subject, Comparison(field.name, "ne", value), rows) == {blank}, field.name
            assert selected(subject, Not(Comparison(field.name, "eq", value)), rows) == {blank}, field.name
            assert selected(subject, Comparison(field.name, "in", (value,)), rows) == {filled}, field.name
            assert selected(subject, Comparison(field.name, "in", (value, None)), rows) == {blank, filled}, field.name

    def test_a_day_compares_with_a_point_in_time(self, subject: Subject) -> None:
        field = next((field for field in subject.usable if field.type is FieldType.DATETIME), None)
        if field is None:
            pytest.skip("the table has no points in time")
        rows = {subject.add(subject.values(number)): subject.values(number)[field.name] for number in (0, 30, 60)}
        day = date(2020, 1, 2)
        midnight = datetime(2020, 1, 2, tzinfo=next(iter(rows.values())).tzinfo)
        expected = {id for id, moment in rows.items() if moment >= midnight}
        assert selected(subject, Comparison(field.name, "ge", day), rows) == expected
        assert len(expected) == 2

    def test_several_values_at_once(self, subject: Subject) -> None:
        rows = {subject.add(subject.values(number)): subject.values(number) for number in range(5)}
        for field in subject.usable:
            wanted = tuple(dict.fromkeys(subject.values(number)[field.name] for number in (1, 3)))
            expected = {id for id, row in rows.items() if row[field.name] in wanted}
            assert selected(subject, Comparison(field.name, "in", wanted), rows) == expected, field.name
            assert selected(subject, Not(Comparison(field.name, "in", wanted)), rows) == set(rows) - expected

    def test_more_values_at_once_than_one_request_holds(self, subject: Subject) -> None:
        rows = {subject.add(subject.values(number) | {subject.text: f"value {number}"}): number for number in range(6)}
        wanted = tuple(f"value {number}" for number in range(2, subject.many))
        expected = {id for id, number in rows.items() if number >= 2}
        assert selected(subject, Comparison(subject.text, "in", wanted), rows) == expected
        assert selected(subject, Comparison(subject.text, "in", ()), rows) == set()

    @pytest.mark.parametrize("function", list(MATCH))
    def test_quotes_and_wildcards_in_texts_stand_for_themselves(self, subject: Subject, function: str) -> None:
        match = MATCH[function]
        parts = (
            "%",
            "_",
            "[",
            "]",
            "'",
            '"',
            "\\",
            "*",
            "?",
            "&",
            "+",
            "/",
            "#",
            "ß",
            "עו",
            "100%",
            "a_b",
            "[ab]",
            "''",
        )
        texts = [f"{part} q" for part in parts] + [f"q {part} q" for part in parts] + [f"q {part}" for part in parts]
        texts += ["axb", "aab", "100 %", "plain"]
        rows = {subject.add(subject.values(n) | {subject.text: text}): text for n, text in enumerate(texts)}
        for part in parts:
            expected = {id for id, text in rows.items() if match(text, part)}
            assert selected(subject, TextMatch(function, subject.text, part), rows) == expected, part
            whole = f"{part} q"
            expected = {id for id, text in rows.items() if text == whole}
            assert selected(subject, Comparison(subject.text, "eq", whole), rows) == expected, whole

    def test_and_or_not(self, subject: Subject) -> None:
        rows = {subject.add(subject.values(n) | {subject.text: f"item {n}"}): n for n in range(6)}
        one = Comparison(subject.text, "eq", "item 1")
        two = Comparison(subject.text, "eq", "item 2")
        item = TextMatch("startswith", subject.text, "item")
        cases: list[tuple[Filter, set[int]]] = [
            (Or((one, two)), {1, 2}),
            (And((item, Not(one))), {0, 2, 3, 4, 5}),
            (And((item, Or((one, two)), Not(two))), {1}),
            (Not(And((item, Not(Or((one, two)))))), {1, 2}),
            (And((one, two)), set()),
        ]
        for condition, numbers in cases:
            assert selected(subject, condition, rows) == {id for id, n in rows.items() if n in numbers}, condition

    def test_no_more_than_the_limit(self, subject: Subject) -> None:
        rows = {subject.add(subject.values(n) | {subject.text: f"item {n}"}): n for n in range(5)}
        condition = TextMatch("startswith", subject.text, "item")
        for limit in (0, 1, 3):
            frame = subject.connector.select(subject.table, subject.names, condition, limit)
            assert frame.height == limit
            assert set(frame[ID].to_list()) <= set(rows)
        assert subject.connector.select(subject.table, (), condition, 1_000).height >= 5
