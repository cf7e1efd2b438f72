"""Option mappings: codes become options and options become codes; what nobody has coupled yet is appended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from twinrow.actions.results import Job, Run
from twinrow.connectors.base import CreateKeys
from twinrow.model.errors import CouplingRefused
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, field, table

CODES = table(
    "paymentTerms",
    "id",
    Field("code", FieldType.CODE, max_length=10, nullable=False),
    Field("displayName", FieldType.TEXT, max_length=50, nullable=False),
)
CHOICE = Table(
    "account.terms",
    "value",
    {
        "value": Field("value", FieldType.INTEGER, nullable=False, creatable=False, updatable=False),
        "label": Field("label", FieldType.TEXT, max_length=4_000, empty_text=False, required=True),
    },
)
HERE = Table(
    "customers", "id", {**CUSTOMERS.fields, "terms": Field("terms", FieldType.CODE, max_length=10, nullable=False)}
)
THERE = Table("account", "accountid", {**ACCOUNTS.fields, "terms": Field("terms", FieldType.OPTION)})
TERMS = FieldMapping(
    local="terms", integration="terms", caption="Payment Terms", related_mapping="TERMS", related_key="code"
)


def terms_mapping(direction: Direction = Direction.TO_INTEGRATION, **more: Any) -> TableMapping:
    values: dict[str, Any] = {
        "name": "TERMS",
        "local_table": "paymentTerms",
        "integration_table": "account.terms",
        "direction": direction,
        "only_coupled": False,
        "rules": ("option_by_label",),
        "fields": (field("code", "label", direction=direction),),
    }
    return TableMapping(**(values | more))


class Company:
    """Codes and options that are coupled, and a customer and an account that name a coupled pair of them."""

    def __init__(self, options: TableMapping | None = None, reference: FieldMapping = TERMS) -> None:
        self.pair = MemoryPair(
            [options or terms_mapping(), customer_mapping(fields=(field("displayName", "name"), reference))],
            local_tables=(HERE, CODES),
            integration_tables=(THERE, CHOICE),
            integration={"create_keys": CreateKeys.PROPOSED},
        )
        self.option("7", "30 DAYS")
        self.code = self.pair.local.add("paymentTerms", {"code": "30 DAYS"})
        self.pair.couple(self.code, "7", "TERMS")
        self.customer = self.pair.local.add("customers", {"displayName": "Adatum", "terms": "30 DAYS"})
        self.account = self.pair.integration.add("account", {"name": "Adatum", "terms": 7})
        self.pair.couple(self.customer, self.account)
        self.pair.workspace.synchronize()
        self.pair.workspace.synchronize()

    def option(self, value: str, label: str) -> None:
        self.pair.integration.add("account.terms", {"value": int(value), "label": label}, id=value)

    def names(self) -> tuple[str, int | None]:
        here = self.pair.local.record("customers", self.customer)["terms"]
        return here, self.pair.integration.record("account", self.account)["terms"]

    def codes(self) -> list[str]:
        return sorted(record["code"] for record in self.pair.local.records("paymentTerms").values())

    def labels(self) -> dict[str, str]:
        return {id: record["label"] for id, record in self.pair.integration.records("account.terms").items()}

    def appending_jobs(self) -> list[Job]:
        jobs = self.pair.workspace.list_jobs("TERMS")
        return [job for job in jobs if job.direction == "from_integration"]


@pytest.fixture
def company() -> Iterator[Company]:
    made = Company()
    with made.pair:
        yield made


def from_job(run: Run) -> Job:
    return next(job for job in run.jobs if job.direction == "from_integration")


# An option that nobody has coupled.


def test_an_option_without_code_leaves_the_field_alone_and_is_appended(company: Company) -> None:
    company.option("8", "60 days")
    company.pair.integration.edit("account", company.account, terms=8, name="Adatum Corporation")

    job = from_job(company.pair.synchronize())

    assert (job.modified, job.failed) == (1, 0)
    assert company.pair.local.record("customers", company.customer)["displayName"] == "Adatum Corporation"
    assert company.names() == ("30 DAYS", 8)
    assert company.codes() == ["30 DAYS", "60 DAYS"]
    assert company.labels()["8"] == "60 days"
    assert company.pair.counterpart("8", Side.INTEGRATION, "TERMS") is not None
    assert company.pair.workspace.list_jobs("CUSTOMER")[0].message == "1 option appended to TERMS."
    (appended,) = company.appending_jobs()
    assert (appended.read, appended.inserted, appended.coupled) == (1, 1, 1)


def test_once_appended_an_option_is_carried_and_told_of_no_more(company: Company) -> None:
    company.option("8", "60 days")
    company.pair.integration.edit("account", company.account, terms=8)
    company.pair.synchronize()

    company.pair.synchronize()
    assert company.names() == ("60 DAYS", 8)
    assert company.pair.workspace.list_jobs("CUSTOMER")[0].message is None

    assert company.pair.workspace.synchronize().counters.written == 0
    assert company.names() == ("60 DAYS", 8)
    assert len(company.appending_jobs()) == 1


def test_a_round_carries_an_appended_option_at_once(company: Company) -> None:
    company.option("8", "60 days")
    company.pair.integration.edit("account", company.account, terms=8)

    assert company.pair.workspace.synchronize().succeeded

    assert company.names() == ("60 DAYS", 8)


def test_the_field_left_alone_does_not_travel_back(company: Company) -> None:
    company.option("8", "one, two")
    company.pair.integration.edit("account", company.account, terms=8)
    company.pair.synchronize()
    company.pair.local.edit("customers", company.customer, displayName="Adatum Corporation")

    company.pair.synchronize()

    assert company.pair.integration.record("account", company.account)["name"] == "Adatum Corporation"
    assert company.names() == ("30 DAYS", 8)


def test_a_code_that_has_the_caption_of_the_option_is_coupled_to_it(company: Company) -> None:
    code = company.pair.local.add("paymentTerms", {"code": "60 DAYS NE", "displayName": "Sixty"})
    company.option("8", "60 days net")
    company.pair.integration.edit("account", company.account, terms=8)

    company.pair.synchronize()

    assert company.pair.counterpart("8", Side.INTEGRATION, "TERMS") == code
    assert company.codes() == ["30 DAYS", "60 DAYS NE"]
    assert company.labels()["8"] == "60 days net"


def test_an_option_of_a_new_record_is_appended_too(company: Company) -> None:
    company.option("8", "60 days")
    account = company.pair.integration.add("account", {"name": "Fabrikam", "terms": 8})

    run = company.pair.synchronize()
    assert (from_job(run).inserted, from_job(run).failed) == (1, 0)
    company.pair.synchronize()

    customer = company.pair.counterpart(account, Side.INTEGRATION)
    assert company.pair.local.record("customers", str(customer))["terms"] == "60 DAYS"


def test_an_option_that_cannot_be_a_code_fails_by_itself_and_is_set_aside(company: Company) -> None:
    company.option("8", "half now, half later")
    company.pair.integration.edit("account", company.account, terms=8)

    first = company.pair.synchronize()
    assert (from_job(first).failed, first.errors) == (0, ())
    assert (
        company.pair.workspace.list_jobs("CUSTOMER")[0].message == "1 could not be appended to TERMS: see its errors."
    )
    for _ in range(3):
        assert company.pair.synchronize().counters.failed == 0

    assert len(company.appending_jobs()) == 2
    messages = {error.message for error in company.pair.workspace.list_errors("TERMS")}
    assert messages == {"the caption half now, half later has a comma and cannot become a code: rename the option"}
    (waiting,) = company.pair.workspace.list_pending("TERMS")
    assert (waiting.source_id, waiting.skipped) == ("8", True)

    company.pair.integration.edit("account.terms", "8", label="half/half")
    company.pair.workspace.retry_skipped("TERMS")
    company.pair.synchronize()
    company.pair.synchronize()
    assert company.names() == ("HALF/HALF", 8)


def test_an_option_that_is_no_more_is_left_alone(company: Company) -> None:
    company.pair.integration.edit("account", company.account, terms=99)

    for _ in range(2):
        assert from_job(company.pair.synchronize()).failed == 0

    assert company.names() == ("30 DAYS", 99)
    assert company.appending_jobs() == []


def test_writing_everything_leaves_an_option_without_code_alone(company: Company) -> None:
    company.pair.integration.edit("account", company.account, terms=99)

    job = from_job(company.pair.synchronize(full=True, unconditional=True, direction="from"))

    assert (job.modified, job.failed) == (1, 0)
    assert company.names() == ("30 DAYS", 99)


def test_where_captions_are_not_the_codes_themselves_nothing_is_appended() -> None:
    row = field("code", "label", direction=Direction.TO_INTEGRATION, transformation="LOWERCASE")
    company = Company(terms_mapping(fields=(row,)))
    with company.pair:
        company.option("8", "60 days")
        company.pair.integration.edit("account", company.account, terms=8)
        assert from_job(company.pair.synchronize()).failed == 0
        assert company.names() == ("30 DAYS", 8)
        assert company.codes() == ["30 DAYS"]


# The other way: a code without option.


def test_a_code_without_option_fails_its_record(company: Company) -> None:
    company.pair.local.add("paymentTerms", {"code": "60 DAYS"})
    company.pair.local.edit("customers", company.customer, terms="60 DAYS")

    run = company.pair.synchronize()

    assert run.jobs[0].failed == 1
    (error,) = run.errors
    assert (error.decision, error.message) == (
        Decision.WAITING,
        "the record that Payment Terms refers to is not coupled",
    )
    assert company.names() == ("60 DAYS", 7)


def test_a_code_without_option_is_blanked_where_the_field_says_so() -> None:
    company = Company(reference=TERMS.model_copy(update={"clear_value_on_failed_sync": True}))
    with company.pair:
        company.pair.local.add("paymentTerms", {"code": "60 DAYS"})
        company.pair.local.edit("customers", company.customer, terms="60 DAYS")

        run = company.pair.synchronize()

        assert (run.jobs[0].modified, run.counters.failed) == (1, 0)
        assert company.names() == ("60 DAYS", None)


# Codes become options.


def test_codes_become_options_and_their_renaming_follows(company: Company) -> None:
    added = company.pair.local.add("paymentTerms", {"code": "60 DAYS"})
    assert company.pair.synchronize("TERMS").counters.inserted == 1
    value = company.pair.counterpart(added, mapping="TERMS")
    assert company.labels()[str(value)] == "60 DAYS"

    company.pair.local.edit("paymentTerms", added, code="2 MONTHS")
    assert company.pair.synchronize("TERMS").counters.modified == 1
    assert company.labels()[str(value)] == "2 MONTHS"


# Options become codes.


@pytest.fixture
def turned() -> Iterator[Company]:
    """Options that become codes."""
    made = Company(terms_mapping(Direction.FROM_INTEGRATION))
    with made.pair:
        yield made


def test_options_become_codes_whose_key_follows_the_caption(turned: Company) -> None:
    turned.option("8", "60 days net")
    assert turned.pair.synchronize("TERMS").counters.inserted == 1
    code = str(turned.pair.counterpart("8", Side.INTEGRATION, "TERMS"))
    assert turned.pair.local.record("paymentTerms", code)["code"] == "60 DAYS NE"
    assert turned.pair.synchronize("TERMS").counters.written == 0

    turned.pair.integration.edit("account.terms", "8", label="two months")
    assert turned.pair.synchronize("TERMS").counters.modified == 1
    assert turned.pair.local.record("paymentTerms", code)["code"] == "TWO MONTHS"


def test_a_caption_that_only_changes_behind_the_code_changes_nothing(turned: Company) -> None:
    turned.option("8", "60 days net")
    turned.pair.synchronize("TERMS")
    turned.pair.integration.edit("account.terms", "8", label="60 days neat")

    counters = turned.pair.synchronize("TERMS").counters

    assert (counters.read, counters.written, counters.failed) == (1, 0, 0)


def test_captions_that_would_share_a_code_are_refused(turned: Company) -> None:
    turned.option("8", "30 days end of month")
    turned.option("9", "30 DAYS END OF YEAR")
    turned.option("10", "fine")

    run = turned.pair.synchronize("TERMS")

    assert (run.counters.inserted, run.counters.failed) == (1, 2)
    assert {error.message for error in run.errors} == {
        f"the caption {label} is like another one in its first 10 characters, which become the code: rename one"
        for label in ("30 days end of month", "30 DAYS END OF YEAR")
    }
    assert turned.codes() == ["30 DAYS", "FINE"]


def test_a_caption_with_a_comma_is_refused(turned: Company) -> None:
    turned.option("8", "one, two")

    run = turned.pair.synchronize("TERMS")

    assert run.counters.failed == 1
    assert "has a comma" in run.errors[0].message
    assert "code" in str(run.errors[0].field)


def test_options_that_become_codes_anyway_are_appended_as_soon_as_they_are_met(turned: Company) -> None:
    turned.option("8", "60 days")
    turned.pair.integration.edit("account", turned.account, terms=8)
    turned.pair.synchronize()
    turned.pair.synchronize()
    assert turned.names() == ("60 DAYS", 8)


def test_a_mapping_goes_the_other_way_only_where_its_rules_have_one() -> None:
    mapping = terms_mapping()
    turned_ = mapping.going(Pass.FROM)
    assert turned_ is not None
    assert [row.direction for row in turned_.fields] == [Direction.FROM_INTEGRATION]
    assert mapping.going(Pass.TO) is mapping
    cut = field("code", "label", direction=Direction.TO_INTEGRATION, transformation="TRIM")
    assert terms_mapping(fields=(cut,)).going(Pass.FROM) is None


def test_a_code_is_coupled_with_an_option_that_is_named_by_its_label_and_uncoupled_again() -> None:
    company = Company()
    with company.pair as pair:
        company.option("8", "14 DAYS")
        code = pair.local.add("paymentTerms", {"code": "14D"})
        named = pair.workspace.record_id("TERMS", "integration", "14 da")
        assert (named, pair.workspace.record_id("TERMS", "integration", "8")) == ("8", "8")
        assert pair.workspace.record_id("TERMS", "local", "14D") == code

        pair.workspace.couple("TERMS", code, named, synchronize=True)

        assert pair.integration.record("account.terms", "8")["label"] == "14D"
        with pytest.raises(CouplingRefused, match="coupled to another"):
            pair.workspace.couple("TERMS", code, "7")
        assert pair.workspace.uncouple("TERMS", "8").uncoupled == 1
        assert pair.counterparts(mapping="TERMS") == {company.code: "7"}
        assert pair.integration.record("account.terms", "8")["label"] == "14D"
