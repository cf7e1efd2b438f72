"""Frames to the JSON of requests, column by column.

A *member* is a column of texts `"name":value`, one for each record; what is not sent is null and leaves no trace. The
members of a record joined by commas are its JSON object.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def text_member(name: str, value: pl.Expr) -> pl.Expr:
    """Return the member of a property whose values are texts."""
    # The encoder writes {"name":"text"}, with everything escaped that must be.
    encoded = pl.struct(value.alias(name)).struct.json_encode()
    return encoded.str.strip_prefix("{").str.strip_suffix("}")


def literal_member(name: str, value: pl.Expr) -> pl.Expr:
    """Return the member of a property whose values are JSON already: numbers, true, false, quoted texts without specials."""
    return pl.concat_str([pl.lit(f'"{name}":'), value.cast(pl.String)])


def only_where(member: pl.Expr, sent: pl.Expr) -> pl.Expr:
    """Return the member for those records only."""
    return pl.when(sent).then(member)


def json_objects(frame: pl.DataFrame, members: Sequence[pl.Expr]) -> list[str]:
    """Return the JSON object of each record."""
    if not members:
        return ["{}"] * frame.height
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    return frame.select(pl.concat_str([pl.lit("{"), joined, pl.lit("}")])).to_series().to_list()
