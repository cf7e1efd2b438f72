"""The exceptions of twinrow, classed by what gets the work going again.

    TwinrowError
    ├── RetryError           wait, then try again: nothing is wrong with data or settings
    │   ├── SystemUnavailable    no answer, or an answer that says "not now"
    │   ├── FeedExpired          a position in a change feed no longer works: read again and compare
    │   └── LeaseHeld            another run of the mapping is under way
    ├── DataError            fix a record
    │   ├── RecordNotFound       an id that does not exist
    │   ├── RecordRefused        a system will not take a record
    │   └── CouplingRefused      a coupling that would break the rules of couplings
    ├── ConfigurationError   fix the configuration
    │   ├── MappingProblems      what is wrong with mapping files, each with file, line and remedy
    │   ├── FilterError          a filter that cannot be read or does not fit its table
    │   ├── SignInFailed         wrong tenant, client id, secret or certificate
    │   ├── Unreachable          wrong address, name or certificate authority
    │   ├── UnknownTable         a table that a system does not have
    │   ├── UnknownField         a field that a table does not have
    │   └── UnknownName          a mapping, system, connection or setting that does not exist
    └── StopError            go no further: someone else has the work, or the store is not ours to write
        ├── LeaseLost            another process took the run over
        ├── DuplicatesHeld       records would be made that seem to be there already, uncoupled
        ├── RemovalsHeld         more would be deleted or uncoupled than the mapping allows
        └── StoreMismatch        the store was made by a newer twinrow, or is no store

Each carries a message, and where they are known the record, the field, the cause and a remedy. None carries a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class TwinrowError(Exception):
    """The base of all errors that twinrow raises on purpose.

    `message` is one sentence for people, `cause` what was found (for example the answer of a system), `remedy` what to do
    next, `record` and `field` name what is concerned.
    """

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        remedy: str | None = None,
        record: str | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy
        self.record = record
        self.field = field

    def __str__(self) -> str:
        parts = [self.message]
        if self.cause:
            parts.append(f"Cause: {self.cause}")
        if self.remedy:
            parts.append(f"Remedy: {self.remedy}")
        return " ".join(part if part.endswith((".", "!", "?", ":")) else part + "." for part in parts)


class RetryError(TwinrowError):
    """Wait and try again."""


class SystemUnavailable(RetryError):
    """A system did not answer, or said that it cannot now."""


class FeedExpired(RetryError):
    """A position in a change feed no longer works; the table must be read again and compared."""


class LeaseHeld(RetryError):
    """Another run holds the lease of the mapping."""


class DataError(TwinrowError):
    """A record must be mended."""


class RecordNotFound(DataError):
    """A record that was named does not exist."""


class RecordRefused(DataError):
    """A system refuses to take a record."""


class CouplingRefused(DataError):
    """A coupling would break the rules of couplings (semantics 3.1)."""


class ConfigurationError(TwinrowError):
    """The configuration must be mended."""


class FilterError(ConfigurationError):
    """A filter cannot be read, or does not fit its table. `position` counts characters from 0."""

    def __init__(
        self, message: str, *, position: int | None = None, cause: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message, cause=cause, remedy=remedy)
        self.position = position


class SignInFailed(ConfigurationError):
    """A system refuses our sign-in."""


class Unreachable(ConfigurationError):
    """There is no such system at the address given."""


class UnknownName(ConfigurationError):
    """Something that was named does not exist."""

    def __init__(self, kind: str, name: str, known: Sequence[str], *, record: str | None = None) -> None:
        close = get_close_matches(name, known, n=3, cutoff=0.5)
        if close:
            remedy = f"Did you mean {' or '.join(close)}?"
        elif known:
            shown = sorted(known)[:12]
            remedy = f"Known: {', '.join(shown)}{', …' if len(known) > len(shown) else ''}."
        else:
            remedy = f"There is no {kind} yet."
        super().__init__(f"There is no {kind} named {name!r}", remedy=remedy, record=record)
        self.kind = kind
        self.name = name


class UnknownTable(UnknownName):
    """A system has no such table."""

    def __init__(self, system: str, table: str, known: Sequence[str]) -> None:
        super().__init__(f"table in {system}", table, known)


class UnknownField(UnknownName):
    """A table has no such field."""

    def __init__(self, table: str, field: str, known: Sequence[str]) -> None:
        super().__init__(f"field in table {table}", field, known)
        self.field = field


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """One thing that is wrong with a mapping: where it stands, what is wrong, what to do.

    `severity` is `error` (the mapping cannot be used) or `warning` (it can, with the limit that is named).
    """

    message: str
    remedy: str = ""
    mapping: str = ""
    field: str = ""
    file: str = ""
    line: int | None = None
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        subject = " ".join(part for part in (self.mapping, self.field) if part)
        subject = f"{subject}: " if subject else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{place}{subject}{self.message}{remedy}"


class MappingProblems(ConfigurationError):
    """Everything that is wrong with some mappings."""

    def __init__(self, problems: Sequence[MappingProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.message


class StopError(TwinrowError):
    """Go no further."""


class LeaseLost(StopError):
    """Another process has taken the run over; what was not settled is its to finish."""


class DuplicatesHeld(StopError):
    """Records would be made that seem to be there already, uncoupled: a person must look at it first."""


class RemovalsHeld(StopError):
    """More would be deleted or uncoupled than the mapping allows: a person must look at it first."""


class Stopped(StopError):
    """Somebody has stopped everything."""


class StoreMismatch(StopError):
    """The store cannot be used by this version of twinrow."""
