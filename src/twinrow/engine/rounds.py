"""A round: several mappings, one after the other in dependency order, and then what had waited for a later one.

A record that refers to one of a mapping that runs later is made without the reference, or waits; once the later mapping has
run, the mappings with such records get a follow-up run that only tries these again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twinrow.engine.context import RunOptions
from twinrow.engine.lookups import related_mappings
from twinrow.engine.passes import Progress
from twinrow.engine.run import Engine
from twinrow.model.errors import SignInFailed, SystemUnavailable, TwinrowError, Unreachable
from twinrow.store.mappings import list_mappings
from twinrow.store.pending import has_news
from twinrow.store.runs import RunRow, finish_round, start_round

_AWAY = (SystemUnavailable, Unreachable, SignInFailed)
"""What says that a system as a whole cannot be worked with now."""

_FOLLOW_UPS = 3
"""How often waiting records are tried again within a round; chains of references longer than that go on in the next."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one mapping of a round: its run, or why there was none or it broke off."""

    mapping: str
    run: RunRow | None
    error: TwinrowError | None = None


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """What became of a round; follow-up runs come after the first runs of all mappings."""

    id: int
    runs: tuple[RunOutcome, ...]


def run_round(
    engine: Engine,
    names: Sequence[str],
    options: RunOptions,
    progress: Progress | None = None,
    started: Callable[[str], None] | None = None,
) -> RoundOutcome:
    """Run the mappings in the given order (`standard.order`), then try again what had waited.

    A mapping that cannot run does not keep the others from running; its error is in its outcome. But once a system as a whole
    does not answer, the others are not tried: each would wait as long for it again.
    """
    with engine.database.transaction() as connection:
        number = start_round(connection, {"mappings": list(names)}, engine.clock.now())
    outcomes: list[RunOutcome] = []
    for name in names:
        away = outcomes[-1].error if outcomes and isinstance(outcomes[-1].error, _AWAY) else None
        outcomes.append(
            RunOutcome(name, None, away) if away is not None else _run(engine, name, options, number, progress, started)
        )
    again = RunOptions(retry_only=True, create=options.create)
    for _ in range(_FOLLOW_UPS):
        waiting = [name for name in names if _has_news(engine, name)]
        if not waiting or options.named or options.plan is not None or isinstance(outcomes[-1].error, _AWAY):
            break
        outcomes += [_run(engine, name, again, number, progress, started) for name in waiting]
    with engine.database.transaction() as connection:
        finish_round(connection, number, engine.clock.now())
    return RoundOutcome(number, tuple(outcomes))


def _run(
    engine: Engine,
    name: str,
    options: RunOptions,
    round_id: int,
    progress: Progress | None,
    started: Callable[[str], None] | None,
) -> RunOutcome:
    if started is not None:
        started(name)
    try:
        return RunOutcome(name, engine.run(name, options, round_id, progress))
    except TwinrowError as error:
        return RunOutcome(name, None, error)


def _has_news(engine: Engine, name: str) -> bool:
    """Whether records of the mapping wait for related ones of which some have been coupled since."""
    with engine.database.reading() as connection:
        known = {one.name: one for one in list_mappings(connection, engine.mappings[name].connection_id)}
        mapping = known[name]
        if mapping.local_guid is None:
            return False
        related = related_mappings(mapping.mapping, known)
        return any(has_news(connection, mapping, pass_, related) for pass_ in mapping.mapping.direction.passes)
