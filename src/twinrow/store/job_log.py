"""The log of jobs, looked at by record: which jobs dealt with one last."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from twinrow.model.sides import Pass
from twinrow.store.keys import encode_key
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import errors, jobs, journal, journal_records


def last_jobs(
    connection: Connection, mapping: StoredMapping, coupling: int | None, sources: Mapping[Pass, str]
) -> list[int]:
    """Return the number of the newest job of each direction that has written a record, or failed with it.

    `sources` has the record's id on the source side of each direction in which it has one.
    """
    found = []
    for pass_, id in sources.items():
        failed = select(func.max(errors.c.job_id)).where(
            errors.c.mapping_id == mapping.id,
            errors.c["pass"] == pass_.value,
            errors.c.source_key == encode_key(id, mapping.guid(pass_.source)),
        )
        written = (
            select(func.max(jobs.c.id))
            .join(journal, (journal.c.run_id == jobs.c.run_id) & (journal.c["pass"] == jobs.c["pass"]))
            .join(journal_records, journal_records.c.journal_id == journal.c.id)
            .where(jobs.c["pass"] == pass_.value, journal_records.c.coupling_id == coupling)
        )
        numbers = [connection.execute(failed).scalar_one()]
        if coupling is not None:
            numbers.append(connection.execute(written).scalar_one())
        found += [max(number for number in numbers if number is not None)] if any(numbers) else []
    return found
