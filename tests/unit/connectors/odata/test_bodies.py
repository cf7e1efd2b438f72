from __future__ import annotations

import json
from decimal import Decimal

import polars as pl

from twinrow.connectors.odata.batch import batch_call, chunks, part
from twinrow.connectors.odata.bodies import json_objects, literal_member, only_where, text_member

NASTY = ['"quoted"', "back\\slash", "tab\tline\nreturn\r", "nul\x00 bell\x07", "é 語 😀", "</script>", "{}", "", "'"]


def test_every_text_survives() -> None:
    frame = pl.DataFrame({"text": NASTY})
    objects = json_objects(frame, [text_member('na"me', pl.col("text"))])
    assert [json.loads(item) for item in objects] == [{'na"me': text} for text in NASTY]


def test_what_is_not_sent_leaves_no_trace() -> None:
    frame = pl.DataFrame(
        {"a": ["x", "y", "z"], "b": [1, 2, 3], "send a": [True, False, False], "send b": [True, True, False]}
    )
    members = [
        only_where(text_member("a", pl.col("a")), pl.col("send a")),
        only_where(literal_member("b", pl.col("b")), pl.col("send b")),
    ]
    assert json_objects(frame, members) == ['{"a":"x","b":1}', '{"b":2}', "{}"]
    assert json_objects(frame, []) == ["{}"] * 3


def test_numbers_and_truth() -> None:
    frame = pl.DataFrame(
        {
            "d": pl.Series([Decimal("12345678901234567890.0123456789")], dtype=pl.Decimal(38, 10)),
            "t": [True],
            "f": [0.5],
        }
    )
    (text,) = json_objects(frame, [literal_member(name, pl.col(name)) for name in ("d", "t", "f")])
    assert text == '{"d":12345678901234567890.0123456789,"t":true,"f":0.5}'


def test_a_batch() -> None:
    parts = [part(0, "GET", "things?$filter=name eq '\"'", {"Prefer": "x"}), part(1, "POST", "things", {}, '{"a":1}')]
    call = batch_call("https://x/api", parts, repeatable=True)
    assert (call.method, call.address, call.repeatable) == ("POST", "https://x/api/$batch", True)
    assert json.loads(call.content) == {
        "requests": [
            {"id": "0", "method": "GET", "url": "things?$filter=name eq '\"'", "headers": {"Prefer": "x"}},
            {"id": "1", "method": "POST", "url": "things", "headers": {}, "body": {"a": 1}},
        ]
    }
    assert chunks(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
