"""Frames as compressed bytes, for intents and the journal."""

from __future__ import annotations

import io

import polars as pl


def pack_frame(frame: pl.DataFrame, *, lasting: bool = True) -> bytes:
    """Return a frame as compressed Arrow bytes: small where it is `lasting`, quick where it is soon forgotten."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer, compression="zstd" if lasting else "lz4")
    return buffer.getvalue()


def unpack_frame(payload: bytes) -> pl.DataFrame:
    """Return the frame that `pack_frame` has packed."""
    return pl.read_ipc(io.BytesIO(payload))
