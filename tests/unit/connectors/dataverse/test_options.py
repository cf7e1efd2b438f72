"""The options of a choice as a table: read, inserted, renamed, deleted, published."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest
from tests.unit.connectors.dataverse.environment import Environment, Override, Row, rows

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import ERROR, ERROR_FIELD, RECOVERY, STATUS, CreateKeys, FeedKind, Status
from twinrow.model.errors import FeedExpired, UnknownTable
from twinrow.model.filters import parse_filter

TERMS = "account.paymenttermscode"
BOTH = ("value", "label")
PUBLICATION = "<importexportxml><entities><entity>account</entity></entities></importexportxml>"


def options(environment: Environment, *ids: str) -> dict[str, Row]:
    """The options as they are now, by value."""
    found = environment.connector.select(TERMS, BOTH, None).to_dicts()
    return {row[ID]: row for row in found if not ids or row[ID] in ids}


def labels(environment: Environment) -> list[str]:
    return [row["label"] for row in options(environment).values()]


def act(environment: Environment, action: str, **parameters: Any) -> Any:
    """Do something to the options as somebody else."""
    target = {"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode"}
    reply = environment.api.post(action, target | parameters)
    assert reply.status < 300, reply.raw
    return reply.body if reply.raw else None


def label(text: str, language: int = 1033) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": language}]}


def sent_to(environment: Environment, action: str) -> list[dict[str, Any]]:
    """The bodies that were sent to an action."""
    return [
        msgspec.json.decode(request.content) for request in environment.requests if request.url.path.endswith(action)
    ]


def statuses(answers: list[Row]) -> list[str]:
    return [answer[STATUS] for answer in answers]


def on(action: str, outcome: httpx2.Response | Exception) -> Override:
    return lambda request: outcome if request.url.path.endswith(action) else None


def known(environment: Environment) -> None:
    environment.connector.describe(TERMS)
    environment.forget()


def test_the_options_are_records_with_their_value_as_id(environment: Environment) -> None:
    assert TERMS in environment.connector.tables()
    description, can = environment.connector.describe(TERMS), environment.connector.capabilities(TERMS)
    assert (description.key, list(description.fields)) == ("value", ["value", "label"])
    assert (can.feed, can.create_keys, can.version_checks) == (FeedKind.WHOLE, CreateKeys.PROPOSED, False)
    assert options(environment)["1"]["label"] == "Net 30"


@pytest.mark.parametrize("name", ["account.name", "account.nothing", "nothing.paymenttermscode", "account.", "."])
def test_what_is_no_choice_is_no_table(environment: Environment, name: str) -> None:
    with pytest.raises(UnknownTable):
        environment.connector.describe(name)


def test_they_are_read_past_the_caches_of_the_service(environment: Environment) -> None:
    known(environment)
    environment.connector.fetch(TERMS, BOTH, ["1"])
    environment.forget()
    environment.connector.fetch(TERMS, BOTH, ["1"])
    assert [request.headers["Consistency"] for request in environment.requests] == ["Strong"]


def test_a_condition_on_options(environment: Environment) -> None:
    condition = parse_filter("value gt 2 and startswith(label, 'NET')", environment.connector.describe(TERMS))
    found = environment.connector.select(TERMS, BOTH, condition).to_dicts()
    assert [row["value"] for row in found] == [
        row["value"] for row in options(environment).values() if row["value"] > 2
    ]
    assert environment.connector.select(TERMS, BOTH, None, 1).height == 1


def test_all_options_come_each_time_in_pages(environment: Environment) -> None:
    everything = list(options(environment))
    pages = environment.feed(TERMS, ("label",), page_rows=3)
    assert [row[ID] for row in rows(pages)] == everything
    assert [row[ID] for row in rows(environment.feed(TERMS, ("label",), cursor=pages[0].cursor))] == everything[3:]
    assert [row[ID] for row in rows(environment.feed(TERMS, ("label",), pages[-1].watermark))] == everything
    with pytest.raises(FeedExpired):
        environment.feed(TERMS, ("label",), "d|https://x")


def test_the_version_changes_with_the_label(environment: Environment) -> None:
    before = options(environment, "1")["1"][VERSION]
    act(environment, "UpdateOptionValue", Value=1, Label=label("30 days"), MergeLabels=True)
    assert options(environment, "1")["1"][VERSION] != before


def test_an_option_is_inserted_with_the_proposed_number_and_published_once(environment: Environment) -> None:
    known(environment)
    keys = environment.connector.propose_keys(TERMS, 2)
    answers = environment.create(
        TERMS, *({"@id": key, "label": text} for key, text in zip(keys, ("14 T", "60 T"), strict=True))
    )
    assert [(answer[STATUS], answer[ID], answer["label"]) for answer in answers] == [
        (Status.WRITTEN, keys[0], "14 T"),
        (Status.WRITTEN, keys[1], "60 T"),
    ]
    assert sent_to(environment, "InsertOptionValue")[0] == {
        "EntityLogicalName": "account",
        "AttributeLogicalName": "paymenttermscode",
        "Value": int(keys[0]),
        "Label": label("14 T"),
    }
    assert sent_to(environment, "PublishXml") == [{"ParameterXml": PUBLICATION}]
    assert answers[0][VERSION] == options(environment)[keys[0]][VERSION]


def test_free_numbers_are_of_the_publishers_range(environment: Environment) -> None:
    first, second = environment.connector.propose_keys(TERMS, 2)
    assert int(second) == int(first) + 1
    assert first not in options(environment)
    assert int(first) // 10_000 == 10_000, "the prefix of the default solution's publisher"


def test_another_solutions_publisher_may_give_the_numbers() -> None:
    environment = Environment(solution="bcbi_CdsBaseIntegration")
    (key,) = environment.connector.propose_keys(TERMS, 1)
    assert int(key) // 10_000 == 72_700
    environment.create(TERMS, {"@id": key, "label": "14 T"})
    assert sent_to(environment, "InsertOptionValue")[0]["SolutionUniqueName"] == "bcbi_CdsBaseIntegration"
    environment.connector.close()


def test_a_number_that_is_taken(environment: Environment) -> None:
    known(environment)
    (answer,) = environment.create(TERMS, {"@id": "1", "label": "Something else"})
    assert (answer[STATUS], answer[ID]) == (Status.EXISTS, "1")
    assert sent_to(environment, "InsertOptionValue") == []
    assert options(environment)["1"]["label"] == "Net 30"


def test_a_number_that_somebody_takes_in_between(environment: Environment) -> None:
    key = environment.connector.propose_keys(TERMS, 1)[0]

    def quicker(request: httpx2.Request) -> None:
        if request.url.path.endswith("InsertOptionValue"):
            act(environment, "InsertOptionValue", Value=int(key), Label=label("Theirs"))

    environment.override = quicker
    (answer,) = environment.create(TERMS, {"@id": key, "label": "Ours"})
    assert (answer[STATUS], answer[ID], options(environment)[key]["label"]) == (Status.EXISTS, key, "Theirs")


def test_a_label_is_changed_in_its_own_language_only(environment: Environment) -> None:
    before = options(environment)["1"]
    (answer,) = environment.update(TERMS, {ID: "1", VERSION: before[VERSION], "label": "30 days"})
    assert (answer[STATUS], answer["label"]) == (Status.WRITTEN, "30 days")
    assert answer[VERSION] not in (None, before[VERSION])
    (body,) = sent_to(environment, "UpdateOptionValue")
    assert (body["MergeLabels"], body["Label"]) == (True, label("30 days"))


def test_a_label_that_somebody_else_has_changed_is_not_overwritten(environment: Environment) -> None:
    before = options(environment)["1"]
    act(environment, "UpdateOptionValue", Value=1, Label=label("Theirs"), MergeLabels=True)
    row = {ID: "1", VERSION: before[VERSION]}
    assert statuses(environment.update(TERMS, row | {"label": "Ours"})) == [Status.STALE]
    assert statuses(environment.delete(TERMS, row)) == [Status.STALE]
    assert options(environment)["1"]["label"] == "Theirs"


def test_an_option_is_deleted_once(environment: Environment) -> None:
    assert statuses(environment.delete(TERMS, {ID: "4"}, {ID: "4"}, {ID: "no number"})) == [
        Status.WRITTEN,
        Status.MISSING,
        Status.MISSING,
    ]
    assert "4" not in options(environment)
    assert len(sent_to(environment, "PublishXml")) == 1


@pytest.mark.parametrize("text", [None, "", "  ", "x" * 4_001], ids=["none", "empty", "blank", "too long"])
def test_a_label_that_no_option_can_have(environment: Environment, text: str | None) -> None:
    known(environment)
    answers = environment.create(TERMS, {"@id": "100000000", "label": text})
    answers += environment.update(TERMS, {ID: "1", "label": text})
    for answer in answers:
        assert (answer[STATUS], answer[ERROR_FIELD], answer[RECOVERY]) == (Status.REFUSED, "label", "data")
        assert answer[ERROR]
    assert [request for request in environment.requests if request.method == "POST"] == []


def test_one_record_does_not_spoil_the_others(environment: Environment) -> None:
    keys = environment.connector.propose_keys(TERMS, 3)
    answers = environment.create(TERMS, *({"@id": key, "label": text} for key, text in zip(keys, "A C", strict=True)))
    assert statuses(answers) == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
    assert {"A", "C"} <= set(labels(environment))


def test_an_insertion_without_an_answer_is_not_sent_again(environment: Environment) -> None:
    environment.lost = on("InsertOptionValue", httpx2.ReadError("reset"))
    key = environment.connector.propose_keys(TERMS, 1)[0]
    row = {"@id": key, "label": "14 T"}
    assert statuses(environment.create(TERMS, row)) == [Status.INDETERMINATE]
    assert len(sent_to(environment, "InsertOptionValue")) == 1
    environment.lost = lambda _: None
    assert statuses(environment.create(TERMS, row)) == [Status.EXISTS]


def test_a_missing_privilege_is_a_matter_of_configuration(environment: Environment) -> None:
    body = {"error": {"code": "0x80040220", "message": "Missing prvWriteAttribute."}}
    environment.override = on("InsertOptionValue", httpx2.Response(403, json=body))
    (answer,) = environment.create(TERMS, {"@id": "100000000", "label": "14 T"})
    assert (answer[STATUS], answer[RECOVERY]) == (Status.REFUSED, "configuration")
    assert "prvWriteAttribute" in answer[ERROR]


def test_what_a_process_wrote_and_never_published_is_published_by_the_next_one_that_reads(
    environment: Environment,
) -> None:
    environment.override = on("PublishXml", httpx2.Response(500, json={"error": {"code": "", "message": "Busy."}}))
    (key,) = environment.connector.propose_keys(TERMS, 1)
    environment.create(TERMS, {"@id": key, "label": "14 T"})
    environment.override = lambda _: None
    environment.connector.close()
    environment.connector = environment.open()
    environment.forget()
    environment.connector.fetch(TERMS, BOTH, [key])
    environment.connector.fetch(TERMS, BOTH, [key])
    assert sent_to(environment, "PublishXml") == [{"ParameterXml": PUBLICATION}]


def test_what_could_not_be_published_is_published_with_the_next_write(environment: Environment) -> None:
    environment.override = on("PublishXml", httpx2.Response(500, json={"error": {"code": "", "message": "Busy."}}))
    (key,) = environment.connector.propose_keys(TERMS, 1)
    assert statuses(environment.create(TERMS, {"@id": key, "label": "14 T"})) == [Status.WRITTEN]
    environment.override = lambda _: None
    environment.forget()
    other = "contact.familystatuscode"
    environment.create(other, {"@id": environment.connector.propose_keys(other, 1)[0], "label": "Partnered"})
    published = {body["ParameterXml"] for body in sent_to(environment, "PublishXml")}
    assert published == {PUBLICATION, PUBLICATION.replace("account", "contact")}


def test_rows_can_take_a_new_option_at_once(environment: Environment) -> None:
    """The description of the rows' table is read again, so that the option counts as one of its choice."""
    before = environment.connector.describe("account").field("paymenttermscode").options
    key = environment.connector.propose_keys(TERMS, 1)[0]
    environment.create(TERMS, {"@id": key, "label": "14 T"})
    after = environment.connector.describe("account").field("paymenttermscode").options
    assert [option.value for option in after] == [*(option.value for option in before), int(key)]
    (answer,) = environment.create("account", {"name": "A", "paymenttermscode": int(key)})
    assert (answer[STATUS], answer["paymenttermscode"]) == (Status.WRITTEN, int(key))
