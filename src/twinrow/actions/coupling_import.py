"""Import of couplings that another program has kept, from a file or from a table of the local system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.engine.amend import Asked
from twinrow.engine.context import MappingContext
from twinrow.engine.match.given import ALREADY, GIVEN, PROBLEM, check_given
from twinrow.engine.match.job import COUPLING, CouplingJob
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.filters import check_filter, parse_filter, settings_as_variables
from twinrow.model.sides import Side

_AT_ONCE = 5_000
_SEPARATORS = (";", "\t", ",")


@dataclass(frozen=True, slots=True)
class RefusedPair:
    """A given pair that is not coupled, and why; `line` is its place among those given, from 1."""

    line: int
    local: str
    integration: str
    problem: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to; with `run` None what it would come to. `refused` holds the first thousand of `failed`."""

    mapping: str
    run: int | None
    given: int
    coupled: int
    already: int
    failed: int
    refused: tuple[RefusedPair, ...]


def import_couplings(
    context: ActionContext,
    mapping: str,
    source: str | Path,
    *,
    local_column: str = "local",
    integration_column: str = "integration",
    local_key: str | None = None,
    integration_key: str | None = None,
    where: str = "",
    plan: bool = False,
) -> Imported:
    """Couple the pairs that a file names (CSV with a header line, separated by comma, semicolon or tab), or a local table.

    A `source` that is no file is a table of the local system, of which `where` (OData $filter) chooses rows. The columns hold the
    ids of both records, or values of a key field (`local_key`, `integration_key`). Every pair is checked against both sides
    before the first one is coupled; those with a problem are told in the errors of the job, and the rest goes through. `plan`
    only says what would come of it.

    Raises `ConfigurationError` where the source cannot be read so, `LeaseHeld`, and what keeps a system from being read.
    """
    engine = context.engine()
    reading = engine.reading(mapping)
    columns = {Side.LOCAL: local_column, Side.INTEGRATION: integration_column}
    keys = {side: key for side, key in ((Side.LOCAL, local_key), (Side.INTEGRATION, integration_key)) if key}
    for side, key in keys.items():
        if key not in reading.ends[side].table.fields:
            raise UnknownName("field", key, sorted(reading.ends[side].table.fields))
    file = Path(source)
    pairs = _of_file(file, columns) if file.is_file() else _of_table(reading, str(source), columns, where)
    if plan:
        return _result(mapping, None, check_given(reading, pairs, keys))
    asked = Asked(amendment=COUPLING, asked=f"couplings imported from {file.name}", who=context.who)
    with engine.amending(mapping, asked) as amendments:
        job = CouplingJob(amendments.shared)
        checked = check_given(amendments.shared, pairs, keys)
        well = checked.filter(pl.col(PROBLEM).is_null() & ~pl.col(ALREADY)).select("local_id", "integration_id")
        for part in well.iter_slices(_AT_ONCE):
            job.couple(part)
        for part in checked.filter(pl.col(PROBLEM).is_not_null()).iter_slices(_AT_ONCE):
            job.tell_refused(part.select("local_id", "integration_id", pl.col(PROBLEM).alias("message")))
        done = _result(mapping, amendments.run_id, checked)
        job.finish(f"{done.coupled:,} of {done.given:,} pairs were coupled, {done.already:,} were coupled already.")
    return done


def _result(mapping: str, run: int | None, checked: pl.DataFrame) -> Imported:
    numbered = checked.with_row_index("line", offset=1)
    refused = numbered.filter(pl.col(PROBLEM).is_not_null())
    told = refused.head(1_000).select("line", *(pl.col(name).fill_null("") for name in GIVEN.values()), PROBLEM)
    already = numbered.filter(pl.col(PROBLEM).is_null() & pl.col(ALREADY)).height
    return Imported(
        mapping=mapping,
        run=run,
        given=checked.height,
        coupled=checked.height - refused.height - already,
        already=already,
        failed=refused.height,
        refused=tuple(RefusedPair(*row) for row in told.iter_rows()),
    )


def _of_file(file: Path, columns: dict[Side, str]) -> pl.DataFrame:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            header = opened.readline()
        separator = max(_SEPARATORS, key=header.count)
        read = pl.read_csv(file, separator=separator, infer_schema=False, encoding="utf8")
        read = read.rename({name: name.strip().removeprefix("\ufeff") for name in read.columns})
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise ConfigurationError(
            f"{file} cannot be read as a table of couplings",
            cause=str(error).splitlines()[0],
            remedy="Give a CSV file in UTF-8 with a header line.",
        ) from None
    return _named(read, columns)


def _of_table(reading: MappingContext, name: str, columns: dict[Side, str], where: str) -> pl.DataFrame:
    connector = reading.ends[Side.LOCAL].connector
    if name not in connector.tables():
        raise ConfigurationError(
            f"There is neither a file {name} nor such a table in the local system",
            remedy="Give the path of a CSV file, or a table that `twinrow system schema` lists.",
        )
    table = connector.describe(name)
    for column in columns.values():
        if column not in table.fields:
            raise UnknownName("field", column, sorted(table.fields))
    condition = parse_filter(where, settings_as_variables(reading.settings))
    check_filter(condition, table)
    rows = connector.select(name, tuple(columns.values()), condition)
    return _named(rows.select(pl.col(column).cast(pl.String) for column in columns.values()), columns)


def _named(frame: pl.DataFrame, columns: dict[Side, str]) -> pl.DataFrame:
    for column in columns.values():
        if column not in frame.columns:
            raise UnknownName("column", column, frame.columns)
    return frame.select(pl.col(column).alias(GIVEN[side]) for side, column in columns.items())
