"""An audit of a run: its counters, its journal and the couplings must tell of what the ledger has seen, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from tests.property.ledger import Written
from tests.property.rulebook import COLUMNS, MAPPED, TAG
from tests.property.world import World
from twinrow.actions.results import Run
from twinrow.model.mapping import DeletionConflict
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass, Side

Couplings = dict[str, str]
"""Integration by local ids."""


class Audit:
    """Looks at what runs have done. Every method raises `AssertionError`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check_balance(self) -> None:
        """Every record that the newest passes read has one outcome, and what is left out has a reason (promise 6)."""
        for job in self._world.pair.workspace.list_jobs("CUSTOMER", limit=2):
            assert job.counters.balanced, f"{job.direction}: {job.counters}"
            # In the scope of records, and of named ones, what is skipped has a reason, too.
            told = sum(job.ignored_reasons.values())
            assert job.counters.ignored <= told <= job.counters.ignored + job.counters.skipped

    def check_counters(self, counters: Counters, written: Sequence[Written]) -> None:
        """The counters tell of as many writes of each kind as there were (6)."""
        created = [one for one in written if one.kind == "create"]
        removed = [one for one in written if _removes(one)]
        updated = len(written) - len(created) - len(removed)
        assert counters.inserted == len(created), f"{counters}: {created}"
        assert counters.deleted == len(removed), f"{counters}: {removed}"
        # A record with a conflict fails, though its other fields are written.
        assert counters.modified <= updated <= counters.modified + counters.failed + counters.skipped, (
            f"{counters}: {written}"
        )

    def check_limit(self, written: Sequence[Written], before: Couplings, after: Couplings) -> None:
        """No more was deleted or uncoupled than the mapping's limit allows, and never all of several (9)."""
        limit = self._world.rules.limit
        coupled = len(before.keys() | after.keys())
        for side in Side:
            removed = [one for one in written if one.side is side and _removes(one)]
            assert len(removed) <= limit, f"{len(removed)} {side} records were deleted at once"
            assert len(removed) < max(coupled, 2), f"all {len(removed)} {side} records were deleted at once"
        remade = {one.tag for one in written if one.kind == "create"}
        gone = [pair for pair in before.items() if after.get(pair[0]) != pair[1] and not self._remade(pair, remade)]
        by_run = {one.id for one in written if _removes(one)}
        # Where people have deleted both records, the coupling tells of nothing any more.
        counted = [pair for pair in gone if any(self._held(pair)) or by_run & set(pair)]
        assert len(counted) <= 2 * limit, f"{len(counted)} couplings were removed at once"

    def check_couplings(self, before: Couplings, after: Couplings) -> None:
        """No record has two counterparts (2), and none was uncoupled that should not have been (9)."""
        assert len(set(after.values())) == len(after), "a record has two counterparts"
        for pair in before.items():
            if after.get(pair[0]) == pair[1]:
                continue
            there = self._held(pair)
            assert not all(there), f"{pair} was uncoupled though both records are there"
            if any(there):
                allowed = self._world.rules.deletion in (DeletionConflict.REMOVE_COUPLING, DeletionConflict.RESTORE)
                assert allowed or self._world.unclear, f"{pair} was uncoupled though one record is there"

    def check_journal(self, run: Run, written: Sequence[Written]) -> None:
        """Every write of the run, and none besides, stands in the journal with the values before and after (8)."""
        page = self._world.pair.workspace.show_journal("CUSTOMER", run=run.id, limit=100_000)
        told: dict[tuple[Side, str | None], list[dict[str, tuple[str, str]]]] = {}
        for write in reversed(page.writes):
            fields = {one.name: (str(one.old or ""), str(one.new or "")) for one in write.fields}
            told.setdefault((write.side, write.records[write.side]), []).append(fields)
        assert sum(map(len, told.values())) == len(written), "the journal tells of more or fewer writes than there were"
        for one in written:
            fields = told[one.side, one.id].pop(0)
            for name, (old, new) in one.changes().items():
                if name in MAPPED and not self.is_mapped(name):
                    continue  # a deleted record's fields that no rule carries any more
                if name not in MAPPED and one.kind == "delete":
                    continue
                column = COLUMNS[one.side].get(name, name)
                assert fields.get(column) == (old, new), f"{one.kind} {one.side} {one.tag} {column}: {old!r} → {new!r}"

    def is_mapped(self, name: str) -> bool:
        """Whether a field is carried in any direction."""
        return name in MAPPED and any(self._world.rules.carries(name, pass_) for pass_ in Pass)

    def _remade(self, pair: tuple[str, str], tags: set[str]) -> bool:
        held = [self._world.ledger.records[side].get(id) for side, id in zip(Side, pair, strict=True)]
        return any(record is not None and record[TAG] in tags for record in held)

    def _held(self, pair: tuple[str, str]) -> list[bool]:
        return [self._world.is_there(side, id) for side, id in zip(Side, pair, strict=True)]


def _removes(one: Written) -> bool:
    """Whether a write deletes a record, or marks it as given up because the other one is gone."""
    return one.kind == "delete" or (one.kind == "update" and one.alone)
