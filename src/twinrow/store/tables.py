"""The tables of the store.

Everything that belongs to a table mapping refers to it by its number. Record keys are bytes: 16 for a GUID, else the text
(`store.keys`). Instants are microseconds since 1970 in UTC. Couplings are narrow; the bases stand apart, one packed text for
each side of a coupling; intents and the journal are one compressed frame for each batch, never a row for each field.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up; SQLite only counts a plain INTEGER."""


class Instant(TypeDecorator[datetime]):
    """A point in time, kept as microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002, D102
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102
        return None if value is None else instant(value)


class Json(TypeDecorator[Any]):
    """A value kept as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002, D102
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002, D102
        return None if value is None else msgspec.json.decode(value)


def microseconds(value: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def instant(value: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
)

systems = Table(
    "systems",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("options", Json, nullable=False),
    sqlite_autoincrement=True,
)

connections = Table(
    "connections",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("local_system_id", ForeignKey("systems.id"), nullable=False),
    Column("integration_system_id", ForeignKey("systems.id"), nullable=False),
    Column("settings", Json, nullable=False),
    sqlite_autoincrement=True,
)

mappings = Table(
    "mappings",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("definition", Json, nullable=False),
    Column("local_guid", Boolean),
    Column("integration_guid", Boolean),
    UniqueConstraint("connection_id", "name"),
    sqlite_autoincrement=True,
)

transformation_rules = Table(
    "transformation_rules",
    metadata,
    Column("code", Text, primary_key=True),
    Column("definition", Json, nullable=False),
)

shapes = Table(
    "shapes",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", ForeignKey("mappings.id"), nullable=False, index=True),
    Column("fields", Json, nullable=False),
    sqlite_autoincrement=True,
)
"""What the packed texts of a base hold, in order: one entry for each field mapping."""

couplings = Table(
    "couplings",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False),
    Column("local_key", LargeBinary, nullable=False),
    Column("integration_key", LargeBinary, nullable=False),
    Column("local_version", Text),
    Column("integration_version", Text),
    Column("local_modified_at", BigInteger),
    Column("integration_modified_at", BigInteger),
    Column("state", SmallInteger, nullable=False, server_default="0"),
    UniqueConstraint("mapping_id", "local_key"),
    UniqueConstraint("mapping_id", "integration_key"),
    sqlite_autoincrement=True,
)
"""`*_version` is the token under which the base tells all of that side's mapped values; null where it does not."""

bases = Table(
    "bases",
    metadata,
    Column("coupling_id", BigKey, primary_key=True, autoincrement=False),
    Column("shape_id", Integer, nullable=False),
    Column("local_values", Text, nullable=False),
    Column("integration_values", Text, nullable=False),
)

generations = Table(
    "generations",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("generation", Integer, nullable=False),
)
"""How often a source record's counterpart has been given up, where that is not never."""

