"""What the tests of the scenarios share: coupled pairs in memory, counters, and connectors and rules that tell what they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from twinrow.actions.results import Job, Round, Run
from twinrow.batch.columns import VERSION
from twinrow.batch.hooks import HookContext, Rule
from twinrow.connectors.base import WriteKind, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.mapping import ConflictScope, FieldMapping, TableMapping
from twinrow.model.outcomes import Outcome
from twinrow.model.sides import Direction, Pass, Side
from twinrow.store.couplings import State
from twinrow.store.watermarks import Watermark, read_watermark, set_watermark
from twinrow.testing.pair import MemoryPair, customer_mapping
from twinrow.testing.pair import field as field_mapping

TO, FROM = Pass.TO, Pass.FROM
LOCAL, INTEGRATION = Side.LOCAL, Side.INTEGRATION
TABLES = {LOCAL: "customers", INTEGRATION: "account"}
NAME = {LOCAL: "displayName", INTEGRATION: "name"}
FAX = {LOCAL: "faxNo", INTEGRATION: "fax"}
PAGE = {LOCAL: "website", INTEGRATION: "websiteurl"}
ONE_WAY = {TO: Direction.TO_INTEGRATION, FROM: Direction.FROM_INTEGRATION}

NAMED = field_mapping("displayName", "name")
FAXED = field_mapping("faxNo", "fax")
PAGED = field_mapping("website", "websiteurl")


def mapping(*fields: FieldMapping, **more: Any) -> TableMapping:
    """Return the customer mapping over these fields (name and fax unless others are given)."""
    return customer_mapping(fields=fields or (NAMED, FAXED), **more)


def compatible(*fields: FieldMapping, **more: Any) -> TableMapping:
    """Return the customer mapping whose conflicts concern whole records, as scenarios of the original tell."""
    return mapping(*fields, conflict_scope=ConflictScope.RECORD, **more)


def customer_text(fields: str, name: str = "CUSTOMER") -> str:
    """Return a mapping of customers and accounts as it stands in a mapping file, with its fields in YAML."""
    return f"""
  - name: {name}
    local_table: customers
    integration_table: account
    only_coupled: false
    fields: {fields}
"""


def mapping_file(folder: Path, text: str) -> Path:
    """Write a mapping file with these mappings."""
    path = folder / "mappings.yaml"
    path.write_text(f"version: 1\nmappings:\n{text}", encoding="utf-8")
    return path


# Records and what was made of them.


def add_pair(pair: MemoryPair, name: str = "Adatum", fax: str = "1", page: str = "", **more: str) -> tuple[str, str]:
    """Add a customer and an account with equal values and couple them."""
    customer = pair.local.add("customers", {"displayName": name, "faxNo": fax, "website": page} | more)
    account = pair.integration.add("account", {"name": name, "fax": fax, "websiteurl": page or None})
    pair.couple(customer, account)
    return customer, account


def add_synchronized(pair: MemoryPair, *args: str, **values: str) -> tuple[str, str]:
    """Add a coupled pair and synchronize until both sides have seen everything."""
    ids = add_pair(pair, *args, **values)
    settle(pair)
    return ids


def settle(pair: MemoryPair, name: str = "CUSTOMER") -> None:
    """Synchronize until nothing is read any more."""
    for _ in range(4):
        if pair.synchronize(name).counters.read == 0:
            return
    raise AssertionError("the mapping does not come to rest")


def edit(pair: MemoryPair, side: Side, id: str, names: Mapping[Side, str], value: str | None) -> None:
    """Let a person change a customer's or an account's field."""
    pair.system(side).edit(TABLES[side], id, **{names[side]: value})


def value(pair: MemoryPair, side: Side, id: str, names: Mapping[Side, str]) -> Any:
    """Return a field of a customer or an account."""
    return pair.system(side).record(TABLES[side], id)[names[side]]


def job(run: Run, pass_: Pass) -> Job:
    """Return the job of a direction."""
    (found,) = [one for one in run.jobs if one.direction == pass_.value]
    return found


def outcomes(what: Job | Run | Round) -> dict[str, int]:
    """Return how many records came out how, by outcome; outcomes that no record had are left out."""
    counters = what.counters.as_dict()
    assert what.counters.balanced
    return {outcome.value: counters[outcome.value] for outcome in Outcome if counters[outcome.value]}


def skipped(pair: MemoryPair, name: str = "CUSTOMER") -> set[str]:
    """Return the local ids of the couplings that are set aside."""
    frame = pair.workspace.couplings(name)
    return {row["local_id"] for row in frame.iter_rows(named=True) if row["state"] & State.SKIPPED}


def open_failures(pair: MemoryPair, name: str = "CUSTOMER") -> dict[tuple[Pass, str], str]:
    """Return the last failure of each record that has one: direction and source id, and the message."""
    return {(row.pass_, row.source_id): row.message or "" for row in pair.workspace.list_pending(name)}


def errors(pair: MemoryPair, name: str = "CUSTOMER") -> list[str]:
    """Return the messages of all error rows, oldest first."""
    return [row.message for row in reversed(pair.workspace.list_errors(name))]


def coupling_times(pair: MemoryPair, name: str = "CUSTOMER") -> dict[str, tuple[int | None, int | None]]:
    """Return the times of change that each coupling remembers, local and integration, by local id."""
    columns = ("local_id", "local_modified_at", "integration_modified_at")
    return {local: (here, there) for local, here, there in pair.workspace.couplings(name).select(columns).iter_rows()}


def remove(pair: MemoryPair, side: Side, id: str) -> None:
    """Let a person delete a customer or an account."""
    pair.system(side).remove(TABLES[side], id)


# Watermarks.


def watermark(pair: MemoryPair, side: Side, name: str = "CUSTOMER") -> str | None:
    """Return up to where a side was read, as the side itself tells it."""
    context = pair.workspace.context
    with context.database.reading() as connection:
        mark = read_watermark(connection, context.mapping(name).id, side)
    return mark.position if mark else None


def watermark_time(pair: MemoryPair, side: Side, name: str = "CUSTOMER") -> datetime:
    """Return the watermark of a side that finds changes by their time."""
    position = watermark(pair, side, name)
    assert position is not None
    return datetime.fromisoformat(position)


def put_watermark(pair: MemoryPair, side: Side, position: datetime, name: str = "CUSTOMER") -> None:
    """Move the watermark of a side that has been read before, by hand."""
    context = pair.workspace.context
    with context.database.transaction() as connection:
        number = context.mapping(name).id
        present = read_watermark(connection, number, side)
        assert present is not None
        set_watermark(
            connection, number, side, Watermark(position.astimezone().isoformat(), present.shape, present.read_at)
        )


def version(pair: MemoryPair, side: Side, id: str) -> str:
    """Return a record's version: what the watermark of a side that counts its changes is when it was the newest."""
    return str(pair.system(side).fetch(TABLES[side], (), [id]).get_column(VERSION).item())


