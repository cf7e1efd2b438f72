"""Tables whose new records are given a number that was free when it was asked for, such as options of a choice."""

from __future__ import annotations

import polars as pl

from twinrow.connectors.base import CreateKeys, WriteKind, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, customer_mapping, field, table

TERMS = table("paymentTerms", "id", Field("code", FieldType.CODE, max_length=10))
OPTIONS = Table(
    "options", "value", {"value": Field("value", FieldType.INTEGER), "label": Field("label", FieldType.TEXT)}
)


class Contested(MemorySystem):
    """Somebody takes the first number that is proposed, for an option of their own."""

    quicker = True

    def write(self, request: WriteRequest) -> pl.DataFrame:
        if request.kind is WriteKind.CREATE and self.quicker:
            self.quicker = False
            self.add("options", {"label": "THEIRS"}, id=request.frame.get_column("@id")[0])
        return super().write(request)


def test_a_number_that_somebody_else_takes_is_left_to_them() -> None:
    mapping = customer_mapping(
        local_table="paymentTerms", integration_table="options", fields=(field("code", "label"),)
    )
    with MemoryPair(
        mapping, local_tables=[TERMS], integration_tables=[OPTIONS], integration={"create_keys": CreateKeys.PROPOSED}
    ) as pair:
        system = Contested([OPTIONS], name="integration", create_keys=CreateKeys.PROPOSED)
        pair.wrap(Side.INTEGRATION, system)
        terms = [pair.local.add("paymentTerms", {"code": code}) for code in ("10 DAYS", "20 DAYS")]
        run = pair.synchronize(direction="to", create=True)
        assert run.counters.inserted == 2
        labels = {id: record["label"] for id, record in system.records("options").items()}
        assert sorted(labels.values()) == ["10 DAYS", "20 DAYS", "THEIRS"]
        coupled = pair.counterparts()
        assert [labels[coupled[id]] for id in terms] == ["10 DAYS", "20 DAYS"]


def test_a_number_that_somebody_else_took_while_the_answer_was_missing_is_left_to_them() -> None:
    mapping = customer_mapping(
        local_table="paymentTerms", integration_table="options", fields=(field("code", "label"),)
    )
    with MemoryPair(
        mapping, local_tables=[TERMS], integration_tables=[OPTIONS], integration={"create_keys": CreateKeys.PROPOSED}
    ) as pair:
        hostile = Hostile(pair.integration, Faults(late=1.0))
        pair.wrap(Side.INTEGRATION, hostile)
        term = pair.local.add("paymentTerms", {"code": "10 DAYS"})
        pair.synchronize(direction="to", create=True)
        hostile._late.clear()  # what was under way never arrives
        hostile.calm()
        for number in range(1, 10):
            if str(number) not in pair.integration.records("options"):
                pair.integration.add("options", {"label": f"THEIRS {number}"}, id=str(number))
        pair.synchronize(direction="to", create=True)
        made = pair.counterpart(term)
        assert made is not None
        labels = [record["label"] for record in pair.integration.records("options").values()]
        assert labels.count("10 DAYS") == 1
        assert all(str(label).startswith("THEIRS") for label in labels if label != "10 DAYS")
        assert pair.integration.records("options")[made]["label"] == "10 DAYS"
