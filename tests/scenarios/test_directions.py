"""Directions: a mapping goes only where it says, and tells so where somebody asks for more."""

from __future__ import annotations

import pytest

from tests.scenarios.world import FROM, NAME, ONE_WAY, TABLES, TO, add_synchronized, edit, mapping, outcomes, value
from twinrow.model.sides import Pass, Side
from twinrow.testing.pair import MemoryPair

ASKED = {TO: "to", FROM: "from"}


@pytest.mark.scenario("A015")
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to, asked for from", "from, asked for to"])
@pytest.mark.parametrize("named", [True, False], ids=["one record", "all"])
def test_the_direction_that_a_mapping_does_not_have_is_told_in_a_job(pass_: Pass, named: bool) -> None:
    with MemoryPair(mapping(direction=ONE_WAY[pass_])) as pair:
        ids = dict(zip(Side, add_synchronized(pair), strict=True))
        other = pass_.opposite
        edit(pair, other.source, ids[other.source], NAME, "New")
        known = {one.id for one in pair.workspace.list_jobs("CUSTOMER")}

        records = [ids[other.source]] if named else []
        run = pair.synchronize(direction=ASKED[other], records=records)

        (job,) = run.jobs
        assert job.id not in known
        assert job.id in {one.id for one in pair.workspace.list_jobs("CUSTOMER")}
        assert job.direction == other.value
        assert job.state == "finished"
        assert job.finished_at is not None
        assert "does not go in this direction" in (job.message or "")
        assert (job.failed, job.skipped) == (0, 0)
        assert outcomes(job) == {}
        assert value(pair, pass_.source, ids[pass_.source], NAME) == "Adatum"
        assert all(len(pair.system(side).records(TABLES[side])) == 1 for side in Side)