def clocks_apart(pair: MemoryPair, seconds: int) -> None:
    """Set the clock of the integration side so many seconds ahead of (or behind) the local one."""
    pair.clocks[INTEGRATION].advance(timedelta(seconds=seconds))


# What is sent, and what hooks see.


@dataclass
class Recorded:
    """A connector that lets everything through and remembers what was written."""

    system: MemorySystem
    written: list[tuple[WriteKind, list[str | None], tuple[str, ...]]] = field(default_factory=list)
    """Kind, ids and fields of each request."""
    fetched: list[int] = field(default_factory=list)
    """How many ids each reading by id named."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.system, name)

    def write(self, request: WriteRequest) -> pl.DataFrame:
        self.written.append((request.kind, request.frame.get_column("@id").to_list(), request.fields))
        return self.system.write(request)

    def fetch(self, table: str, fields: tuple[str, ...], ids: list[str]) -> pl.DataFrame:
        self.fetched.append(len(ids))
        return self.system.fetch(table, fields, ids)

    def kinds(self) -> Counter[str]:
        """Return how many records were sent in each way, and begin anew."""
        counted: Counter[str] = Counter()
        for kind, ids, _ in self.written:
            counted[kind.value] += len(ids)
        self.written.clear()
        return counted


def recorded(pair: MemoryPair, side: Side) -> Recorded:
    """Remember what the engine writes to a side."""
    connector = Recorded(pair.system(side))
    pair.wrap(side, connector)
    return connector


class Probe(Rule):
    """A rule that counts the records at its hooks: those whose name is carried, and those about to be made."""

    name = "probe"

    def __init__(self, adds: str = "") -> None:
        self.carried = 0
        self.made = 0
        self._adds = adds

    def adjust(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr:
        if field not in NAME.values():
            return value
        return value.map_batches(self._see, return_dtype=pl.String)

    def _see(self, values: pl.Series) -> pl.Series:
        self.carried += len(values)
        return values + self._adds if self._adds else values

    def complete_create(
        self, context: HookContext, frame: pl.DataFrame, carried: Mapping[str, str]
    ) -> dict[str, pl.Expr]:
        self.made += frame.height
        return {}

    def counts(self) -> tuple[int, int]:
        """Return how many records were carried and made, and begin anew."""
        counted = (self.carried, self.made)
        self.carried = self.made = 0
        return counted
