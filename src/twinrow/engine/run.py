"""One run of a mapping: its lease, its two passes, and taking over what another process left.

A run that was broken off is gone on with where it stood, with what had been asked of it, before anything new is begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace as replace_options
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from twinrow.batch.hooks import Rule
from twinrow.connectors.base import Connector
from twinrow.engine.amend import Amendment, Amendments, Asked
from twinrow.engine.changes import is_guid
from twinrow.engine.circumstances import READ_ONLY, check_systems, read_only
from twinrow.engine.clearing import clear_up
from twinrow.engine.context import End, EngineSettings, MappingContext, PassContext, ReadContext, RunContext, RunOptions
from twinrow.engine.drift import check_drift, find_drift, read_seen, remember_fields
from twinrow.engine.fields import FieldPlans, plan_fields
from twinrow.engine.fit import check_fit
from twinrow.engine.match.duplicates import Likely, find_duplicates, held
from twinrow.engine.options import append_options
from twinrow.engine.passes import PassRun, Progress
from twinrow.engine.planning import plan_pass
from twinrow.engine.rule_inputs import check_inputs
from twinrow.engine.stages import Planner
from twinrow.model.errors import ConfigurationError, LeaseLost, RecordNotFound, Stopped, TwinrowError, UnknownName
from twinrow.model.filters import settings_as_variables
from twinrow.model.mapping import DeletePropagation, DeletionConflict, DuplicatesGuard, UpdateConflict
from twinrow.model.outcomes import Counters
from twinrow.model.protocols import Clock
from twinrow.model.rules import TransformationRule
from twinrow.model.sides import Direction, Pass, Side
from twinrow.store.database import Database
from twinrow.store.leases import Lease, beat, read_lease, release_lease, take_lease, this_process
from twinrow.store.mappings import StoredMapping, fix_keys, list_mappings, shape_id
from twinrow.store.pilots import read_pilot
from twinrow.store.restraints import check_stop, read_only_sides
from twinrow.store.retention import prune_if_due
from twinrow.store.runs import (
    FAILED,
    FINISHED,
    JobRow,
    RunRow,
    finish_job,
    finish_run,
    get_run,
    give_up_amendments,
    jobs_of_run,
    start_job,
    start_run,
    tell_of_job,
    unfinished_run,
)

SYNCHRONIZATION = "synchronization"
NOT_THAT_WAY = "The mapping does not go in this direction."


@dataclass(frozen=True)
class Engine:
    """Runs the mappings of one connection between two systems."""

    database: Database
    clock: Clock
    connectors: Mapping[Side, Connector]
    rules: Mapping[str, Rule]
    """All rules for special tables, by name."""
    transformations: Mapping[str, TransformationRule]
    settings: Mapping[str, Any]
    mappings: Mapping[str, StoredMapping]
    engine: EngineSettings = field(default_factory=EngineSettings)

    def run(
        self, name: str, options: RunOptions, round_id: int | None = None, progress: Progress | None = None
    ) -> RunRow:
        """Run a mapping and return its run row; records that fail do not make it raise.

        Raises `LeaseHeld` when another process runs it, `LeaseLost` when another process took it over, and what stops a run
        as a whole: a system that cannot be reached, a mapping that does not fit its tables.
        """
        mapping = _as_asked(self.mappings[name], options)
        if not mapping.mapping.enabled:
            raise ConfigurationError(
                f"The mapping {name} is disabled", remedy=f"To let it run again: twinrow mapping enable {name}."
            )
        with self.database.reading() as connection:
            check_stop(connection)
            read_only(connection, mapping, _possible(mapping, _asked(mapping, options)))
        ends = self._ends(mapping)
        _check_named(options, ends)
        try:
            rules, plans = self._fields(mapping, ends)
        except ConfigurationError as error:
            self._refuse(mapping, options, round_id, error)
            raise
        environments = self._environments()
        resumed = True
        while resumed:
            with self._lease(mapping, msgspec.to_builtins(options), round_id) as (lease, run, resumed):
                with self.database.transaction() as connection:
                    check_stop(connection)
                    check_systems(connection, mapping, environments)
                    guids = {side: ends[side].table.key_is_guid for side in Side}
                    stored = fix_keys(connection, mapping.id, guids[Side.LOCAL], guids[Side.INTEGRATION])
                    asked = msgspec.convert(dict(run.options), RunOptions)
                    planned, mapping = mapping.mapping, _as_asked(stored, asked)
                    if mapping.mapping != planned:
                        rules, plans = self._fields(mapping, ends, connection)
                    remember_fields(connection, stored, {side: end.table for side, end in ends.items()})
                    # Mappings that others refer to may have run, for the first time, since the engine was made.
                    known = {one.name: one for one in list_mappings(connection, mapping.connection_id)}
                    shape = shape_id(connection, mapping.id, plans.identities)
                shared = self._run_context(mapping, ends, rules, plans, known, asked, run, lease, environments)
                likely = self._guard(shared)
                self._passes(shared, shape, progress)
                if likely is not None:
                    self._warn(shared, likely)
                resumed = resumed and asked != options
            self._append_options(shared)
        with self.database.reading() as connection:
            return get_run(connection, run.id)

    def plan(self, name: str, options: RunOptions, planner: Planner) -> None:
        """Decide what a run of a mapping would do, and hand it to the planner; neither system is written to.

        Raises as `run` does.
        """
        base = self.reading(name)
        _check_named(options, base.ends)
        known = {one.name: getattr(base, one.name) for one in fields(MappingContext)}
        with self.database.transaction() as connection:
            shape = shape_id(connection, base.mapping.id, base.plans.identities)
            lease = take_lease(connection, base.mapping.id, None, this_process())
        now = self.clock.now()
        run = RunRow(0, base.mapping.id, None, {}, FINISHED, None, now, None)
        try:
            with self._heart(lease):
                shared = RunContext(
                    **(known | {"options": replace_options(options, planning=True)}), run=run, lease=lease
                )
                asked = [Pass(value) for value in options.passes] or base.mapping.mapping.direction.passes
                for pass_ in asked:
                    job = JobRow(0, 0, run.mapping_id, "", pass_, FINISHED, None, None, None, now, None, Counters(), {})
                    if pass_ in base.mapping.mapping.direction.passes:
                        plan_pass(PassContext(shared, pass_, job, shape), planner)
        finally:
            with self.database.transaction() as connection:
                release_lease(connection, lease)

    def feed_shapes(self, name: str) -> dict[Pass, str]:
        """Return, for each pass of a mapping, the text that changes with its filter and fields. Raises as `run` does."""
        base = self.reading(name)
        return {pass_: ReadContext(base, pass_).feed_shape for pass_ in base.mapping.mapping.direction.passes}

    def _refuse(
        self, mapping: StoredMapping, options: RunOptions, round_id: int | None, error: ConfigurationError
    ) -> None:
        """Keep a run that never began, and why, so that it is found among the jobs."""
        with suppress(TwinrowError), self._lease(mapping, msgspec.to_builtins(options), round_id) as (_, run, _):
            with self.database.transaction() as connection:
                known = {job.pass_ for job in jobs_of_run(connection, run.id)}
                for pass_ in mapping.mapping.direction.passes:
                    if pass_ not in known and pass_ in (options.passes or tuple(Pass)):
                        start_job(connection, run, SYNCHRONIZATION, pass_, self.clock.now())
            raise error

    def reading(self, name: str) -> MappingContext:
        """Return what looking at a mapping's records needs, without a run. Raises as `run` does, but never for a lease."""
        mapping = self.mappings[name]
        ends = self._ends(mapping)
        rules, plans = self._fields(mapping, ends)
        environments = self._environments()
        with self.database.transaction() as connection:
            check_systems(connection, mapping, environments)
            guids = {side: ends[side].table.key_is_guid for side in Side}
            mapping = fix_keys(connection, mapping.id, guids[Side.LOCAL], guids[Side.INTEGRATION])
            pilot = read_pilot(connection, mapping)
            known = {one.name: one for one in list_mappings(connection, mapping.connection_id)}
        return MappingContext(
            database=self.database,
            clock=self.clock,
            mapping=mapping,
            ends=ends,
            plans=plans,
            rules=rules,
            settings=self.settings,
            mappings=known,
            options=RunOptions(),
            engine=self.engine,
            environments=environments,
            pilot=pilot,
        )

    @contextmanager
    def amending(self, name: str, asked: Asked) -> Iterator[Amendments]:
        """Hold a mapping for what a person asked for, as a run of its own.

        What earlier amendments have left is cleared up first. A run that was broken off stays for the next run to go on with.
        Raises as `run` does.
        """
        mapping = self.mappings[name]
        with self.database.reading() as connection:
            check_stop(connection)
        ends = self._ends(mapping)
        rules, plans = self._fields(mapping, ends)
        environments = self._environments()
        with self._lease(mapping, msgspec.to_builtins(asked), None, resume=False) as (lease, run, _):
            with self.database.transaction() as connection:
                check_stop(connection)
                check_systems(connection, mapping, environments)
                guids = {side: ends[side].table.key_is_guid for side in Side}
                mapping = fix_keys(connection, mapping.id, guids[Side.LOCAL], guids[Side.INTEGRATION])
                known = {one.name: one for one in list_mappings(connection, mapping.connection_id)}
                shape = shape_id(connection, mapping.id, plans.identities)
            options = RunOptions()
            shared = self._run_context(mapping, ends, rules, plans, known, options, run, lease, environments)
            clear_up(shared, shape)

            @cache
            def writing(pass_: Pass) -> Amendment:
                with self.database.transaction() as connection:
                    read_only(connection, mapping, [pass_])
                    job = start_job(connection, run, asked.amendment, pass_, self.clock.now())
                return Amendment(PassContext(shared, pass_, job, shape), asked, run.id)

            yield Amendments(shared, run.id, writing)

    def _run_context(
        self,
        mapping: StoredMapping,
        ends: Mapping[Side, End],
        rules: tuple[Rule, ...],
        plans: FieldPlans,
        known: Mapping[str, StoredMapping],
        options: RunOptions,
        run: RunRow,
        lease: Lease,
        environments: Mapping[Side, str],
    ) -> RunContext:
        with self.database.reading() as connection:
            pilot = read_pilot(connection, mapping)
        return RunContext(
            database=self.database,
            clock=self.clock,
            mapping=mapping,
            ends=ends,
            plans=plans,
            rules=rules,
            settings=self.settings,
            mappings=known,
            options=options,
            engine=self.engine,
            run=run,
            lease=lease,
            environments=environments,
            pilot=pilot,
        )

    def _fields(
        self, mapping: StoredMapping, ends: Mapping[Side, End], connection: Connection | None = None
    ) -> tuple[tuple[Rule, ...], FieldPlans]:
        if connection is None:
            with self.database.reading() as reading:
                return self._fields(mapping, ends, reading)
        rules = tuple(self._rule(rule) for rule in mapping.mapping.rules)
        tables = {side: end.table for side, end in ends.items()}
        seen = read_seen(connection, mapping.id)
        drift = find_drift(mapping.mapping, tables, seen)
        check_drift(mapping.mapping, drift)
        drifted = [one.unavailable for one in drift]
        plans = plan_fields(mapping.mapping, tables, self.transformations, rules, self.settings, drifted, seen.renewed)
        check_fit(mapping.mapping, tables, plans, settings_as_variables(self.settings))
        check_inputs(plans, self.connectors)
        return rules, plans

    def _environments(self) -> dict[Side, str]:
        return {side: self.connectors[side].identify().environment for side in Side}

    def _guard(self, shared: RunContext) -> Likely | None:
        """Look whether a run that begins would make records that are there already; end it where the mapping wants that.

        A run that was broken off after its passes had begun was looked at.
        """
        with self.database.reading() as connection:
            if jobs_of_run(connection, shared.run.id):
                return None
        likely = find_duplicates(shared, _possible(shared.mapping, _asked(shared.mapping, shared.options)))
        if likely is None or shared.mapping.mapping.duplicates_guard is not DuplicatesGuard.STOP:
            return likely
        with self.database.transaction() as connection:
            for pass_ in likely.passes:
                start_job(connection, shared.run, SYNCHRONIZATION, pass_, self.clock.now())
        raise held(likely)

    def _warn(self, shared: RunContext, likely: Likely) -> None:
        with self.database.transaction() as connection:
            for job in jobs_of_run(connection, shared.run.id):
                if job.pass_ in likely.passes:
                    tell_of_job(connection, job.id, likely.warning)

    def _append_options(self, shared: RunContext) -> None:
        """Append options that the run has met and nothing is coupled to, and tell of it on the job that met them.

        A plan that is carried out writes what it showed, and no more: after it, the next run does so.
        """
        if shared.options.careful:
            return
        with self.database.reading() as connection:
            jobs = [job for job in jobs_of_run(connection, shared.run.id) if job.pass_ is Pass.FROM]
            held = read_only_sides(connection, shared.mapping.connection_id)
        told = append_options(shared, self.run) if jobs and Side.LOCAL not in held else None
        if told is not None:
            with self.database.transaction() as connection:
                tell_of_job(connection, jobs[0].id, told)

    def _rule(self, name: str) -> Rule:
        if name not in self.rules:
            raise UnknownName("rule", name, tuple(self.rules))
        return self.rules[name]

    def _ends(self, mapping: StoredMapping) -> dict[Side, End]:
        ends = {}
        for side in Side:
            connector = self.connectors[side]
            table = mapping.mapping.table(side)
            ends[side] = End(connector, connector.describe(table), connector.capabilities(table))
        return ends

    def _passes(self, shared: RunContext, shape: int, progress: Progress | None) -> None:
        asked = _asked(shared.mapping, shared.options)
        with self.database.reading() as connection:
            held = read_only(connection, shared.mapping, _possible(shared.mapping, asked))
        open_passes = []
        waiting = clear_up(shared, shape)
        for pass_ in Pass:
            if pass_ in asked:
                with self.database.transaction() as connection:
                    known = {job.pass_: job for job in jobs_of_run(connection, shared.run.id)}
                    job = known.get(pass_)
                    job = job or start_job(connection, shared.run, SYNCHRONIZATION, pass_, self.clock.now())
                    if pass_ not in shared.mapping.mapping.direction.passes:
                        finish_job(connection, job.id, NOT_THAT_WAY, self.clock.now())
                        continue
                    if pass_.destination in held:
                        message = READ_ONLY.format(side=pass_.destination.value)
                        finish_job(connection, job.id, message, self.clock.now())
                        continue
                if job.state != FINISHED:
                    open_passes.append(PassRun(PassContext(shared, pass_, job, shape), progress, waiting[pass_]))
        for one in open_passes:
            one.recover()
        for one in open_passes:
            one.run()

    @contextmanager
    def _lease(
        self, mapping: StoredMapping, asked: dict[str, Any], round_id: int | None, *, resume: bool = True
    ) -> Iterator[tuple[Lease, RunRow, bool]]:
        """Hold the lease of the mapping for a run: the one that was broken off, or a new one. Yields whether it is the old."""
        owner = this_process()
        with self.database.transaction() as connection:
            lease = take_lease(connection, mapping.id, None, owner)
            # Amendments that were broken off are not gone on with: whoever asked for them asks again.
            give_up_amendments(connection, mapping.id, self.clock.now())
            broken_off = unfinished_run(connection, mapping.id) if resume else None
            run = broken_off or start_run(connection, mapping.id, round_id, asked, self.clock.now())
        with self._heart(lease):
            try:
                yield lease, run, broken_off is not None
            except LeaseLost:
                raise
            except Stopped:
                # As when it is broken off: the next run goes on where this one stands.
                with self.database.transaction() as connection:
                    release_lease(connection, lease)
                raise
            except Exception as error:
                self._end(lease, run, FAILED, str(error) if isinstance(error, TwinrowError) else repr(error))
                raise
            except BaseException:
                # Broken off: whoever runs the mapping next goes on where this run stands.
                with self.database.transaction() as connection:
                    release_lease(connection, lease)
                raise
            else:
                self._end(lease, run, FINISHED, None)

    def _end(self, lease: Lease, run: RunRow, state: str, message: str | None) -> None:
        with self.database.transaction() as connection:
            held = read_lease(connection, lease.mapping_id)
            if held is not None and held.fence == lease.fence:
                finish_run(connection, run.id, state, message, self.clock.now())
                prune_if_due(connection, lease.mapping_id, self.clock.now())
            release_lease(connection, lease)

    @contextmanager
    def _heart(self, lease: Lease) -> Iterator[None]:
        """Count the lease's heartbeat up while work is being done."""
        stop = threading.Event()

        def count() -> None:
            while not stop.wait(self.engine.heartbeat.total_seconds()):
                # A beat that cannot be stored is missing; the next one may be heard again.
                with suppress(SQLAlchemyError), self.database.transaction() as connection:
                    beat(connection, lease)

        thread = threading.Thread(target=count, name=f"heartbeat of mapping {lease.mapping_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _as_asked(stored: StoredMapping, options: RunOptions) -> StoredMapping:
    """Return the mapping as the run goes with it.

    Options that records name become codes, whichever way it goes else; and what a person wants done with records of which one
    side is gone goes before what the mapping says.
    """
    going = stored.mapping.going(Pass.FROM) if options.appending else None
    mapping = stored.mapping if going is None else going
    changes: dict[str, Any] = {}
    if options.missing == "restore":
        changes = {"deletion_conflict_resolution": DeletionConflict.RESTORE}
    elif options.missing == "delete":
        (pass_,) = (Pass(value) for value in options.passes)
        changes = {
            "delete_propagation": DeletePropagation.BOTH,
            "update_conflict_resolution": UpdateConflict.SEND if pass_ is Pass.TO else UpdateConflict.GET,
        }
        if pass_ not in mapping.direction.passes:
            changes["direction"] = Direction.BIDIRECTIONAL
    return replace(stored, mapping=mapping.model_copy(update=changes)) if changes or going is not None else stored


def _asked(mapping: StoredMapping, options: RunOptions) -> Sequence[Pass]:
    return [Pass(value) for value in options.passes] or mapping.mapping.direction.passes


def _possible(mapping: StoredMapping, asked: Sequence[Pass]) -> list[Pass]:
    return [pass_ for pass_ in asked if pass_ in mapping.mapping.direction.passes]


def _check_named(options: RunOptions, ends: Mapping[Side, End]) -> None:
    """Refuse a named record whose id cannot be one of either side, before a run is begun for it."""
    if all(end.table.key_is_guid for end in ends.values()):
        for id in options.records:
            if not is_guid(id):
                raise RecordNotFound(
                    f"{id} is no id of a record", record=id, remedy="Give the id (a GUID) of the record on either side."
                )
