"""Many requests in one: the JSON form of `$batch`.

Source: Business Central protocol page, section 6. Parts are independent and stand in order; each has an id, its place, by
which its answer is found (`records.RecordReader.parts`). A batch counts as one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from twinrow.connectors.odata.client import Call

# Asks a service that would stop at the first refusal to go on.
_HEADERS = {"Content-Type": "application/json", "Prefer": "odata.continue-on-error"}


def batch_call(root: str, parts: Iterable[str], *, repeatable: bool) -> Call:
    """Return the call that sends parts made by `part` to the API below `root`."""
    content = f'{{"requests":[{",".join(parts)}]}}'.encode()
    return Call("POST", f"{root}/$batch", _HEADERS, content, repeatable)


def part(number: int, method: str, url: str, headers: Mapping[str, str], body: str | None = None) -> str:
    """Return one part: its place, a url below the API root, and the JSON object to send."""
    start = (
        f'{{"id":"{number}","method":"{method}","url":{_json(url)},"headers":{msgspec.json.encode(headers).decode()}'
    )
    return f"{start}}}" if body is None else f'{start},"body":{body}}}'


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def chunks(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut a sequence of texts into pieces of that size."""
    return [texts[start : start + size] for start in range(0, len(texts), size)]
