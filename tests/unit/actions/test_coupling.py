"""Coupling by hand while something is under way: the record that a create without an answer has made is not left over."""

from __future__ import annotations

import polars as pl
import pytest

from twinrow.connectors.base import CreateKeys, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import CouplingRefused
from twinrow.model.sides import Side
from twinrow.testing.pair import ACCOUNTS, MemoryPair, customer_mapping


class Dying(MemorySystem):
    """Carries a write out, and dies before it answers."""

    dies = True

    def write(self, request: WriteRequest) -> pl.DataFrame:
        answer = super().write(request)
        if self.dies:
            raise KeyboardInterrupt
        return answer


def test_a_record_whose_create_was_not_answered_is_only_coupled_with_what_it_made() -> None:
    with MemoryPair(customer_mapping(), integration={"create_keys": CreateKeys.CHOSEN}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        system = Dying([ACCOUNTS], name="integration", create_keys=CreateKeys.CHOSEN)
        pair.wrap(Side.INTEGRATION, system)
        with pytest.raises(KeyboardInterrupt):
            pair.synchronize()
        system.dies = False
        (orphan,) = system.records("account")
        other = system.add("account", {"name": "Adatum"})
        another = pair.local.add("customers", {"displayName": "Adatum"})

        with pytest.raises(CouplingRefused, match=f"it is {orphan}"):
            pair.couple(customer, other)
        with pytest.raises(CouplingRefused, match="is being made for"):
            pair.couple(another, orphan)
        pair.couple(customer, orphan)

        assert pair.counterparts() == {customer: orphan}
        pair.couple(another, other)
        assert pair.synchronize().counters.inserted == 0
        assert len(pair.local.records("customers")) == 2
