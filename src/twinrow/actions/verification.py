"""Verifying: comparing both sides of a mapping, and reporting what differs and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import Wording
from twinrow.batch.canonical import NULL, restore
from twinrow.engine.fields import FieldPlan
from twinrow.engine.verify import Progress, Verification
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Side


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which a coupled pair differs, or a pair that is no pair any more (`field` is None then).

    `reason` says more about the kind. Values are in the types that the fields have; a blank is None.
    """

    kind: DifferenceKind
    local_id: str
    integration_id: str
    label: str
    field: str | None
    reason: str | None
    local: Any
    integration: Any


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What comparing both sides of a mapping has found; times are the store's.

    `compared` counts coupled pairs, `records` those that differ, by kind (a pair may differ in several fields, each in its own
    way). `not_coupled` counts the records in the filter that have no counterpart. `samples` are the first differences of each
    kind, field by field.
    """

    mapping: str
    started_at: datetime
    finished_at: datetime
    compared: int
    records: Mapping[DifferenceKind, int]
    not_coupled: Mapping[Side, int]
    samples: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left that neither the next run nor an open list takes care of."""
        return not any(kind.calls_for_action for kind in self.records)


def verify(
    context: ActionContext,
    mapping: str,
    *,
    limit: int = 10,
    progress: Progress | None = None,
    drifted: Callable[[list[str]], None] | None = None,
) -> VerificationResult:
    """Compare every coupled pair of a mapping in every direction in which it is synchronized; nothing is written to either side.

    `limit` is how many samples of each kind are kept. `drifted` is called with the local ids of the records that drifted
    (`DifferenceKind.DRIFT`), page by page, to hand them on. Raises `UnknownName`, and what keeps a system from being read.
    """
    context.mapping(mapping)
    reading = context.engine().reading(mapping)
    verification = Verification(reading, limit, progress)
    started = context.clock.now()
    samples: dict[DifferenceKind, pl.DataFrame] = {}
    for found in verification.run():
        for (name,), rows in found.group_by("kind", maintain_order=True):
            kind = DifferenceKind(name)
            known = samples.get(kind, rows.head(0))
            if known.height < limit:
                samples[kind] = pl.concat([known, rows.head(limit - known.height)])
            if drifted is not None and kind is DifferenceKind.DRIFT:
                drifted(rows.get_column("local_id").unique(maintain_order=True).to_list())
    records = verification.result.records
    plans = {plan.identity: plan for plan in reading.plans.plans}
    kept = [row for kind in DifferenceKind if kind in samples for row in samples[kind].iter_rows(named=True)]
    wording = Wording(context)
    local = wording.labels(reading.mapping.id, Side.LOCAL, [row["local_id"] for row in kept])
    missing = [row["integration_id"] for row in kept if row["local_id"] not in local]
    integration = wording.labels(reading.mapping.id, Side.INTEGRATION, missing)
    return VerificationResult(
        mapping=mapping,
        started_at=started,
        finished_at=context.clock.now(),
        compared=verification.result.compared,
        records={kind: records[kind] for kind in DifferenceKind if kind in records},
        not_coupled=dict(verification.result.uncoupled),
        samples=tuple(
            Difference(
                kind=DifferenceKind(row["kind"]),
                local_id=row["local_id"],
                integration_id=row["integration_id"],
                label=local.get(row["local_id"], integration.get(row["integration_id"], "")),
                field=row["field"],
                reason=row["reason"],
                local=_value(row["local"], plans.get(row["identity"]), Side.LOCAL),
                integration=_value(row["integration"], plans.get(row["identity"]), Side.INTEGRATION),
            )
            for row in kept
        ),
    )


def _value(text: str | None, plan: FieldPlan | None, side: Side) -> Any:
    if text is None or text == NULL or plan is None:
        return None
    return pl.DataFrame({"text": [text]}).select(restore(pl.col("text"), plan.field(side))).item()
