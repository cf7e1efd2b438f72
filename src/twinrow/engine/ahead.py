"""Reading ahead: a thread reads the next page of a feed while the present one is worked on.

Only for systems that can be read and written at the same time (`Capabilities.reads_ahead`). One page is read ahead, so that the
memory stays bounded. What goes wrong with a page is told when that page is asked for, as without a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from twinrow.connectors.base import ChangePage


def read_ahead(pages: Iterator[ChangePage]) -> Iterator[ChangePage]:
    """Yield the pages of a feed; a thread is begun only where there is more than one."""
    first = next(pages)
    if first.watermark is not None:
        yield first
        return
    with ThreadPoolExecutor(1, thread_name_prefix="feed") as reader:
        page: ChangePage | None = first
        while page is not None:
            following = reader.submit(next, pages, None)
            yield page
            page = following.result()
