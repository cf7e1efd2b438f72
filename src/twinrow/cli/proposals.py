"""`twinrow proposals`: pairs of records that are probably the same, for people to accept or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, OfMapping, Store
from twinrow.cli.screen import card, number, plural, point, screen, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.proposals import Decided, ReadableProposal, ScoredResult
    from twinrow.workspace import Workspace

proposals = typer.Typer(
    no_args_is_help=True, help="Proposals of scored matching: list and explain them, accept or reject them."
)

Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="NUMBER", help="The proposals, by their numbers in `proposals list`.")
]
Above = Annotated[
    float | None,
    typer.Option(metavar="PROBABILITY", min=0.0, max=1.0, help="Only those at least that probable, for example 0.9."),
]


def match_scored(mapping: str, propose: bool, again: bool, as_json: bool, connection: str | None, store: str) -> None:
    """Match by scores (`twinrow match --scored`), and tell what came of it."""
    with workspace(store, connection) as opened:
        with screen(errors=True).status("Matching") as line:
            result = opened.match_scored(
                mapping,
                only_propose=propose,
                again=again,
                progress=lambda what, count: line.update(f"{number(count)} {what}"),
            )
        pair = opened.show_connection()
    if as_json:
        from twinrow.cli.documents import print_document, scored_document

        print_document(scored_document(result))
        return
    rows = [
        (f"Not coupled before in {pair.system(side).name}, {number(result.fresh[side])} new or changed", number(count))
        for side, count in result.records.items()
    ]
    rows += [("Coupled", number(result.coupled)), ("Proposed", number(result.proposed))]
    show(table(("Result", ">Records"), rows))
    compared = ", ".join(f"{caption} ({kind})" for caption, kind in result.kinds.items())
    show_lines([f"Compared: {compared}.", *_next(result)])


def _next(result: ScoredResult) -> list[str]:
    quoted = f'"{result.mapping}"' if " " in result.mapping else result.mapping
    if result.proposed:
        return [f"Next: twinrow proposals list {quoted}"]
    return [f"Next: twinrow sync {quoted}"] if result.coupled else []


@proposals.command(name="list")
def list_proposals(
    mapping: OfMapping = None,
    state: Annotated[
        Literal["open", "accepted", "rejected"],
        typer.Option(metavar="open|accepted|rejected", help="Which ones; accepted ones tell why they were coupled."),
    ] = "open",
    above: Above = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List proposals, the most probable first."""
    with workspace(store, connection) as opened:
        found = opened.list_proposals(mapping, state=state, above=above or 0.0, limit=limit)
        total = opened.number_of_proposals(mapping, state=state)
        if as_json:
            from twinrow.cli.documents import print_document, proposal_document

            print_document({"total": total, "proposals": [proposal_document(one) for one in found]})
            return
        if found:
            pair = opened.show_connection()
            rows = [
                (str(one.id), one.mapping, _percent(one.probability), *(_record(one, side) for side in one.ids))
                for one in found
            ]
            show(table((">Number", "Mapping", ">Probability", pair.local.name, pair.integration.name), rows))
    if not found:
        known = f" {state}" if total == 0 else f" {state}, as probable as that"
        show_lines([f"There is no proposal{known}."])
        return
    more = total - len(found)
    show_lines([f"{plural(total, 'proposal')} {state}{f', {number(more)} not shown' if more else ''}."])
    if state == "open":
        show_lines(
            [
                "Next: look at one (twinrow proposals show NUMBER), then accept or reject it:",
                "  twinrow proposals accept NUMBER ...    twinrow proposals reject NUMBER ...",
            ]
        )


@proposals.command(name="show")
def show_proposal(
    proposal: Annotated[int, typer.Argument(metavar="NUMBER", help="The proposal.")],
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Show why two records are probably the same, field by field."""
    with workspace(store, connection) as opened:
        one = opened.show_proposal(proposal)
        if as_json:
            from twinrow.cli.documents import print_document, proposal_document

            print_document(proposal_document(one))
            return
        show(*_explained(one, opened))
    if one.state == "open":
        show_lines([f"Next: twinrow proposals accept {one.id}, or twinrow proposals reject {one.id}"])


def _explained(one: ReadableProposal, opened: Workspace) -> list[Any]:
    pair = opened.show_connection()
    decided = f"{one.state} by {one.who} {point(one.decided_at)}" if one.who else one.state
    about = card(
        f"{one.id}  {one.mapping}: {_percent(one.probability)} the same",
        [
            *((pair.system(side).name, f"{one.labels[side]}  {id}".strip()) for side, id in one.ids.items()),
            ("found", point(one.made_at)),
            ("state", decided),
        ],
    )
    rows = [
        (reason.caption, reason.local or "", reason.integration or "", reason.result, f"{reason.bits:+.1f}")
        for reason in one.reasons
    ]
    rows.append(("together", "", "", "", f"{one.score:+.1f}"))
    return [about, table(("Field", pair.local.name, pair.integration.name, "Comparison", ">Bits"), rows)]


@proposals.command(name="accept")
def accept_proposals(
    numbers: Numbers = None,
    mapping: Annotated[
        str | None, typer.Option(metavar="MAPPING", help="With --above: the mapping whose proposals are meant.")
    ] = None,
    above: Above = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Accept proposals: the two records of each are coupled; the next synchronization makes them the same.

    Exit code 1: some were refused, because a record is gone or was coupled meanwhile; the others went through.
    """
    if bool(numbers) == (above is not None) or (above is not None) != (mapping is not None):
        raise typer.BadParameter("Give the numbers of proposals, or --mapping with --above.")
    with workspace(store, connection) as opened:
        result = opened.accept_proposals(numbers or (), mapping=mapping, above=above)
    _tell(result, "accepted", as_json, "Next: twinrow sync" if result.done else None)


@proposals.command(name="reject")
def reject_proposals(
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER", help="The proposals, by their numbers.")],
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Reject proposals: these pairs are not proposed again."""
    with workspace(store, connection) as opened:
        result = opened.reject_proposals(numbers)
    _tell(result, "rejected", as_json, None)


def _tell(result: Decided, what: str, as_json: bool, then: str | None) -> None:
    if as_json:
        from twinrow.cli.documents import print_document

        refused = [{"id": id, "reason": reason} for id, reason in result.refused.items()]
        print_document({what: list(result.done), "refused": refused})
    else:
        show_lines(
            [
                f"{plural(len(result.done), 'proposal')} {what}, {number(len(result.refused))} refused.",
                *(f"{id}: {reason}" for id, reason in result.refused.items()),
                *([then] if then else []),
            ]
        )
    if result.refused:
        raise typer.Exit(RECORDS_FAILED)


def _percent(probability: float) -> str:
    return "> 99.99 %" if probability > 0.9999 else f"{100 * probability:.2f} %"


def _record(one: ReadableProposal, side: Any) -> str:
    return one.labels[side] or one.ids[side]
