"""Hook points: a rule takes part only where it says so."""

import polars as pl
import pytest

from twinrow.batch.hooks import HookContext, Rule, lookup
from twinrow.model.sides import Pass
from twinrow.model.tables import Field, FieldType, Table

CUSTOMERS = Table("customers", "id", {"id": Field("id", FieldType.GUID)})
ACCOUNTS = Table("account", "accountid", {"accountid": Field("accountid", FieldType.GUID)})


class Quiet(Rule):
    name = "quiet"


@pytest.mark.parametrize("pass_", list(Pass))
def test_a_rule_that_says_nothing_changes_nothing(pass_: Pass) -> None:
    context = HookContext(pass_, CUSTOMERS, ACCOUNTS, {})
    rule, value = Quiet(), pl.col("name")
    assert rule.reads(pass_) == ()
    assert rule.lookups(context) == ()
    assert rule.admit(context) is None
    assert rule.natural(context) is None
    assert rule.derived(context) == ()
    assert rule.adjust(context, "name", value) is value
    assert rule.refuse(context, "name", value) is None
    assert rule.translate(context, "ownerid") == {}
    assert rule.complete_create(context, pl.DataFrame(), {}) == {}


def test_looked_up_values_stand_beside_fields_without_meeting_them() -> None:
    assert lookup("company") == "lookup.company.id"
    assert lookup("company", "name") == "lookup.company.name"
