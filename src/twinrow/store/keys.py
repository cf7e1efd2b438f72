"""Record ids as bytes: a GUID takes 16, anything else is its text in UTF-8.

Which of the two a table's ids are is known from its description (`Table.key_is_guid`), so no byte says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import polars as pl

_GUID_BYTES = 16


def encode_keys(ids: pl.Expr, guid: bool) -> pl.Expr:
    """Return a column of ids (String) as keys (Binary). Raises a Polars error where a GUID table has an id that is none."""
    if guid:
        return ids.str.replace_all("-", "", literal=True).str.decode("hex", strict=True)
    return ids.cast(pl.Binary)


def decode_keys(keys: pl.Expr, guid: bool) -> pl.Expr:
    """Return a column of keys (Binary) as ids (String)."""
    if guid:
        digits = keys.bin.encode("hex")
        parts = [digits.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
        return pl.concat_str(parts, separator="-")
    return keys.cast(pl.String)


def encode_key(id: str, guid: bool) -> bytes:
    """Return one id as a key. Raises `ValueError` where a GUID table is given an id that is none."""
    return UUID(id).bytes if guid else id.encode()


def decode_key(key: bytes, guid: bool) -> str:
    """Return one key as an id."""
    return str(UUID(bytes=bytes(key))) if guid else bytes(key).decode()


def encode_all(ids: Iterable[str], guid: bool) -> list[bytes]:
    """Return several ids as keys. Raises `ValueError` where a GUID table is given an id that is none."""
    if not guid:
        return [id.encode() for id in ids]
    texts = pl.Series(list(ids), dtype=pl.String)
    keys = texts.str.replace_all("-", "", literal=True).str.decode("hex", strict=False)
    wrong = texts.filter((keys.bin.size() != _GUID_BYTES).fill_null(True))
    if wrong.len():
        raise ValueError(f"{wrong[0]!r} is no GUID")
    return keys.to_list()
