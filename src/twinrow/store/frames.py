"""Frames as compressed bytes, for intents and the journal."""

from __future__ import annotations

import io

import polars as pl


def pack_frame(frame: pl.DataFrame) -> bytes:
    """Return a frame as compressed Arrow bytes."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def unpack_frame(payload: bytes) -> pl.DataFrame:
    """Return the frame that `pack_frame` has packed."""
    return pl.read_ipc(io.BytesIO(payload))
