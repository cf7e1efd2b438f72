"""Scores: a pair is seen beside its rivals, and no record is the counterpart of two."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from twinrow.engine.match.blocks import INTEGRATION, LOCAL, find_candidates, portions
from twinrow.engine.match.patterns import compare, level
from twinrow.engine.match.scoring import OWN, PLACED, PROBABILITY, SCORE, bits, judge, learn, weigh
from twinrow.engine.match.stock import DIGEST, FRESH, Compared, Shared, Stock, said
from twinrow.model.mapping import Compare
from twinrow.model.sides import Side

FIELDS = (
    Compared("first", "First", Compare.NAME),
    Compared("last", "Last", Compare.NAME),
    Compared("street", "Street", Compare.ADDRESS, Shared.PLACE),
    Compared("city", "City", Compare.NAME, Shared.PLACE),
)


def scored(*pairs: tuple[int, int, float]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={LOCAL: pl.UInt32, INTEGRATION: pl.UInt32, SCORE: pl.Float64}, orient="row")


def probabilities(frame: pl.DataFrame, records: int = 1_000) -> list[float]:
    judged = judge(frame, dict.fromkeys(Side, records), 2 * records)
    return [float(value) for value in judged.get_column(PROBABILITY)]


def test_a_pair_alone_is_sure_and_one_with_a_rival_as_good_is_not() -> None:
    alone, one, other = probabilities(scored((0, 0, 40), (1, 1, 40), (1, 2, 40)))
    assert alone > 0.999
    assert one == pytest.approx(other) == pytest.approx(0.5, abs=0.01)
    # So it is when two local records could be one integration record.
    assert probabilities(scored((1, 1, 40), (2, 1, 40))) == pytest.approx([0.5, 0.5], abs=0.01)


def test_the_better_one_of_two_wins_by_how_much_better_it_is() -> None:
    better, worse = probabilities(scored((1, 1, 40), (1, 2, 33)))
    assert better == pytest.approx(128 / 129, abs=0.001)
    assert worse == pytest.approx(1 / 129, abs=0.001)


def test_what_is_coupled_without_asking_is_one_to_one() -> None:
    chance = random.Random(3)
    pairs = {(chance.randrange(60), chance.randrange(60)): chance.uniform(0, 45) for _ in range(900)}
    judged = judge(scored(*((*pair, score) for pair, score in pairs.items())), dict.fromkeys(Side, 60), 120)
    for side in (LOCAL, INTEGRATION):
        assert judged.group_by(side).agg(pl.col(PROBABILITY).sum()).get_column(PROBABILITY).max() <= 1 + 1e-9
        assert judged.filter(pl.col(PROBABILITY) > 0.5).get_column(side).is_unique().all()
    assert judged.filter(pl.col(PROBABILITY) > 0.5).height > 5


def test_the_last_ones_left_are_no_likelier_than_among_the_many() -> None:
    pair = scored((0, 0, 18))
    among_many = judge(pair, dict.fromkeys(Side, 10_000), 20_000).item(0, PROBABILITY)
    left_over = judge(pair, dict.fromkeys(Side, 1), 20_000).item(0, PROBABILITY)
    alone_from_the_beginning = judge(pair, dict.fromkeys(Side, 1), 2).item(0, PROBABILITY)
    assert among_many <= left_over < 0.99 < alone_from_the_beginning


def filled(
    local: list[tuple[str | None, ...]],
    integration: list[tuple[str | None, ...]],
    old: int = 0,
    fields: Sequence[Compared] = FIELDS,
) -> Stock:
    """Return a stock; the first `old` records of each side were looked at before."""
    stock = Stock(fields)
    for side, rows in ((Side.LOCAL, local), (Side.INTEGRATION, integration)):
        frame = pl.DataFrame(rows, schema={said(index): pl.String for index in range(len(FIELDS))}, orient="row")
        numbers = pl.int_range(frame.height, eager=True)
        stock.add(
            side,
            frame.with_columns(
                numbers.cast(pl.String).alias("@id"), numbers.alias(DIGEST), (numbers >= old).alias(FRESH)
            ),
        )
    stock.close_intake()
    return stock


def candidates(stock: Stock) -> set[tuple[int, int]]:
    pairs = portions(find_candidates(stock), stock.count(Side.LOCAL), 2)
    return {pair for portion in pairs for pair in portion.select(LOCAL, INTEGRATION).iter_rows()}


def test_pairs_are_found_as_long_as_any_two_fields_agree() -> None:
    local: list[tuple[str | None, ...]] = [
        ("Anna", "Berg", "1 Mill Lane", "Rome"),
        ("Boris", "Dorn", "2 Oak Court", "Bonn"),
    ]
    integration: list[tuple[str | None, ...]] = [
        ("Anna", "Xx", None, "Rome"),
        (None, "Dorn", "2 Oak Court", None),
        ("Zora", "Stein", "9 High Street", "Oslo"),
    ]
    with filled(local, integration) as stock:
        assert candidates(stock) == {(0, 0), (1, 1)}


def test_a_value_that_everybody_has_finds_nobody() -> None:
    everybody: list[tuple[str | None, ...]] = [(None, None, None, "Rome")] * 60
    with filled(everybody, everybody) as stock:
        assert candidates(stock) == set()


def test_only_pairs_with_a_fresh_record_are_found() -> None:
    people: list[tuple[str | None, ...]] = [("Anna", "Berg", None, None), ("Boris", "Dorn", None, None)]
    with filled(people, people, old=1) as stock:
        assert candidates(stock) == {(1, 1)}
    with filled(people, people, old=2) as stock:
        assert candidates(stock) == set()


def test_names_in_each_others_field_are_noticed() -> None:
    with filled([("Anna", "Berg", None, None)], [("Berg", "Anna", None, None)]) as stock:
        told = compare(stock, pl.DataFrame({LOCAL: [0], INTEGRATION: [0]}))
        assert told.select(level(0), level(1), level(2)).row(0) == (1, 1, -1)


def test_of_fields_that_tell_one_place_one_counts_in_full() -> None:
    chance = random.Random(1)
    people: list[tuple[str | None, ...]] = [
        tuple(f"{word}{chance.randrange(400)}" for word in ("first", "last", "street", "city")) for _ in range(300)
    ]
    told: list[list[float]] = []
    for fields in (FIELDS, [replace(field, shared=None) for field in FIELDS]):
        with filled(people, people, fields=fields) as stock:
            weights = learn(stock, find_candidates(stock))
            weighed = weigh(stock, compare(stock, pl.DataFrame({LOCAL: [5], INTEGRATION: [5]})), weights)
        told.append([weighed.item(0, bits(index)) for index in range(4)])
        if fields is FIELDS:
            assert weighed.item(0, OWN) == pytest.approx(sum(told[0][:2]))
            assert weighed.item(0, PLACED) == pytest.approx(sum(told[0][2:]))
            assert weighed.item(0, SCORE) == pytest.approx(sum(told[0]))
    shared, alone = told
    assert shared[:2] == pytest.approx(alone[:2])
    assert max(shared[2:]) == pytest.approx(max(alone[2:]))
    assert min(shared[2:]) == pytest.approx(min(alone[2:]) / 4)


def test_a_record_that_came_twice_counts_once() -> None:
    stock = Stock(FIELDS)
    page = pl.DataFrame({"@id": ["a"], DIGEST: [1], FRESH: [True], **{said(i): ["Anna"] for i in range(4)}})
    stock.add(Side.LOCAL, page)
    stock.add(Side.LOCAL, page.with_columns(pl.lit("Boris").alias(said(0))))
    stock.add(Side.INTEGRATION, page)
    stock.close_intake()
    with stock:
        assert {local for local, _ in candidates(stock)} == {1}
