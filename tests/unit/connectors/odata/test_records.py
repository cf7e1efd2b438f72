from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from twinrow.connectors.odata.errors import ServiceError
from twinrow.connectors.odata.records import NEXT_LINK, RecordReader, WireProperty

READER = RecordReader(
    [
        WireProperty("@odata.etag", str),
        WireProperty("name", str),
        WireProperty("amount", Decimal),
        WireProperty("rank", int),
        WireProperty("open", bool),
    ],
    [pl.col("name"), pl.col("amount"), pl.col("rank"), pl.col("open"), pl.col("@odata.etag").alias("tag")],
)


def test_a_page_of_records() -> None:
    page = READER.page(
        b'{"@odata.context":"x","value":['
        b'{"@odata.etag":"W/1","name":"A \\u00e9 \\ud83d\\ude00","amount":12345678901234567.0123456789,"rank":9007199254740993,'
        b'"open":true,"unasked":{"deep":[1,2]}},'
        b'{"name":null,"amount":1e3}],'
        b'"' + NEXT_LINK.encode() + b'":"https://x/next"}'
    )
    assert page.next_link == "https://x/next"
    first, second = page.frame.to_dicts()
    assert first == {
        "name": "A é 😀",
        "amount": Decimal("12345678901234567.0123456789"),
        "rank": 9007199254740993,
        "open": True,
        "tag": "W/1",
    }
    assert second == {"name": None, "amount": Decimal(1000), "rank": None, "open": None, "tag": None}


def test_amounts_are_never_binary() -> None:
    page = READER.page(b'{"value":[{"amount":0.1},{"amount":0.30000000000000004},{"amount":-2.675}]}')
    assert page.frame["amount"].to_list() == [Decimal("0.1"), Decimal("0.3"), Decimal("-2.675")]


def test_more_decimals_than_usual_are_kept_where_a_field_has_them() -> None:
    reader = RecordReader([WireProperty("rate", Decimal, 15)], [pl.col("rate")])
    assert reader.page(b'{"value":[{"rate":0.123456789012345}]}').frame["rate"][0] == Decimal("0.123456789012345")


def test_a_page_without_records_has_the_columns() -> None:
    page = READER.page(b'{"value":[]}')
    assert page.frame.height == 0
    assert page.frame.columns == ["name", "amount", "rank", "open", "tag"]
    assert page.next_link is None


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"error":{}}', b'{"value":[{"name":7}]}'])
def test_what_is_no_page_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        READER.page(content)


def test_the_answer_to_a_batch() -> None:
    content = (
        b'{"responses":['
        b'{"id":"2","status":404,"headers":{},"body":{"error":{"code":"Gone","message":"It is gone."}}},'
        b'{"id":"0","status":201,"headers":{"a":"b"},"body":{"@odata.etag":"W/9","name":"made","rank":4}},'
        b'{"id":"3","status":200,"body":{"value":[{"name":"found"}]}},'
        b'{"id":"1","status":204,"headers":{}}]}'
    )
    made, done, gone, found, missing = READER.parts(content, 5)
    assert made is not None
    assert made.succeeded
    assert READER.frame([made.body]).to_dicts()[0]["name"] == "made"
    assert done is not None
    assert (done.status, done.body, done.error) == (204, None, None)
    assert gone is not None
    assert gone.error == ServiceError(404, "Gone", "It is gone.")
    assert found is not None
    frame, links = READER.pages_of([found.body, found.body])
    assert (frame["name"].to_list(), links) == (["found", "found"], [])
    with pytest.raises(ValueError, match="no value"):
        READER.pages_of([made.body])
    assert missing is None


def test_parts_without_ids_are_taken_as_they_come() -> None:
    content = b'{"responses":[{"id":null,"status":200,"body":{"name":"a"}},{"id":null,"status":400}]}'
    first, second, third = READER.parts(content, 3)
    assert first is not None
    assert first.succeeded
    assert second is not None
    assert second.error == ServiceError(400, "", "")
    assert third is None


def test_one_part_that_cannot_be_read_spoils_no_other() -> None:
    content = (
        b'{"responses":[{"id":"0","status":200,"body":{"name":7}},{"id":"1","status":201,"body":{"name":"b"}},'
        b'{"id":"2","status":500,"body":"<html>Oops</html>"}]}'
    )
    first, second, third = READER.parts(content, 3)
    assert first is not None
    assert first.unreadable
    assert second is not None
    assert READER.frame([second.body])["name"].to_list() == ["b"]
    assert third is not None
    assert third.error is not None
    assert "Oops" in third.error.message


def test_what_is_no_answer_to_a_batch_is_said_to_be_none() -> None:
    for content in (b"", b"<html>", b'{"value":[]}'):
        with pytest.raises(ValueError, match=r".+"):
            READER.parts(content, 1)
