"""Reading ahead changes when a page is read, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from twinrow.connectors.base import ChangePage
from twinrow.engine.ahead import read_ahead
from twinrow.model.errors import SystemUnavailable


def _pages(count: int, fails_at: int = -1) -> Iterator[ChangePage]:
    for number in range(count):
        if number == fails_at:
            raise SystemUnavailable("The system does not answer")
        yield ChangePage(pl.DataFrame({"n": [number]}), str(number), "end" if number == count - 1 else None)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_pages_come_in_their_order(count: int) -> None:
    assert [page.cursor for page in read_ahead(_pages(count))] == [str(number) for number in range(count)]


@pytest.mark.parametrize("fails_at", [0, 1, 3])
def test_what_goes_wrong_with_a_page_is_told_when_it_is_asked_for(fails_at: int) -> None:
    pages = read_ahead(_pages(5, fails_at))
    assert [next(pages).cursor for _ in range(fails_at)] == [str(number) for number in range(fails_at)]
    with pytest.raises(SystemUnavailable):
        next(pages)


def test_whoever_breaks_off_gets_no_more() -> None:
    pages = _pages(5)
    for page in read_ahead(pages):
        if page.cursor == "1":
            break
    assert next(pages).cursor in ("2", "3")
