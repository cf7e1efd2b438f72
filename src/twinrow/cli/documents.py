"""What programs read: results as plain values, printed as one JSON document. Their keys stay as they are.

Times are in ISO form and UTC, spans are seconds, decimals are texts. The page `docs/reference/commands.md` lists the keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from twinrow.model.sides import Side

if TYPE_CHECKING:
    from twinrow.actions.conflicts import ReadableConflict
    from twinrow.actions.journal import Write
    from twinrow.actions.mapping_changes import MappingChange
    from twinrow.actions.matching import MatchResult
    from twinrow.actions.plans import Plan, PlannedRecord
    from twinrow.actions.proposals import ReadableProposal, ScoredResult
    from twinrow.actions.results import Job, Run
    from twinrow.actions.undo import UndoResult
    from twinrow.actions.verification import VerificationResult
    from twinrow.actions.work import MappingStatus
    from twinrow.actions.writers import OtherWriter
    from twinrow.cli.naming import Names
    from twinrow.connectors.base import Capabilities, Check
    from twinrow.engine.fields import Unavailable
    from twinrow.model.errors import MappingProblem
    from twinrow.model.tables import Table
    from twinrow.store.errors import ErrorRow
    from twinrow.store.pending import PendingRecord
    from twinrow.store.systems import Pair, System

Document = dict[str, Any]


def print_document(content: Document) -> None:
    """Print the document on standard output."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in a document")


def system_document(system: System) -> Document:
    """Return a system. Secrets are references in the store, and here."""
    return {"name": system.name, "kind": system.kind, "settings": system.options}


def check_document(check: Check) -> Document:
    """Return one line of a system's test."""
    return {"name": check.name, "passed": check.passed, "found": check.found, "remedy": check.remedy}


def table_document(table: Table, capabilities: Capabilities) -> Document:
    """Return a system's table: its fields, and what it can do."""
    return {
        "table": table.name,
        "caption": table.caption,
        "key": table.key,
        "fields": [
            {
                "name": field.name,
                "caption": field.caption,
                "type": field.type.value,
                "max_length": field.max_length,
                "creatable": field.creatable,
                "updatable": field.updatable,
                "options": [asdict(option) for option in field.options],
                "targets": list(field.targets),
            }
            for field in table.fields.values()
        ],
        "absent": dict(table.absent),
        "changes_found_by": capabilities.feed.value,
        "version_checks": capabilities.version_checks,
        "create_keys": capabilities.create_keys.value,
        "can_create": capabilities.can_create,
        "can_update": capabilities.can_update,
        "can_delete": capabilities.can_delete,
        "limits": list(capabilities.limits),
    }


def connection_document(pair: Pair) -> Document:
    """Return a connection."""
    return {
        "name": pair.name,
        "local": system_document(pair.local),
        "integration": system_document(pair.integration),
        "settings": pair.settings,
    }


def problem_document(problem: MappingProblem) -> Document:
    """Return something that is wrong with a mapping."""
    return {
        "severity": problem.severity,
        "message": problem.message,
        "remedy": problem.remedy,
        "mapping": problem.mapping,
        "field": problem.field,
        "file": problem.file,
        "line": problem.line,
    }


def change_document(change: MappingChange) -> Document:
    """Return one thing that changes in a mapping."""
    return asdict(change)


def job_document(job: Job) -> Document:
    """Return a job."""
    return {
        "id": job.id,
        "mapping": job.mapping,
        "direction": job.direction,
        "type": job.type,
        "state": job.state,
        "message": job.message,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "seconds": job.duration,
        **job.counters.as_dict(),
        "ignored_reasons": dict(job.ignored_reasons),
    }


def run_document(
    run: Run, names: Names, conflicts: Iterable[ReadableConflict], unavailable: Iterable[Unavailable]
) -> Document:
    """Return a run with its jobs, errors, and the open conflicts and pending records of its mapping."""
    return {
        "id": run.id,
        "mapping": run.mapping,
        "state": run.state,
        "message": run.message,
        "jobs": [job_document(job) for job in run.jobs],
        "errors": [error_document(error, names) for error in run.errors],
        "conflicts": [conflict_document(conflict) for conflict in conflicts],
        "pending": [pending_document(record, names) for record in run.pending],
        "unavailable_fields": [
            {"side": one.side.value, "field": one.field, "reason": one.reason} for one in unavailable
        ],
    }


def error_document(error: ErrorRow, names: Names) -> Document:
    """Return an error row."""
    ids = {error.pass_.source: error.source_id, error.pass_.destination: error.destination_id}
    return {
        "id": error.id,
        "job": error.job_id,
        "mapping": names.mapping(error.mapping_id),
        "direction": error.pass_.value,
        **{f"{side.value}_id": id for side, id in sorted(ids.items(), reverse=True)},
        "label": next((label for side, id in ids.items() if (label := names.label(error.mapping_id, side, id))), ""),
        "field": error.field,
        "decision": error.decision.name.lower(),
        "recovery": error.recovery,
        "message": error.message,
        "cause": error.cause,
        "remedy": error.remedy,
        "at": error.at,
    }


def conflict_document(conflict: ReadableConflict) -> Document:
    """Return a conflict, with what each side says."""
    return {
        "id": conflict.id,
        "job": conflict.job,
        "mapping": conflict.mapping.name,
        "field": conflict.key,
        "label": conflict.label,
        **{side.value: asdict(said) for side, said in conflict.sides.items()},
        "since": conflict.since,
        "at": conflict.at,
    }


