"""The ids and marks of records that twinrow makes: derived from mapping, source record and generation.

The same source record always gets the same id, so that a create can be repeated without making a second record. A new
generation gets another one, so that an old record is never met by accident. For sources whose ids are GUIDs the derived id is
the source's, changed by a pad of the mapping: one exclusive-or over a whole batch, one to one, and in the same order of size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

_KEPT = 4
"""The leading bytes of a GUID that the pad leaves alone: ids near each other stay near, which indexes like."""


def derive_ids(namespace: str, ids: Sequence[str], generations: Sequence[int], guid: bool) -> list[str]:
    """Return the derived id of each source record.

    `namespace` names the source system, the mapping and the destination side; `guid` says that the source ids are GUIDs.
    """
    if not guid:
        return [str(UUID(bytes=_digest(f"{namespace}|{id}|{g}"))) for id, g in zip(ids, generations, strict=True)]
    pads = {generation: _pad(f"{namespace}|{generation}") for generation in set(generations)}
    size = 16 * len(ids)
    source = int.from_bytes(bytes.fromhex("".join(ids).replace("-", "")))
    if len(pads) == 1:
        (same,) = pads.values()
        pad = int.from_bytes(same * len(ids))
    else:
        pad = int.from_bytes(b"".join(pads[generation] for generation in generations))
    digits = (source ^ pad).to_bytes(size).hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}"
        f"-{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, 2 * size, 32)
    ]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _pad(text: str) -> bytes:
    return bytes(_KEPT) + _digest(text)[_KEPT:]