pending = Table(
    "pending",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False),
    Column("pass", Text, nullable=False),
    Column("source_key", LargeBinary, nullable=False),
    Column("coupling_id", BigInteger),
    Column("decision", SmallInteger, nullable=False),
    Column("recovery", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    Column("cause", Text),
    Column("remedy", Text),
    Column("failures", Integer, nullable=False),
    Column("skipped", Boolean, nullable=False),
    Column("not_before", Instant),
    Column("newest_coupling", BigInteger),
    Column("job_id", BigInteger),
    Column("since", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("mapping_id", "pass", "source_key"),
    sqlite_autoincrement=True,
)
"""Records that a pass could not finish: they come again in the next run until they succeed or are skipped.

`newest_coupling` is, of one that waits for a related record, the newest coupling that was looked at.
"""

unresolved = Table(
    "unresolved",
    metadata,
    Column("coupling_id", BigInteger, primary_key=True),
    Column("pass", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("value", Text, nullable=False),
    Column("newest_coupling", BigInteger, nullable=False),
)
"""References left blank because their record was not coupled; `newest_coupling` is the last that was looked at."""

conflicts = Table(
    "conflicts",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("coupling_id", BigInteger, nullable=False),
    Column("field", Text, nullable=False),
    Column("base_local", Text),
    Column("base_integration", Text),
    Column("local_value", Text),
    Column("integration_value", Text),
    Column("local_modified_at", Instant),
    Column("integration_modified_at", Instant),
    Column("local_modified_by", Text),
    Column("integration_modified_by", Text),
    Column("job_id", BigInteger),
    Column("since", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("coupling_id", "field"),
    sqlite_autoincrement=True,
)

intents = Table(
    "intents",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("run_id", BigInteger, nullable=False),
    Column("pass", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("records", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""What is about to be sent, or was sent without an answer. `deadline` is in the destination's own clock."""

journal = Table(
    "journal",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("run_id", BigInteger, nullable=False, index=True),
    Column("pass", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("records", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

journal_records = Table(
    "journal_records",
    metadata,
    Column("coupling_id", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Which entries of the journal tell of a coupling."""

plans = Table(
    "plans",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("connection_id", BigInteger, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("mappings", Json, nullable=False),
    Column("options", Json, nullable=False),
    Column("who", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("applied_at", Instant),
    sqlite_autoincrement=True,
)
"""What runs would do, decided and not yet carried out."""

plan_passes = Table(
    "plan_passes",
    metadata,
    Column("plan_id", BigInteger, primary_key=True),
    Column("mapping_id", BigInteger, primary_key=True),
    Column("pass", Text, primary_key=True),
    Column("shape", Text, nullable=False),
    Column("counters", Json, nullable=False),
    Column("ignored_reasons", Json, nullable=False),
    Column("fields", Json, nullable=False),
)
"""What a pass of a plan comes to: its counters, and how often each field would be written."""

plan_batches = Table(
    "plan_batches",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("plan_id", BigInteger, nullable=False, index=True),
    Column("mapping_id", BigInteger, nullable=False),
    Column("pass", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""The records of a plan, one compressed frame for each batch (`store.plans`)."""

undone = Table(
    "undone",
    metadata,
    Column("coupling_id", BigInteger, primary_key=True, autoincrement=False),
    Column("field", Text, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("run_id", BigInteger, nullable=False),
    Column("local_value", Text),
    Column("integration_value", Text),
    Column("at", Instant, nullable=False),
)
"""Fields that differ because a write was undone, with the values that they have had since."""

watermarks = Table(
    "watermarks",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("position", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("read_at", Instant, nullable=False),
)
"""Up to where each side's changes have been read, and for which filter and fields."""

seen = Table(
    "seen",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("version", Text, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Rows that were read within the overlap and will be handed over again."""

staged_ids = Table(
    "staged_ids",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
"""The ids that a side has now, while they are compared with the couplings."""

verifications = Table(
    "verifications",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("compared", BigInteger, nullable=False, server_default="0"),
    Column("records", Json, nullable=False),
    sqlite_autoincrement=True,
)
"""Comparisons of both sides, and what came of them: `records` counts the couplings by kind of difference."""

verified = Table(
    "verified",
    metadata,
    Column("verification_id", BigInteger, primary_key=True, autoincrement=False),
    Column("coupling_id", BigInteger, primary_key=True, autoincrement=False),
    Column("one_way", BigInteger),
    Column("to_integration", BigInteger),
    Column("from_integration", BigInteger),
    Column("loose_values", Text),
    sqlite_with_rowid=False,
)
"""What the local side says of each coupling, mostly as digests, while it is compared with the other side."""

pilot_records = Table(
    "pilot_records",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
"""The records that take part in a mapping while others do not (`store.pilots`)."""

leases = Table(
    "leases",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("run_id", BigInteger),
    Column("owner", Text),
    Column("beat", BigInteger, nullable=False),
    Column("stopped", Boolean, nullable=False, server_default=false()),
)
"""Which run may work on a mapping. `owner` is null when the lease is free; `beat` is counted up while it is held.

`stopped` tells a run under way to end.
"""

rounds = Table(
    "rounds",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("options", Json, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("round_id", BigInteger, index=True),
    Column("options", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("run_id", BigInteger, nullable=False, index=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("pass", Text),
    Column("state", Text, nullable=False),
    Column("stage", Text),
    Column("cursor", Text),
    Column("message", Text),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in (
            "read",
            "inserted",
            "modified",
            "unchanged",
            "failed",
            "skipped",
            "deleted",
            "uncoupled",
            "ignored",
            "coupled",
        )
    ),
    Column("ignored_reasons", Json, nullable=False),
    sqlite_autoincrement=True,
)
"""One row for each pass of a run: its counters, and (`stage`, `cursor`) how far it has come."""

errors = Table(
    "errors",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("job_id", BigInteger, nullable=False, index=True),
    Column("mapping_id", BigInteger, nullable=False, index=True),
    Column("pass", Text, nullable=False),
    Column("source_key", LargeBinary),
    Column("destination_key", LargeBinary),
    Column("decision", SmallInteger, nullable=False),
    Column("recovery", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    Column("cause", Text),
    Column("remedy", Text),
    Column("at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("mapping_id", BigInteger, nullable=False),
    Column("local_key", LargeBinary, nullable=False),
    Column("integration_key", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("probability", Double, nullable=False),
    Column("explanation", Json, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("who", Text),
    Column("decided_at", Instant),
    UniqueConstraint("mapping_id", "local_key", "integration_key"),
    Index("ix_proposals_mapping_id_state", "mapping_id", "state"),
    Index("ix_proposals_mapping_id_integration_key", "mapping_id", "integration_key"),
    sqlite_autoincrement=True,
)
"""Pairs that scored matching has found; what was rejected stays, so that it is not proposed again."""

match_weights = Table(
    "match_weights",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shape", Text, nullable=False),
    Column("weights", Json, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)
"""How much agreement speaks for a match in each field, as it was learned from so many records of the two sides together."""

match_scored = Table(
    "match_scored",
    metadata,
    Column("mapping_id", BigInteger, primary_key=True, autoincrement=False),
    Column("side", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("digest", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The records without counterpart that were held against the others, and a digest of the values that they had then."""

Index(
    "ix_couplings_not_well",
    couplings.c.mapping_id,
    couplings.c.state,
    sqlite_where=couplings.c.state != 0,
    postgresql_where=couplings.c.state != 0,
)