def write_document(write: Write) -> Document:
    """Return a write of the journal: the record on both sides, and what was there before and after."""
    return {
        "number": write.number,
        "mapping": write.mapping,
        "run": write.run,
        "kind": write.kind,
        "side": write.side.value,
        "at": write.at,
        "decision": write.decision.name.lower() if write.decision is not None else None,
        "asked": write.asked,
        "who": write.who,
        "local": write.records.get(Side.LOCAL),
        "integration": write.records.get(Side.INTEGRATION),
        "erased": write.erased,
        "fields": [asdict(field) for field in write.fields],
    }


def plan_document(plan: Plan) -> Document:
    """Return a plan without its records."""
    return {
        "id": plan.id,
        "state": plan.state,
        "options": dict(plan.options),
        "who": plan.who,
        "made_at": plan.made_at,
        "applied_at": plan.applied_at,
        "passes": [
            {
                "mapping": one.mapping,
                "direction": one.direction,
                **one.counters.as_dict(),
                "ignored_reasons": dict(one.ignored_reasons),
                "fields": dict(one.fields),
            }
            for one in plan.passes
        ],
    }


def planned_record_document(record: PlannedRecord) -> Document:
    """Return a record of a plan."""
    return {
        "mapping": record.mapping,
        "direction": record.direction,
        "kind": record.kind,
        "decision": record.decision.name.lower(),
        "label": record.label,
        "local": record.records.get(Side.LOCAL),
        "integration": record.records.get(Side.INTEGRATION),
        "field": record.field,
        "message": record.message,
        "fields": [asdict(field) for field in record.fields],
    }


def undo_document(result: UndoResult) -> Document:
    """Return what an undo did, or would do."""
    document = asdict(result)
    for name in ("changes", "refusals"):
        document[name] = [{**one, "side": one["side"].value, "records": dict(one["records"])} for one in document[name]]
    return document


def pending_document(record: PendingRecord, names: Names) -> Document:
    """Return a pending record."""
    return {
        "id": record.id,
        "mapping": names.mapping(record.mapping_id),
        "direction": record.pass_.value,
        "side": record.pass_.source.value,
        "record": record.source_id,
        "label": names.label(record.mapping_id, record.pass_.source, record.source_id),
        "field": record.field,
        "decision": record.decision.name.lower(),
        "recovery": record.recovery,
        "message": record.message,
        "cause": record.cause,
        "remedy": record.remedy,
        "failures": record.failures,
        "skipped": record.skipped,
        "not_before": record.not_before,
        "since": record.since,
        "at": record.at,
    }


def match_document(result: MatchResult) -> Document:
    """Return what matching came to; `run` is null where it was only planned."""
    return {
        "mapping": result.mapping,
        "run": result.run,
        "job": result.job,
        "looked_at": result.looked_at,
        "coupled": result.coupled,
        "by_criteria": [
            {"fields": name, "coupled": count} for name, count in zip(result.criteria, result.by_group, strict=True)
        ],
        "unmatched": {reason.value: count for reason, count in result.unmatched.items()},
        "left_out": {reason.value: count for reason, count in result.left_out.items()},
        "create_unmatched": result.create_unmatched,
        "sync_after": result.sync_after,
        "runs": [run.id for run in result.runs],
        "succeeded": result.succeeded,
    }


def scored_document(result: ScoredResult) -> Document:
    """Return what a scored matching came to."""
    return {
        "mapping": result.mapping,
        "run": result.run,
        "job": result.job,
        "compared_as": dict(result.kinds),
        "records": {side.value: count for side, count in result.records.items()},
        "new_or_changed": {side.value: count for side, count in result.fresh.items()},
        "learned": result.learned,
        "coupled": result.coupled,
        "proposed": result.proposed,
    }


def proposal_document(one: ReadableProposal) -> Document:
    """Return a proposal with its explanation."""
    return {
        "id": one.id,
        "mapping": one.mapping,
        **{side.value: {"id": id, "label": one.labels[side]} for side, id in one.ids.items()},
        "state": one.state,
        "probability": one.probability,
        "score": one.score,
        "reasons": [asdict(reason) for reason in one.reasons],
        "made_at": one.made_at,
        "who": one.who,
        "decided_at": one.decided_at,
    }


def verification_document(result: VerificationResult, others: Iterable[OtherWriter]) -> Document:
    """Return what a verification has found, and the fields that others seem to write, too."""
    return {
        "mapping": result.mapping,
        "clean": result.clean,
        "compared": result.compared,
        "records": {kind.value: count for kind, count in result.records.items()},
        "not_coupled": {side.value: count for side, count in result.not_coupled.items()},
        "samples": [{**asdict(one), "kind": one.kind.value} for one in result.samples],
        "other_writers": [
            {
                "side": one.side.value,
                "field": one.field.key,
                "records": one.records,
                "last": one.last,
                "who": one.who or None,
            }
            for one in others
        ],
        "started_at": result.started_at,
        "finished_at": result.finished_at,
    }


def status_document(status: MappingStatus) -> Document:
    """Return how a mapping stands."""
    return {**asdict(status), "read_up_to": dict(status.read_up_to)}
