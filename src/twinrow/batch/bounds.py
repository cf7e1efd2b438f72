"""How large a batch may be: by rows and by bytes, whichever is reached first."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

MAXIMUM_ROWS = 20_000
MAXIMUM_BYTES = 16 * 1024 * 1024


def bounded(frame: pl.DataFrame, rows: int = MAXIMUM_ROWS, size: int = MAXIMUM_BYTES) -> Iterator[pl.DataFrame]:
    """Cut a frame into slices within the bounds, in order. A frame without rows yields nothing."""
    if frame.is_empty():
        return
    estimate = max(1, int(frame.estimated_size()))
    step = max(1, min(rows, frame.height * size // estimate))
    for start in range(0, frame.height, step):
        yield frame.slice(start, step)
