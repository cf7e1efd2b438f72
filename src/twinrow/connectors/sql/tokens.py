"""Version tokens for tables that have none of their own: what the record holds, condensed.

A token made of the time of the last change alone would be the same for two changes within one tick of that time, which may
be a whole second. So the contents are part of it: two records with equal tokens hold the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from zlib import crc32

import polars as pl

from twinrow.connectors.sql.shape import Shape
from twinrow.model.tables import FieldType

_NULL = "\x01"
_SEPARATOR = "\x1f"
_DIGEST_BYTES = 12
_OURS = 389
"""The microseconds behind the last millisecond of every time that we set."""


def content_tokens(frame: pl.DataFrame, shape: Shape) -> pl.Series:
    """Return a token for each record of a frame that holds every field of the table.

    With a time of the last change, the token is that time and a checksum of 32 bits: it must tell apart only changes within
    one tick. Without one, it is a digest of 96 bits.
    """
    contents = pl.concat_str([_as_text(name, shape).fill_null(_NULL) for name in shape.columns], separator=_SEPARATOR)
    texts: list[bytes] = frame.select(contents.cast(pl.Binary).alias("contents")).get_column("contents").to_list()
    if shape.modified_at is None:
        digests = [blake2b(text, digest_size=_DIGEST_BYTES).hexdigest() for text in texts]
        return pl.Series(digests, dtype=pl.String)
    sums = pl.Series([crc32(text) for text in texts], dtype=pl.UInt32).cast(pl.String)
    times = frame.get_column(shape.modified_at.name).dt.epoch("us").cast(pl.String).fill_null("")
    return times + "-" + sums


def own_time(moment: datetime) -> datetime:
    """Return the time of the last change that a write of ours sets: within a millisecond, and known as ours (`is_version`)."""
    return moment + timedelta(microseconds=_OURS - moment.microsecond % 1_000)


def is_version(versions: pl.Series, times: pl.Series) -> pl.Series:
    """Return where a version tells that a record changed at this time is the one that we have written.

    Nobody else sets the very microsecond of a write of ours, unless it is to change a record without saying so: such changes
    no feed by times finds. Of times that are not ours, the contents would have to be looked at, too.
    """
    micros = times.dt.epoch("us")
    begins = pl.select(pl.lit(versions).str.starts_with(pl.lit(micros.cast(pl.String) + "-"))).to_series()
    return (begins & (micros % 1_000 == _OURS)).fill_null(False)


def _as_text(name: str, shape: Shape) -> pl.Expr:
    column = pl.col(name)
    if shape.table.field(name).type is FieldType.DATETIME:
        return column.dt.epoch("us").cast(pl.String)
    return column.cast(pl.String)
