"""The columns of the engine's frame.

The frame grows from stage to stage; each row is a source record. Beside the columns of the source batch (`batch.columns`, and
the fields under their own names) it has

| Column | From | Type | Meaning |
| --- | --- | --- | --- |
| `@coupling_id` | pair | Int64, null | the coupling; null: not coupled |
| `@destination_id` | pair | String, null | the counterpart's id |
| `@source_version`, `@destination_version` | pair | String, null | the versions for which the base stands |
| `@source_modified_at` | pair | Int64, null | the newest modification time of the source that was settled |
| `@state` | pair | Int64 | bits of `store.couplings.State` |
| `@fetched` | pair | Boolean | the counterpart was read: `found.*` hold its values, `token` its version |
| `@missing` | pair | Boolean | the counterpart was looked for, and is gone |
| `@token` | pair | String, null | the version token to write with |
| `@attempted` | write, recover | Boolean | a write without an answer went before: `attempt.*` hold what was sent |
| `@proposed` | write, recover | String, null | the proposed key that a create without an answer used: it is used again |
| `source.i` | carry | text | canonical text of the source's value of field i |
| `base_source.i`, `base_destination.i` | pair | text, null | the base; null: not known |
| `found.i` | pair | text, null | canonical text of the counterpart's value |
| `carried.i` | carry | the destination field's type | the source's value in the destination's terms |
| `carried_text.i` | carry | text | its canonical text |
| `problem.i` | carry | String, null | why the value cannot be carried |
| `unresolved.i` | carry | Boolean | the reference's record is not coupled |
| `lost.i` | carry | Boolean | information is lost on the way |
| `send.i`, `conflict.i` | decide | Boolean | write the field; leave it as a conflict |
| `refresh.i` | decide | Boolean | both sides agree: renew the base |
| `@decision`, `@outcome`, `@reason`, `@write` | decide | | what to do with the record (`engine.decide`) |
"""

from __future__ import annotations

COUPLING = "@coupling_id"
DESTINATION_ID = "@destination_id"
SOURCE_VERSION = "@source_version"
DESTINATION_VERSION = "@destination_version"
SOURCE_MODIFIED_AT = "@source_modified_at"
DESTINATION_MODIFIED_AT = "@destination_modified_at"
STATE = "@state"
FETCHED = "@fetched"
MISSING = "@missing"
TOKEN = "@token"  # noqa: S105 - a version token
ATTEMPTED = "@attempted"
PROPOSED = "@proposed"
FOUND_MODIFIED_AT = "@found_modified_at"
FOUND_MODIFIED_BY = "@found_modified_by"
DECISION = "@decision"
OUTCOME = "@outcome"
REASON = "@reason"
WRITE = "@write"
MESSAGE = "@message"
PROBLEM_FIELD = "@problem_field"


def source(index: int) -> str:
    """Canonical text of the source's value."""
    return f"source.{index}"


def base_source(index: int) -> str:
    """Base of the source side; null: not known."""
    return f"base_source.{index}"


def base_destination(index: int) -> str:
    """Base of the destination side; null: not known."""
    return f"base_destination.{index}"


def found(index: int) -> str:
    """Canonical text of the counterpart's value, where it was fetched."""
    return f"found.{index}"


def carried(index: int) -> str:
    """The source's value in the destination's terms."""
    return f"carried.{index}"


def carried_text(index: int) -> str:
    """Canonical text of the carried value."""
    return f"carried_text.{index}"


def problem(index: int) -> str:
    """Why the value cannot be carried; null: it can."""
    return f"problem.{index}"


def unresolved(index: int) -> str:
    """Whether the reference's record is not coupled."""
    return f"unresolved.{index}"


def lost(index: int) -> str:
    """Whether information is lost on the way."""
    return f"lost.{index}"


def retried(index: int) -> str:
    """Whether the field was left unresolved before, and is to be carried as soon as it can be."""
    return f"retried.{index}"


def left_blank(index: int) -> str:
    """Whether the source is blank only because the opposite pass could not resolve the reference."""
    return f"left_blank.{index}"


def kept(index: int) -> str:
    """Whether the field differs because a write was undone, and is left so."""
    return f"kept.{index}"


def send(index: int) -> str:
    """Whether the field is written."""
    return f"send.{index}"


def conflict(index: int) -> str:
    """Whether the field is left as a conflict."""
    return f"conflict.{index}"


def aside(index: int) -> str:
    """Whether the pass stands aside in the field, because the destination's value wins: the other pass carries that."""
    return f"aside.{index}"


def refresh(index: int) -> str:
    """Whether both sides agree, so that the base can be renewed."""
    return f"refresh.{index}"


def attempt(index: int) -> str:
    """Canonical text of what an unanswered write sent; null: it did not send the field."""
    return f"attempt.{index}"


def attempt_source(index: int) -> str:
    """Canonical text of the source's value when an unanswered write was sent."""
    return f"attempt_source.{index}"


def recovered_old(index: int) -> str:
    """Canonical text of the destination's value before a write that was carried out without an answer; null: not known."""
    return f"recovered_old.{index}"


def recovered_new(index: int) -> str:
    """Canonical text of what a write without an answer is known to have left; null: it did not write the field."""
    return f"recovered_new.{index}"


def returned(index: int) -> str:
    """Canonical text of the destination's value as a write returned it."""
    return f"returned.{index}"
