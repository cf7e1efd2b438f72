"""Random lives of two systems in memory, beside a naive model: what the engine makes of them must be what the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.property.naive import FIELDS, GROUPS, Model, Pair, Values
from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.engine.context import EngineSettings
from twinrow.model.mapping import UpdateConflict
from twinrow.model.sides import Side
from twinrow.testing.pair import CUSTOMER_FIELDS, MemoryPair, customer_mapping

INTEGRATION = {row.local: str(row.integration) for row in CUSTOMER_FIELDS if row.local in FIELDS}
MAPPED = tuple(row for row in CUSTOMER_FIELDS if row.local in FIELDS)
POLICIES = {"none": UpdateConflict.NONE, "send": UpdateConflict.SEND, "get": UpdateConflict.GET}

FIRED: Counter[str] = Counter()
SAMPLED = ("a", "b", "c", "d", "", "a", "b", "c", "d", "bad")
VALUES = st.sampled_from(SAMPLED)


def refuse(table: str, values: dict[str, object]) -> str | None:
    bad = [name for name, value in values.items() if str(value).startswith("bad")]
    return "bad values are not taken" if bad else None


class Lives(RuleBasedStateMachine):
    """People edit two systems; now and then they are synchronized."""

    def __init__(self) -> None:
        super().__init__()
        self.pair: MemoryPair | None = None

    @initialize(
        policy=st.sampled_from(sorted(POLICIES)),
        create=st.sampled_from([True, True, True, False]),
        feed=st.sampled_from([FeedKind.ROW_VERSION, FeedKind.DELTA, FeedKind.MODIFIED_AT]),
        checks=st.booleans(),
        keys=st.sampled_from(list(CreateKeys)),
        rows=st.integers(1, 4),
    )
    def begin(self, policy: str, create: bool, feed: FeedKind, checks: bool, keys: CreateKeys, rows: int) -> None:
        how = {"feed": feed, "version_checks": checks, "create_keys": keys, "refuse": refuse}
        if keys is CreateKeys.PROPOSED:
            how["create_keys"] = CreateKeys.CHOSEN
        mapping = customer_mapping(fields=MAPPED, update_conflict_resolution=POLICIES[policy], only_coupled=not create)
        self.pair = MemoryPair(mapping, local=dict(how), integration=dict(how), settings=EngineSettings(page_rows=rows))
        self.model = Model(policy, create, checks)
        self.ids: list[dict[str, str]] = []
        """The ids of the model's pairs, by side."""
        for number in range(3):
            self._begin_pair(f"{number}")
        self._synchronize()

    def _begin_pair(self, text: str) -> None:
        """Start with a pair that is coupled and equal."""
        assert self.pair is not None
        record = dict.fromkeys(FIELDS, text)
        ids = {side.value: self._system_add(side, record) for side in Side}
        self.pair.couple(ids["local"], ids["integration"])
        pair = Pair(coupled=True, known={"local": False, "integration": False})
        for side in Side:
            pair.put(side.value, dict(record))
            pair.base[side.value] = dict(record)
        self.model.pairs.append(pair)
        self.ids.append(ids)

    def teardown(self) -> None:
        if self.pair is not None:
            FIRED.update(self.model.fired)
            self.pair.workspace.close()

    # What people do.

    @rule(side=st.sampled_from(list(Side)), values=st.lists(VALUES, min_size=6, max_size=6))
    def add(self, side: Side, values: list[str]) -> None:
        self._add(side, values)

    def _add(self, side: Side, values: list[str]) -> None:
        record = dict(zip(FIELDS, values, strict=True))
        record["number"] = record["number"].upper()
        if side is Side.INTEGRATION and record["number"] == "BAD":
            record["number"] = "B"
        id = self._system_add(side, record)
        pair = Pair()
        pair.put(side.value, record)
        self.model.pairs.append(pair)
        self.ids.append({side.value: id})

    @precondition(lambda self: self.pair is not None and self.ids)
    @rule(data=st.data(), side=st.sampled_from(list(Side)), value=VALUES)
    def edit(self, data: st.DataObject, side: Side, value: str) -> None:
        index = data.draw(st.integers(0, len(self.ids) - 1))
        self._edit(index, data.draw(st.sampled_from(FIELDS)), side, value)

    @precondition(lambda self: self.pair is not None and self.ids)
    @rule(data=st.data(), here=VALUES, there=VALUES)
    def edit_both(self, data: st.DataObject, here: str, there: str) -> None:
        index = data.draw(st.integers(0, len(self.ids) - 1))
        name = data.draw(st.sampled_from(FIELDS))
        self._edit(index, name, Side.LOCAL, here)
        self._edit(index, name, Side.INTEGRATION, there)

    def _edit(self, index: int, name: str, side: Side, value: str) -> None:
        pair = self.model.pairs[index]
        present = pair.values(side.value)
        if present is None:
            return
        if name == "number":
            value = value.upper()
        assert self.pair is not None
        field = name if side is Side.LOCAL else INTEGRATION[name]
        table = "customers" if side is Side.LOCAL else "account"
        stored = value if side is Side.LOCAL else value or None
        self.pair.system(side).edit(table, self.ids[index][side.value], **{field: stored})
        pair.put(side.value, present | {name: value})

    @precondition(lambda self: self.pair is not None and self.ids)
    @rule(data=st.data(), side=st.sampled_from(list(Side)))
    def remove(self, data: st.DataObject, side: Side) -> None:
        self._remove(data.draw(st.integers(0, len(self.ids) - 1)), side)

    def _remove(self, index: int, side: Side) -> None:
        pair = self.model.pairs[index]
        if pair.values(side.value) is None or not pair.coupled:
            return
        assert self.pair is not None
        self.pair.system(side).remove("customers" if side is Side.LOCAL else "account", self.ids[index][side.value])
        pair.put(side.value, None)

    @rule()
    def retry(self) -> None:
        self._retry()

    def _retry(self) -> None:
        assert self.pair is not None
        self.pair.workspace.retry_skipped("CUSTOMER")
        for pair in self.model.pairs:
            if pair.skipped:
                pair.skipped = False
                pair.failures = dict.fromkeys(("to", "from") if pair.coupled else pair.failures, "")

    @precondition(lambda self: self.pair is not None and self.ids)
    @rule(random=st.randoms(use_true_random=True), changes=st.integers(4, 16))
    def busy_day(self, random: Random, changes: int) -> None:
        """Many changes at once, so that they meet in the same batches."""
        for _ in range(changes):
            kind, side, value = random.random(), random.choice(list(Side)), random.choice(SAMPLED)
            index, name = random.randrange(len(self.ids)), random.choice(FIELDS)
            if kind < 0.2:
                choices = SAMPLED if random.random() < 0.3 else SAMPLED[:-1]
                self._add(side, [random.choice(choices) for _ in FIELDS])
            elif kind < 0.7:
                self._edit(index, name, side, value)
            elif kind < 0.9:
                self._edit(index, name, Side.LOCAL, value)
                self._edit(index, name, Side.INTEGRATION, random.choice(SAMPLED))
            elif kind < 0.95:
                self._remove(index, side)
            else:
                self._retry()
        self._synchronize()

    @rule()
    def synchronize(self) -> None:
        self._synchronize()

    def _synchronize(self) -> None:
        assert self.pair is not None
        run = self.pair.synchronize()
        assert all(job.counters.balanced for job in run.jobs)
        assert run.state == "finished"
        self.model.synchronize()
        self._name_new_pairs()
        self._compare()

    # What must hold.

    @invariant()
    def no_record_is_doubled(self) -> None:
        if self.pair is None:
            return
        coupled = self.pair.counterparts()
        assert len(set(coupled.values())) == len(coupled)

    def _system_add(self, side: Side, record: Values) -> str:
        assert self.pair is not None
        if side is Side.LOCAL:
            return self.pair.local.add("customers", record)
        return self.pair.integration.add(
            "account", {INTEGRATION[name]: value or None for name, value in record.items()}
        )

    def _name_new_pairs(self) -> None:
        assert self.pair is not None
        by_local = self.pair.counterparts()
        by_integration = {there: here for here, there in by_local.items()}
        for pair, ids in zip(self.model.pairs, self.ids, strict=True):
            if pair.coupled and len(ids) == 1:
                if "local" in ids:
                    ids["integration"] = by_local[ids["local"]]
                else:
                    ids["local"] = by_integration[ids["integration"]]

    def _compare(self) -> None:
        assert self.pair is not None
        customers, accounts = self.pair.local.records("customers"), self.pair.integration.records("account")
        for pair, ids in zip(self.model.pairs, self.ids, strict=True):
            if pair.local is not None:
                found = customers.pop(ids["local"])
                assert {name: found[name] for name in FIELDS} == pair.local
            if pair.integration is not None:
                found = accounts.pop(ids["integration"])
                assert {name: found[INTEGRATION[name]] or "" for name in FIELDS} == pair.integration
        assert not customers, "records that nobody has made"
        assert not accounts, "records that nobody has made"
        conflicts = self.pair.workspace.list_conflicts()
        expected = sum(len(pair.conflicts) for pair in self.model.pairs)
        assert len(conflicts) == expected
        skipped = sum(pair.skipped for pair in self.model.pairs)
        pending = self.pair.workspace.list_pending()
        assert len({(record.source_id, record.coupling_id) for record in pending if record.skipped}) >= min(skipped, 1)


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    yield
    expected = {
        "created to", "created from", "create refused", "left alone", "modified to", "modified from", "update refused",
        "conflict", "source wins", "stands aside", "both equal", "one-way asserted", "counterpart gone", "skipped",
    }  # fmt: skip
    print("\nhow often each rule fired:", dict(sorted(FIRED.items())))  # noqa: T201
    assert not expected - set(FIRED), f"never fired: {sorted(expected - set(FIRED))}"


def live(examples: int, *, derandomize: bool) -> None:
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=derandomize,
            database=None,
            print_blob=True,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_engine_does_what_the_model_says() -> None:
    live(24, derandomize=True)


@pytest.mark.soak
def test_the_engine_does_what_the_model_says_for_long() -> None:
    live(3_000, derandomize=False)


assert set(GROUPS) < set(FIELDS)
