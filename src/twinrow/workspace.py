"""Puts the parts together: `twinrow.open` gives a workspace, whose methods are the actions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import polars as pl

from twinrow.actions import (
    conflicts,
    coupled_errors,
    coupling,
    coupling_import,
    coupling_offer,
    erasure,
    journal,
    mappings,
    matching,
    offers,
    pilots,
    plans,
    proposals,
    records,
    reset,
    restraints,
    schema_drift,
    setup,
    synchronization,
    systems,
    transformations,
    uncoupling,
    undo,
    verification,
    work,
    writers,
)
from twinrow.actions.conflicts import ReadableConflict, Resolution
from twinrow.actions.context import ActionContext
from twinrow.actions.coupled_errors import CoupledError
from twinrow.actions.coupling import Coupled, Created
from twinrow.actions.coupling_import import Imported
from twinrow.actions.coupling_offer import CouplingOffer
from twinrow.actions.journal import JournalPage
from twinrow.actions.mapping_changes import MappingChange
from twinrow.actions.matching import MatchResult
from twinrow.actions.offers import Called, Offer, Selected
from twinrow.actions.plans import Plan, PlannedRecord
from twinrow.actions.proposals import Decided, ReadableProposal, ScoredResult
from twinrow.actions.records import FoundRecord
from twinrow.actions.reset import Reset
from twinrow.actions.results import Job, Round, Run
from twinrow.actions.setup import SetUp
from twinrow.actions.uncoupling import UncouplingResult
from twinrow.actions.undo import UndoResult
from twinrow.actions.verification import VerificationResult
from twinrow.actions.work import MappingStatus
from twinrow.actions.writers import OtherWriter
from twinrow.connectors.base import Capabilities, Check, Connector
from twinrow.engine.broken import Broken
from twinrow.engine.context import EngineSettings
from twinrow.engine.drift import Drift
from twinrow.engine.erasure import Erased
from twinrow.engine.trial import Trial
from twinrow.model.errors import ConfigurationError, MappingProblem
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.protocols import Clock, Secrets
from twinrow.model.rules import AnyRule
from twinrow.model.sides import Side
from twinrow.model.tables import Table
from twinrow.store.conflicts import Conflict
from twinrow.store.database import open_database
from twinrow.store.errors import ErrorRow
from twinrow.store.pending import PendingRecord
from twinrow.store.pilots import Pilot
from twinrow.store.restraints import Stop
from twinrow.store.retention import Retention
from twinrow.store.systems import Pair, System


class MachineClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the present time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of a clock that only goes forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ReferencedSecrets:
    """Secrets that stand elsewhere: `env:NAME` in the environment, `file:PATH` in a file."""

    def resolve(self, reference: str) -> str:
        """Return the secret. Raises `ConfigurationError` when the reference leads nowhere; the message holds no secret."""
        kind, _, place = reference.partition(":")
        if kind == "env" and place:
            value = os.environ.get(place)
            if value is None:
                raise ConfigurationError(
                    f"The environment has no variable {place}, which holds a secret", remedy=f"Set {place}."
                )
            return value
        if kind == "file" and place:
            try:
                return Path(place).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigurationError(
                    f"The file {place}, which holds a secret, cannot be read", cause=error.strerror
                ) from error
        raise ConfigurationError(
            "A secret must be given as env:NAME or file:PATH",
            remedy="Put the secret into a variable of the environment or a file, and name that.",
        )


class Workspace:
    """A store and the systems that are synchronized with it. Use it as a context manager, or close it."""

    def __init__(self, context: ActionContext) -> None:
        self.context = context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the systems and the store."""
        self.context.close()

    def attach(self, name: str, connector: Connector) -> System:
        """Add a system by a connector of your own; it must be attached again each time the store is opened."""
        self.context.attached[name] = connector
        return systems.add_system(self.context, name, "attached", {})

    def use(self, connection: str) -> None:
        """Say which connection is meant, where there are several."""
        self.context.connection = connection

    # Systems and connections.

    def add_system(self, name: str, kind: str, **options: Any) -> System:
        """Add a system, or change its settings; see `actions.systems`."""
        return systems.add_system(self.context, name, kind, options)

    def list_systems(self) -> list[System]:
        """Return all systems by name."""
        return systems.list_systems(self.context)

    def test_system(self, name: str) -> list[Check]:
        """Look at everything that must be right before a system can be synchronized."""
        return systems.test_system(self.context, name)

    def list_tables(self, name: str) -> list[str]:
        """Return the names of the tables of a system that can be mapped."""
        return systems.list_tables(self.context, name)

    def describe_table(self, name: str, table: str) -> tuple[Table, Capabilities]:
        """Return the fields of a system's table, and what the table can do."""
        return systems.describe_table(self.context, name, table)

    def add_connection(
        self, name: str, local: str, integration: str, settings: Mapping[str, Any] | None = None
    ) -> Pair:
        """Connect two systems under a name, or change the settings of that connection."""
        return systems.add_connection(self.context, name, local, integration, settings)

    def list_connections(self) -> list[Pair]:
        """Return all connections by name."""
        return systems.list_connections(self.context)

    def show_connection(self) -> Pair:
        """Return the connection that is meant."""
        return systems.show_connection(self.context)

    def setup_connection(
        self, *, ownership_model: str | None = None, check_owners: bool | None = None, standard: bool = True
    ) -> SetUp:
        """Prepare Business Central and Dataverse, and take over the standard mappings; see `actions.setup`."""
        return setup.setup_connection(
            self.context, ownership_model=ownership_model, check_owners=check_owners, standard=standard
        )

    # What keeps runs from writing.

    def stop_everything(self, reason: str = "") -> Stop:
        """Let no run of the store write any more; see `actions.restraints`."""
        return restraints.stop_everything(self.context, reason)

    def resume_everything(self) -> Stop | None:
        """Let runs begin again; return the stop that was lifted."""
        return restraints.resume_everything(self.context)

    def show_stop(self) -> Stop | None:
        """Return the stop, if everything is stopped."""
        return restraints.show_stop(self.context)

    def make_read_only(self, sides: str) -> frozenset[Side]:
        """Say to which sides of the connection nothing may be written: `none`, `local`, `integration` or `both`."""
        return restraints.make_read_only(self.context, sides)

    def show_read_only(self) -> frozenset[Side]:
        """Return the sides of the connection to which nothing may be written."""
        return restraints.show_read_only(self.context)

    def accept_system(self, name: str, *, keep_couplings: bool) -> dict[str, int]:
        """Go on with a system whose settings lead to another environment than before; see `actions.restraints`."""
        return restraints.accept_system(self.context, name, keep_couplings=keep_couplings)

    def start_pilot(self, mapping: str, **choice: Any) -> Pilot:
        """Let only some records of a mapping take part; see `actions.pilots.start_pilot`."""
        return pilots.start_pilot(self.context, mapping, **choice)

    def end_pilot(self, mapping: str) -> Pilot | None:
        """Let all records of a mapping take part again."""
        return pilots.end_pilot(self.context, mapping)

    def list_pilots(self) -> dict[str, Pilot]:
        """Return the pilots of the connection's mappings, by mapping."""
        return pilots.list_pilots(self.context)

    # Mappings.

    def apply_mappings(self, *files: str | Path) -> list[MappingProblem]:
        """Add or change the mappings of files; see `actions.mappings.apply_mappings`."""
        return mappings.apply_mappings(self.context, *files)

    def check_mapping_files(self, *files: str | Path) -> list[MappingProblem]:
        """Return everything that is wrong with mapping files; nothing is changed."""
        return mappings.check_mapping_files(self.context, *files)

    def check_connection(self, names: Sequence[str] = ()) -> list[MappingProblem]:
        """Return everything that is wrong with the connection's mappings and its systems as they are now."""
        return mappings.check_connection(self.context, names)

    def export_connection(self, names: Sequence[str] = ()) -> str:
        """Return the connection's mappings as the text of a mapping file."""
        return mappings.export_connection(self.context, names)

    def list_table_mappings(self) -> list[TableMapping]:
        """Return the mappings of the connection in the order in which they run."""
        return mappings.list_table_mappings(self.context)

    def show_mapping(self, name: str) -> TableMapping:
        """Return a mapping of the connection."""
        return mappings.show_mapping(self.context, name)

    def list_field_mappings(self, mapping: str) -> Sequence[FieldMapping]:
        """Return the field mappings of a mapping, also the disabled ones, in their order."""
        return transformations.list_field_mappings(self.context, mapping)

    def try_field_mapping(self, mapping: str, field: str, value: str, direction: str = "to") -> Trial:
        """Return what a field mapping makes of a value; see `actions.transformations.try_field_mapping`."""
        return transformations.try_field_mapping(self.context, mapping, field, value, direction)

    def list_drift(self, mapping: str) -> list[Drift]:
        """Return the mapped fields that are gone, or of another type than when the mapping last ran."""
        return schema_drift.list_drift(self.context, mapping)

    def accept_schema(self, mapping: str) -> list[Drift]:
        """Take the tables of a mapping as they are now; see `actions.schema_drift.accept_schema`."""
        return schema_drift.accept_schema(self.context, mapping)

    def reset_transformation_rules(self, mapping: str) -> list[str]:
        """Take the transformation rules out of all field mappings of a mapping; return the keys of those that had any."""
        return transformations.reset_transformation_rules(self.context, mapping)

    def list_transformation_rules(self) -> list[AnyRule]:
        """Return all transformation rules by code."""
        return transformations.list_transformation_rules(self.context)

    def try_transformation_rule(self, code: str, value: str) -> Trial:
        """Return what a transformation rule, and those that follow it, make of a text."""
        return transformations.try_transformation_rule(self.context, code, value)

    def delete_transformation_rule(self, code: str) -> None:
        """Take a transformation rule away that nothing uses."""
        transformations.delete_transformation_rule(self.context, code)

    def diff_mapping_files(self, *files: str | Path) -> list[MappingChange]:
        """Return what applying mapping files would change; nothing is changed."""
        return mappings.diff_mapping_files(self.context, *files)

    def plan_reset(self, names: Sequence[str] = ()) -> Reset:
        """Return what `reset_mappings` would do; nothing is changed."""
        return reset.plan_reset(self.context, names)

    def reset_mappings(self, names: Sequence[str] = ()) -> Reset:
        """Give mappings their standard form again; see `actions.reset`."""
        return reset.reset_mappings(self.context, names)

    def enable_mapping(self, name: str) -> TableMapping:
        """Let a mapping run again."""
        return reset.enable_mapping(self.context, name)

    def disable_mapping(self, name: str) -> TableMapping:
        """Take a mapping out of use; what is remembered of its records stays."""
        return reset.disable_mapping(self.context, name)

    def remove_mapping(self, name: str, *, forget_couplings: bool = False) -> int:
        """Remove a mapping and everything that is remembered of its records; see `actions.reset.remove_mapping`."""
        return reset.remove_mapping(self.context, name, forget_couplings=forget_couplings)

    # Synchronization and coupling.

    @overload
    def synchronize(self, mapping: str, **options: Any) -> Run: ...

    @overload
    def synchronize(self, mapping: None = None, **options: Any) -> Round: ...

    def synchronize(self, mapping: str | None = None, **options: Any) -> Run | Round:
        """Run one mapping, or all in dependency order; options as in `actions.synchronization`."""
        if mapping is None:
            return synchronization.synchronize_all(self.context, **options)
        return synchronization.synchronize(self.context, mapping, **options)

    def synchronize_all(self, mappings: Sequence[str] = (), **options: Any) -> Round:
        """Run several mappings in dependency order; options as in `actions.synchronization.synchronize_all`."""
        return synchronization.synchronize_all(self.context, mappings, **options)

    # Plans.

    def make_plan(self, *mappings: str, **options: Any) -> Plan:
        """Decide what synchronizing would do, and keep it; options as in `actions.plans.make_plan`."""
        return plans.make_plan(self.context, mappings, **options)

    def list_plans(self) -> list[Plan]:
        """Return the plans of the connection, newest first."""
        return plans.list_plans(self.context)

    def show_plan(self, number: int) -> Plan:
        """Return a plan: what it comes to in each direction of each mapping."""
        return plans.show_plan(self.context, number)

    def planned_records(self, number: int, **chosen: Any) -> Iterator[PlannedRecord]:
        """Yield the records of a plan with the fields that would be written; see `actions.plans.planned_records`."""
        return plans.planned_records(self.context, number, **chosen)

    def apply_plan(self, number: int, **options: Any) -> Round:
        """Carry out exactly what a plan shows, and nothing with records that have moved since."""
        return plans.apply_plan(self.context, number, **options)

    def discard_plan(self, number: int) -> None:
        """Forget a plan that is not wanted."""
        plans.discard_plan(self.context, number)

    def offer_synchronization(self, mapping: str, records: Sequence[str], *, create: bool = False) -> Offer:
        """Say what may be done with records that a person has selected; see `actions.offers.offer_synchronization`."""
        return offers.offer_synchronization(self.context, mapping, records, create=create)

    def synchronize_selected(
        self, mapping: str, records: Sequence[str], choice: str | None = None, **options: Any
    ) -> Selected:
        """Synchronize records as it was offered; options as in `actions.offers.synchronize_selected`."""
        return offers.synchronize_selected(self.context, mapping, records, choice, **options)

    def synchronize_from_integration(self, table: str, id: str) -> Called:
        """Synchronize a record that was asked for on the integration side's form, coupling it where its mapping allows."""
        return offers.synchronize_from_integration(self.context, table, id)

    def couple(self, mapping: str, local_id: str, integration_id: str, **options: Any) -> Coupled:
        """Couple two records that are there already; options as in `actions.coupling.couple`."""
        return coupling.couple(self.context, mapping, local_id, integration_id, **options)

    def offer_coupling(self, mapping: str, local_id: str, integration_id: str | None = None) -> CouplingOffer:
        """Return what there is to see before a record is coupled; see `actions.coupling_offer`."""
        return coupling_offer.offer_coupling(self.context, mapping, local_id, integration_id)

    def create_counterparts(self, mapping: str, *records: str, **options: Any) -> Created:
        """Make the counterparts of records that are not coupled; options as in `actions.coupling.create_counterparts`."""
        return coupling.create_counterparts(self.context, mapping, records, **options)

    def import_couplings(self, mapping: str, source: str | Path, **options: Any) -> Imported:
        """Couple the pairs that a file or a local table names; options as in `actions.coupling_import`."""
        return coupling_import.import_couplings(self.context, mapping, source, **options)

    def find_records(self, mapping: str, side: str, text: str, limit: int | None = 20) -> list[FoundRecord]:
        """Return the records of a side that are called so, or whose name begins so; see `actions.records`."""
        return records.find_records(self.context, mapping, side, text, limit)

    def record_id(self, mapping: str, side: str, text: str) -> str:
        """Return the id of the one record of a side that is named by its id, number or name."""
        return records.record_id(self.context, mapping, side, text)

    def uncouple(self, mapping: str, *records: str, everything: bool = False) -> UncouplingResult:
        """Uncouple records, or with `everything` all of a mapping; no data is deleted. See `actions.uncoupling`."""
        return uncoupling.uncouple(self.context, mapping, records, everything=everything)

    def couplings(self, mapping: str) -> pl.DataFrame:
        """Return the couplings of a mapping as a frame."""
        return coupling.couplings(self.context, mapping)

    def match(self, mapping: str, **options: Any) -> MatchResult:
        """Couple records of both sides that agree in chosen fields; options as in `actions.matching.match`."""
        return matching.match(self.context, mapping, **options)

    def match_scored(self, mapping: str, **options: Any) -> ScoredResult:
        """Couple or propose records by how alike they are; options as in `actions.proposals.match_scored`."""
        return proposals.match_scored(self.context, mapping, **options)

    def list_proposals(self, mapping: str | None = None, **chosen: Any) -> list[ReadableProposal]:
        """Return proposals, the most probable first; `chosen` as in `actions.proposals.list_proposals`."""
        return proposals.list_proposals(self.context, mapping, **chosen)

    def number_of_proposals(self, mapping: str | None = None, *, state: str = "open") -> int:
        """Return how many proposals are in a state."""
        return proposals.number_of_proposals(self.context, mapping, state=state)

    def show_proposal(self, number: int) -> ReadableProposal:
        """Return a proposal with its explanation."""
        return proposals.show_proposal(self.context, number)

    def accept_proposals(
        self, numbers: Sequence[int] = (), *, mapping: str | None = None, above: float | None = None
    ) -> Decided:
        """Couple the records of proposals; see `actions.proposals.accept_proposals`."""
        return proposals.accept_proposals(self.context, numbers, mapping=mapping, above=above)

    def reject_proposals(self, numbers: Sequence[int]) -> Decided:
        """Reject proposals: these pairs are not proposed again."""
        return proposals.reject_proposals(self.context, numbers)

    # Comparing both sides.

    def verify(self, mapping: str, **options: Any) -> VerificationResult:
        """Compare both sides of a mapping, writing to neither; see `actions.verification.verify`."""
        return verification.verify(self.context, mapping, **options)

    def find_other_writers(self, mapping: str | None = None) -> list[OtherWriter]:
        """Return the fields that others seem to write, too; see `actions.writers`."""
        return writers.find_other_writers(self.context, mapping)

    # Looking at the work.

    def list_jobs(self, mapping: str | None = None, limit: int = 100) -> list[Job]:
        """Return the newest jobs, newest first."""
        return work.list_jobs(self.context, mapping, limit)

    def list_record_jobs(self, mapping: str, record: str) -> list[Job]:
        """Return the newest job of each direction that dealt with a record; see `actions.work.list_record_jobs`."""
        return work.list_record_jobs(self.context, mapping, record)

    def delete_jobs(self, mapping: str | None = None, *, older_than_days: int = 7) -> int:
        """Forget old jobs with their errors; what open work refers to stays. Return how many."""
        return work.delete_jobs(self.context, mapping, older_than_days=older_than_days)

    def show_run(self, run_id: int) -> Run:
        """Return a run with its jobs and errors."""
        return work.show_run(self.context, run_id)

    def list_errors(self, mapping: str | None = None, *, job: int | None = None, limit: int = 1_000) -> list[ErrorRow]:
        """Return error rows, newest first."""
        return work.list_errors(self.context, mapping, job=job, limit=limit)

    def list_conflicts(self, mapping: str | None = None, limit: int = 1_000) -> list[Conflict]:
        """Return the open conflicts, oldest first."""
        return work.list_conflicts(self.context, mapping, limit)

    def describe_conflicts(self, found: Sequence[Conflict]) -> list[ReadableConflict]:
        """Return conflicts as people read them: records by label, values in their types."""
        return conflicts.describe_conflicts(self.context, found)

    def resolve_conflicts(
        self,
        numbers: Sequence[int] = (),
        *,
        mapping: str | None = None,
        take: str | None = None,
        value: str | None = None,
    ) -> Resolution:
        """Settle conflicts by taking one side's value, or by a value for both; see `actions.conflicts`."""
        return conflicts.resolve_conflicts(self.context, numbers, mapping=mapping, take=take, value=value)

    def list_pending(self, mapping: str | None = None, limit: int = 1_000) -> list[PendingRecord]:
        """Return the records that wait or were set aside, oldest first."""
        return work.list_pending(self.context, mapping, limit)

    def retry_skipped(self, mapping: str, numbers: list[int] | None = None) -> int:
        """Take skipped records off the list, so that the next run tries them."""
        return work.retry_skipped(self.context, mapping, numbers)

    def list_coupled_errors(self, mapping: str | None = None, limit: int | None = 100) -> list[CoupledError]:
        """Return the records that are set aside, with what is left of both sides; see `actions.coupled_errors`."""
        return coupled_errors.list_coupled_errors(self.context, mapping, limit)

    def synchronize_coupled_errors(self, numbers: Sequence[int], direction: str | None = None) -> list[Run]:
        """Take records off the list and synchronize them now."""
        return coupled_errors.synchronize_coupled_errors(self.context, numbers, direction)

    def restore_records(self, numbers: Sequence[int]) -> list[Run]:
        """Make records that are gone again from those that are left."""
        return coupled_errors.restore_records(self.context, numbers)

    def delete_records(self, numbers: Sequence[int]) -> list[Run]:
        """Delete what is left of couplings of which the other side is gone."""
        return coupled_errors.delete_records(self.context, numbers)

    def uncouple_coupled_errors(self, numbers: Sequence[int]) -> list[UncouplingResult]:
        """Uncouple records that are set aside."""
        return coupled_errors.uncouple_coupled_errors(self.context, numbers)

    def find_deleted(self, mapping: str | None = None) -> dict[str, Broken]:
        """Look for couplings of which a record is gone, or outside the filter, and set them aside."""
        return coupled_errors.find_deleted(self.context, mapping)

    # The journal, and taking back what it tells.

    def undo(self, run: int | None = None, **choice: Any) -> UndoResult:
        """Take back what a run wrote, or with `plan` say what that would do; `choice` as in `actions.undo.undo`."""
        return undo.undo(self.context, run, **choice)

    def show_journal(self, mapping: str | None = None, **choice: Any) -> JournalPage:
        """Return what was written, newest first; `choice` as in `actions.journal.show_journal`."""
        return journal.show_journal(self.context, mapping, **choice)

    def erase(self, mapping: str, record: str) -> Erased:
        """Erase a record's values from what the store remembers; see `actions.erasure`."""
        return erasure.erase(self.context, mapping, record)

    def prune_journal(self, days: int | None = None) -> int:
        """Forget what was written longer ago than the store keeps it, or than `days`."""
        return journal.prune_journal(self.context, days)

    def keep_journal(self, days: int | None, *, jobs: int | None = None) -> Retention:
        """Say for how many days the journal is kept, and jobs with their errors; None: for ever."""
        return journal.keep_journal(self.context, days, jobs=jobs)

    def show_retention(self) -> Retention:
        """Return how long the journal is kept, and jobs with their errors."""
        return journal.show_retention(self.context)

    def status(self) -> list[MappingStatus]:
        """Return how each mapping stands."""
        return work.status(self.context)


def open_workspace(
    url: str,
    *,
    clock: Clock | None = None,
    secrets: Secrets | None = None,
    who: str = "local user",
    settings: EngineSettings | None = None,
) -> Workspace:
    """Open a store (made where there is none) and return its workspace.

    `url` is `sqlite:///PATH` or `postgresql://…`. Raises `ConfigurationError` or `StoreMismatch`.
    """
    context = ActionContext(
        open_database(url),
        clock or MachineClock(),
        secrets or ReferencedSecrets(),
        who=who,
        settings=settings or EngineSettings(),
    )
    return Workspace(context)
