"""Blocks: which records are worth holding against each other, since all against all are too many.

Two records are a *candidate pair* when they share a *key*. Keys are made from the values themselves: words of names and the
beginnings of words, the end of a phone number, what stands before the @, whole numbers and dates. A key of one field alone is
used where it divides the records finely enough; besides, the keys of every two fields together, which still find a pair when
all its other fields differ. Whoever shares a key is a *block*; blocks that are too large tell nothing and cost most, so they
are left out, the largest first, until what is left is affordable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from twinrow.engine.match.stock import FRESH, Stock, form
from twinrow.model.mapping import Compare
from twinrow.model.sides import Side

_COMBINED = 8
"""The keys of so many fields, the finest ones, are also used two together."""
_LARGEST_BLOCK = 2_500
"""Blocks that come to more pairs than that are left out."""
_PAIRS_FOR_EACH = 12
"""One key may come to so many pairs for each record."""
_WORDS, _BEGINNING = 4, 4
_PHONE_END = 6

LOCAL, INTEGRATION = "local", "integration"
"""The columns of pairs: the numbers of both records."""

_PAIRS = {LOCAL: pl.UInt32(), INTEGRATION: pl.UInt32()}


@dataclass(frozen=True)
class Key:
    """A key: the fields that it is made from, and for each side a row (`row`, `key`) for each key that a record has."""

    fields: tuple[int, ...]
    rows: dict[Side, pl.DataFrame]

    def blocks(self) -> pl.DataFrame:
        """Return `key` and the number of `pairs` of each block that has records of both sides."""
        sizes = [self.rows[side].group_by("key").len(side.value) for side in Side]
        both = sizes[0].join(sizes[1], on="key")
        return both.select(
            "key", (pl.col("local").cast(pl.Int64) * pl.col("integration").cast(pl.Int64)).alias("pairs")
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The candidate pairs that one key has found: how many, and the file in which they stand by the local record's number."""

    fields: tuple[int, ...]
    pairs: int
    path: Path


def find_candidates(stock: Stock) -> list[Found]:
    """Find the candidate pairs of the stock in which a record is fresh, key by key; a pair may be found by several."""
    budget = _PAIRS_FOR_EACH * (stock.count(Side.LOCAL) + stock.count(Side.INTEGRATION))
    singles = [key for index in range(len(stock.fields)) if (key := _key(stock, index)) is not None]
    finest = sorted(singles, key=lambda key: _coarseness(stock, key))[:_COMBINED]
    found = []
    for number, key in enumerate([*singles, *(_together(*two) for two in combinations(finest, 2))]):
        pairs = _pairs(stock, key, budget)
        if pairs.is_empty():
            continue
        path = stock.folder / f"pairs-{number}.npy"
        in_order = pairs.sort(LOCAL, INTEGRATION)
        np.save(path, np.stack([in_order.get_column(name).to_numpy() for name in _PAIRS]))
        found.append(Found(key.fields, pairs.height, path))
    return found


def portions(found: Sequence[Found], records: int, rows: int) -> Iterator[pl.DataFrame]:
    """Yield each candidate pair once, those of some local records at a time."""
    files = [np.load(one.path, mmap_mode="r") for one in found]
    for start in range(0, records, rows) if files else ():
        parts = []
        for pairs in files:
            # Bounds of the file's own type: otherwise the whole file would be converted, where a few numbers are looked at.
            first, last = np.searchsorted(pairs[0], np.array([start, start + rows], dtype=pairs.dtype))
            parts.append(pairs[:, first:last])
        whole = np.concatenate(parts, axis=1)
        portion = pl.DataFrame(dict(zip(_PAIRS, whole, strict=True)), schema=_PAIRS).unique(maintain_order=False)
        if portion.height:
            yield portion.sort(LOCAL, INTEGRATION)


def random_pairs(stock: Stock, count: int, seed: int = 20) -> pl.DataFrame:
    """Return pairs of any records, of which hardly any is a match; the same ones each time."""
    chance = np.random.default_rng(seed)
    columns = {
        side.value: chance.integers(0, max(stock.count(side), 1), count, dtype=np.uint32)
        for side in Side
        if stock.count(side)
    }
    return (
        pl.DataFrame(columns, schema=_PAIRS).unique(maintain_order=True)
        if len(columns) == 2
        else pl.DataFrame(schema=_PAIRS)
    )


def _key(stock: Stock, index: int) -> Key | None:
    kind = stock.fields[index].kind
    forms = stock.forms[kind]
    if forms.is_empty():
        return None
    keys = forms.to_frame("form").select(_parts(pl.col("form"), kind).alias("part")).with_row_index("code")
    keys = keys.explode("part").drop_nulls().filter(pl.col("part") != "").unique()
    hashed = keys.select("code", pl.col("part").hash(seed=index).alias("key"))
    rows = {
        side: stock.codes[side]
        .select(pl.col(form(index)).alias("code"))
        .with_row_index("row")
        .join(hashed, on="code")
        .select("row", "key")
        for side in Side
    }
    return Key((index,), rows)


def _parts(text: pl.Expr, kind: Compare) -> pl.Expr:
    """Return the lists of parts of normal forms that make keys."""
    match kind:
        case Compare.NAME:
            return pl.concat_list(text.str.head(_BEGINNING))
        case Compare.COMPANY | Compare.ADDRESS | Compare.TEXT:
            words = text.str.split(" ")
            # Articles, house numbers and abbreviations divide nothing.
            telling = words.list.eval(pl.element().filter(pl.element().str.len_chars() > 2).str.head(5)).list.head(
                _WORDS
            )
            return pl.when(telling.list.len() > 0).then(telling).otherwise(pl.concat_list(text))
        case Compare.PHONE:
            return pl.concat_list(text.str.tail(_PHONE_END))
        case Compare.EMAIL:
            return pl.concat_list(text.str.split("@").list.first())
        case _:
            return pl.concat_list(text)


def _coarseness(stock: Stock, key: Key) -> float:
    """Return how many records of the other side a record shares its key with, where one without a key counts as sharing none."""
    pairs = key.blocks().get_column("pairs").sum()
    known = min(key.rows[side].get_column("row").n_unique() / max(stock.count(side), 1) for side in Side)
    return float(pairs) / max(known, 1e-6) ** 2


def _together(first: Key, second: Key) -> Key:
    rows = {
        side: first.rows[side]
        .join(second.rows[side], on="row")
        .select("row", (pl.col("key") ^ (pl.col("key_right") // 3)).alias("key"))
        for side in Side
    }
    return Key((*first.fields, *second.fields), rows)


def _pairs(stock: Stock, key: Key, budget: int) -> pl.DataFrame:
    blocks = key.blocks().filter(pl.col("pairs") <= _LARGEST_BLOCK).sort("pairs", "key")
    kept = blocks.filter(pl.col("pairs").cum_sum() <= budget).select("key")
    sides = {side: key.rows[side].join(kept, on="key", how="semi") for side in Side}
    fresh = {
        side: sides[side].join(
            stock.records[side].select(FRESH).with_row_index("row").filter(FRESH), on="row", how="semi"
        )
        for side in Side
    }
    told = sides[Side.LOCAL].join(fresh[Side.LOCAL], on="row", how="anti")
    parts = [
        left.join(right, on="key").select(pl.col("row").alias(LOCAL), pl.col("row_right").alias(INTEGRATION))
        for left, right in ((fresh[Side.LOCAL], sides[Side.INTEGRATION]), (told, fresh[Side.INTEGRATION]))
    ]
    return pl.concat(parts).cast(_PAIRS).unique()  # type: ignore[arg-type]
