"""`make demo-matching`: two sandboxes that know many of the same companies, each in its own writing, brought together over HTTP.

Customers and accounts overlap; the accounts are written with the slips of FEBRL. Exact matching couples what is equal, scored
matching what is the same beyond doubt; a person who knows the truth goes through the rest; then a synchronization creates what
only one side has. Everything is held against the truth; what does not hold is told, and the exit code is 1.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.people import World
from bench.slips import Slips
from twinrow.actions.mappings import save_mappings
from twinrow.batch.columns import ID
from twinrow.cli.sandbox import PERSON, SandboxPair, open_sandboxes
from twinrow.connectors.base import STATUS, Connector, Status, WriteKind, WriteRequest
from twinrow.connectors.opening import open_connector
from twinrow.model.mapping import UpdateConflict
from twinrow.model.sides import Side
from twinrow.workspace import Workspace, open_workspace

MAPPING = "CUSTOMER"
CRITERIA = ("displayName", "postalCode")
TABLES = {Side.LOCAL: "customers", Side.INTEGRATION: "account"}
KINDS = {Side.LOCAL: "business-central", Side.INTEGRATION: "dataverse"}
FIELDS = {
    "displayName": ("name", "surname"),
    "contact": ("address1_primarycontactname", "given_name"),
    "addressLine1": ("address1_line1", "address_1"),
    "addressLine2": ("address1_line2", "address_2"),
    "postalCode": ("address1_postalcode", "postcode"),
    "city": ("address1_city", "suburb"),
    "state": ("address1_stateorprovince", "state"),
    "phoneNumber": ("telephone1", "street_number"),
}
"""The customer's fields, the account's, and the field of FEBRL whose slips they get."""
_TRADES = (
    "Foods",
    "Tools",
    "Logistics",
    "Papers",
    "Textiles",
    "Electronics",
    "Timber",
    "Furniture",
    "Optics",
    "Motors",
)
_FORMS = ("Ltd", "Pty Ltd", "GmbH", "AG", "Inc", "S.A.")
_LARGEST = 1_000
"""So many records are written by one call."""

Company = Mapping[str, str | None]
Say = Callable[[str], None]


class Companies:
    """Makes companies, and how somebody else has written them down."""

    def __init__(self, seed: int) -> None:
        self._world, self._slips, self._chance = World(seed), Slips(seed), random.Random(seed)
        self._known: set[tuple[str, str]] = set()

    def company(self) -> dict[str, str]:
        """Return a company that no other one has name and post code in common with."""
        while True:
            person = self._world.person()
            made = {
                "displayName": f"{person['surname'].title()} {self._chance.choice(_TRADES)} {self._chance.choice(_FORMS)}",
                "contact": f"{person['given_name']} {person['surname']}".title(),
                "addressLine1": f"{person['street_number']} {person['address_1']}".title(),
                "addressLine2": person["address_2"].title(),
                "postalCode": person["postcode"],
                "city": person["suburb"].title(),
                "state": person["state"].upper(),
                "phoneNumber": f"0{self._chance.randrange(2, 9)} {self._chance.randrange(10**7, 10**8)}",
            }
            key = (made["displayName"].casefold(), made["postalCode"])
            if key not in self._known:
                self._known.add(key)
                return made

    def again(self, company: Mapping[str, str]) -> dict[str, str | None]:
        """Return how the other side has written a company."""
        stranger = self.company()
        values = {like: company[name] for name, (_, like) in FIELDS.items()}
        slips = self._slips.write(values, {like: stranger[name] for name, (_, like) in FIELDS.items()})
        written = {name: slips[like] for name, (_, like) in FIELDS.items()}
        # Without name and contact nobody could tell that it is the same company: one of the two stays what it was.
        if written["contact"] in (None, stranger["contact"], company["displayName"]) or not written["displayName"]:
            written["displayName"] = company["displayName"]
        return written


class Demo:
    """The demo step by step; `problems` are what does not hold."""

    def __init__(self, pair: SandboxPair, opened: Workspace, say: Say) -> None:
        self._opened, self._say = opened, say
        context = opened.context
        self._systems: dict[Side, Connector] = {
            side: open_connector(kind, PERSON, pair.options(kind, PERSON), context.secrets, context.clock)  # type: ignore[arg-type]
            for side, kind in KINDS.items()
        }
        self._before: dict[str, str] = {}
        self._same: dict[str, str] = {}
        self.problems: list[str] = []

    def close(self) -> None:
        """Sign off."""
        for system in self._systems.values():
            system.close()

    def set_up(self, pair: SandboxPair) -> None:
        """Connect both sandboxes, and synchronize the little that is in them."""
        for side, kind in KINDS.items():
            self._opened.add_system(side.value, kind, **pair.options(kind))  # type: ignore[arg-type]
        self._opened.add_connection("demo", Side.LOCAL.value, Side.INTEGRATION.value)
        self._opened.setup_connection(ownership_model="team")
        for _ in range(2):
            self._opened.synchronize(create=True)
        self.begin()

    def begin(self) -> None:
        """Go on from what is coupled already; where both sides differ, the customer wins."""
        mapping = self._opened.show_mapping(MAPPING)
        wins = mapping.model_copy(update={"update_conflict_resolution": UpdateConflict.SEND})
        save_mappings(self._opened.context, [wins])
        self._before = self._coupled()

    def run(self, customers: int, accounts: int, both: int, seed: int) -> list[str]:
        """Fill both systems, and bring them together; return what does not hold."""
        self.fill(customers, accounts, both, seed)
        self.match_exactly()
        self.match_scored()
        self.review()
        self.synchronize(customers, accounts, both)
        return self.problems

    def fill(self, customers: int, accounts: int, both: int, seed: int) -> None:
        """Put companies into both systems, of which so many are the same."""
        companies = Companies(seed)
        local = [companies.company() for _ in range(customers)]
        integration = [companies.again(one) for one in local[:both]]
        integration += [companies.again(companies.company()) for _ in range(accounts - both)]
        ids = {
            Side.LOCAL: self._create(Side.LOCAL, local),
            Side.INTEGRATION: self._create(Side.INTEGRATION, integration),
        }
        self._same = dict(zip(ids[Side.LOCAL][:both], ids[Side.INTEGRATION][:both], strict=True))
        self._say(f"{customers:,} customers and {accounts:,} accounts, of which {both:,} are the same companies.")

    def _create(self, side: Side, companies: Sequence[Company]) -> list[str]:
        names = {name: theirs if side is Side.INTEGRATION else name for name, (theirs, _) in FIELDS.items()}
        frame = pl.DataFrame([{names[name]: one[name] or "" for name in FIELDS} for one in companies])
        if side is Side.INTEGRATION:
            frame = frame.with_columns(pl.lit(3, dtype=pl.Int64).alias("customertypecode"))
        ids: list[str] = []
        for start in range(0, frame.height, _LARGEST):
            part = frame.slice(start, _LARGEST).with_columns(pl.lit(None, dtype=pl.String).alias(ID))
            request = WriteRequest(TABLES[side], WriteKind.CREATE, part, tuple(frame.columns), ())
            result = self._systems[side].write(request)
            refused = result.filter(pl.col(STATUS) != Status.WRITTEN.value)
            if refused.height:
                raise RuntimeError(f"The sandbox refused: {refused.row(0)}")
            ids += result.get_column(ID).to_list()
        return ids

    def match_exactly(self) -> None:
        """Couple what is equal, and see that it is exactly that."""
        due = self._equal()
        self._opened.match(MAPPING, on=[CRITERIA], create_unmatched=False, sync_after=False)
        done = self._new_pairs()
        self._say(f"Equal in {' and '.join(CRITERIA)}: {len(done):,} pairs coupled.")
        self._hold(done == due, f"exact matching coupled {len(done)} pairs, {len(due)} were due")
        self._hold(self._wrong(done) == 0, f"{self._wrong(done)} pairs of exact matching are not the same company")

    def _equal(self) -> dict[str, str]:
        """Return the pairs that agree, one with one, by the values that both systems have now."""
        keys: dict[Side, dict[str, tuple[str, ...]]] = {}
        for side in Side:
            names = [name if side is Side.LOCAL else FIELDS[name][0] for name in CRITERIA]
            rows = self._systems[side].select(TABLES[side], names, None).select(ID, *names)
            coupled = set(self._before) if side is Side.LOCAL else set(self._before.values())
            keys[side] = {
                id: tuple((value or "").rstrip().casefold() for value in values)
                for id, *values in rows.iter_rows()
                if id not in coupled
            }
        counts = {side: Counter(keys[side].values()) for side in Side}
        there = {key: id for id, key in keys[Side.INTEGRATION].items()}
        return {
            id: there[key]
            for id, key in keys[Side.LOCAL].items()
            if all(key) and counts[Side.LOCAL][key] == 1 and counts[Side.INTEGRATION][key] == 1
        }

    def match_scored(self) -> None:
        """Couple what is alike beyond doubt, and propose the rest."""
        result = self._opened.match_scored(MAPPING)
        wrong = self._wrong(self._new_pairs())
        self._say(
            f"Alike: {result.coupled:,} pairs coupled without asking, {wrong} of them wrong; {result.proposed:,} proposed."
        )
        self._hold(wrong == 0, f"{wrong} pairs were coupled that are not the same company")

    def review(self) -> None:
        """Accept the proposals that are true, reject the others, as somebody would who knows."""
        proposals = self._opened.list_proposals(MAPPING, limit=100_000)
        if proposals:
            self._explain(proposals[len(proposals) // 2].id)
        true = [one.id for one in proposals if self._same.get(one.ids[Side.LOCAL]) == one.ids[Side.INTEGRATION]]
        false = [one.id for one in proposals if one.id not in set(true)]
        accepted = self._opened.accept_proposals(true) if true else None
        if false:
            self._opened.reject_proposals(false)
        self._say(f"Review: {len(true):,} accepted, {len(false):,} rejected.")
        self._hold(accepted is None or not accepted.refused, f"refused: {accepted.refused if accepted else ''}")
        unexplained = [one.id for one in proposals if not one.reasons]
        self._hold(not unexplained, f"{len(unexplained)} proposals explain nothing")
        missed = self._same.items() - self._new_pairs().items()
        self._hold(not missed, f"{len(missed)} companies that are on both sides were not found")
        again = self._opened.match_scored(MAPPING)
        self._hold(not again.coupled, f"a second scored matching coupled {again.coupled} more")
        left = [one for one in self._opened.list_proposals(MAPPING, limit=100_000) if one.id in set(false)]
        self._hold(not left, f"{len(left)} rejected pairs are proposed again")

    def _explain(self, number: int) -> None:
        one = self._opened.show_proposal(number)
        self._say(f"For example proposal {number}, {one.probability:.1%} the same, {one.score:.1f} bits:")
        for reason in one.reasons:
            values = f"{reason.local or '(blank)'} | {reason.integration or '(blank)'}"
            self._say(f"   {reason.caption:<10} {values:<62} {reason.result:<24} {reason.bits:+6.1f}")

    def synchronize(self, customers: int, accounts: int, both: int) -> None:
        """Create what only one side has, and see that it is exactly that."""
        run = self._opened.synchronize(MAPPING, create=True)
        made = [job.inserted for job in run.jobs]
        self._say(f"Synchronized: {made[0]:,} accounts and {made[1]:,} customers made, {run.counters.failed} failed.")
        due = [customers - both, accounts - both]
        self._hold(made == due, f"{made[0]} accounts and {made[1]} customers were made, {due[0]} and {due[1]} were due")
        self._hold(
            not run.counters.failed, f"{run.counters.failed} records failed: {[e.message for e in run.errors[:3]]}"
        )
        pairs = self._new_pairs()
        self._hold(self._same.items() <= pairs.items(), "couplings of the same companies are gone")
        for side in Side:
            coupled = set(pairs) if side is Side.LOCAL else set(pairs.values())
            there = self._systems[side].select(TABLES[side], (), None).height
            due_there = customers + accounts - both
            self._hold(
                len(coupled) == due_there, f"{len(coupled)} of the {side.value} side are coupled, not {due_there}"
            )
            self._hold(there >= due_there, f"the {side.value} side has {there} records")
        idle = self._opened.synchronize(MAPPING, create=True).counters.inserted
        self._hold(idle == 0, f"the next synchronization made {idle} more")

    def _coupled(self) -> dict[str, str]:
        return dict(self._opened.couplings(MAPPING).select("local_id", "integration_id").iter_rows())

    def _new_pairs(self) -> dict[str, str]:
        return {local: other for local, other in self._coupled().items() if local not in self._before}

    def _wrong(self, pairs: Mapping[str, str]) -> int:
        return sum(self._same.get(local) != other for local, other in pairs.items())

    def _hold(self, holds: bool, told: str) -> None:
        if not holds:
            self.problems.append(told)


def run(place: Path, customers: int, accounts: int, both: int, *, seed: int = 1, say: Say = print) -> list[str]:
    """Go through the demo in a folder; return what does not hold."""
    store = f"sqlite:///{place / 'twinrow.db'}"
    with (
        open_sandboxes(place, 1) as pair,
        open_workspace(store) as opened,
        closing(Demo(pair, opened, say)) as demo,
    ):
        demo.set_up(pair)
        return demo.run(customers, accounts, both, seed)


def main(
    customers: Annotated[int, typer.Option(min=1, help="How many customers.")] = 2_000,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts.")] = 2_000,
    both: Annotated[int, typer.Option(min=0, help="How many of them are the same companies.")] = 1_500,
    seed: Annotated[int, typer.Option(help="Another number makes other companies.")] = 1,
) -> None:
    """Bring two systems together that know many of the same companies; exit code 1: something is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="twinrow-demo-matching-") as place:
        problems = run(Path(place), customers, accounts, both, seed=seed)
    for problem in problems:
        print(f"Does not hold: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
    print("Everything is as the truth has it.")


if __name__ == "__main__":
    typer.run(main)
