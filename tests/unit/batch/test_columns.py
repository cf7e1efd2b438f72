"""The columns of a batch: what a connector hands over, and how large it may be."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from twinrow.batch.bounds import MAXIMUM_ROWS, bounded
from twinrow.batch.columns import DELETED, ID, INSTANT, MODIFIED_AT, VERSION, column_type, conform, empty_batch
from twinrow.model.errors import UnknownField
from twinrow.model.tables import Field, FieldType, Table

CUSTOMERS = Table(
    "customers",
    "no",
    {
        "no": Field("no", FieldType.CODE),
        "name": Field("name", FieldType.TEXT),
        "limit": Field("limit", FieldType.DECIMAL, scale=2),
        "seen": Field("seen", FieldType.DATETIME),
    },
)


def test_every_type_of_field_has_a_column_type() -> None:
    types = {kind: column_type(Field("field", kind)) for kind in FieldType}
    assert types[FieldType.CODE] == pl.String
    assert types[FieldType.OPTION] == pl.Int64
    assert types[FieldType.DATETIME] == pl.Datetime("us", "UTC")
    assert types[FieldType.DECIMAL] == pl.Decimal(38, 10)
    assert column_type(Field("field", FieldType.DECIMAL, scale=2)) == pl.Decimal(38, 2)
    assert column_type(Field("field", FieldType.DECIMAL, scale=0)) == pl.Decimal(38, 0)


def test_a_batch_without_records_has_all_columns() -> None:
    batch = empty_batch(CUSTOMERS, ["name", "limit"])
    assert batch.columns == [ID, VERSION, MODIFIED_AT, "@modified_by", DELETED, "name", "limit"]
    assert batch.is_empty()


def test_a_frame_is_brought_into_the_form_of_a_batch() -> None:
    frame = pl.DataFrame({"limit": [Decimal("1.5")], "name": ["Ann"], ID: ["1"], "other": [0]})
    batch = conform(frame, CUSTOMERS, ["name", "limit", "seen"])
    assert batch.columns == [ID, VERSION, MODIFIED_AT, "@modified_by", DELETED, "name", "limit", "seen"]
    assert batch.row(0, named=True) == {
        ID: "1",
        VERSION: None,
        MODIFIED_AT: None,
        "@modified_by": None,
        DELETED: False,
        "name": "Ann",
        "limit": Decimal("1.50"),
        "seen": None,
    }


def test_times_keep_their_zone() -> None:
    frame = pl.DataFrame({ID: ["1"], "seen": [datetime(2024, 1, 31, 10, tzinfo=UTC)]})
    batch = conform(frame, CUSTOMERS, ["seen"])
    assert batch.schema["seen"] == INSTANT
    assert batch["seen"].to_list() == [datetime(2024, 1, 31, 10, tzinfo=UTC)]


def test_a_value_that_does_not_fit_its_column_is_refused() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        conform(pl.DataFrame({ID: ["1"], "limit": ["many"]}), CUSTOMERS, ["limit"])


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(UnknownField, match="Did you mean name"):
        empty_batch(CUSTOMERS, ["nmae"])


def test_slices_stay_within_the_bound_of_rows_and_lose_none() -> None:
    frame = pl.DataFrame({"number": range(25)})
    slices = list(bounded(frame, rows=10))
    assert [part.height for part in slices] == [10, 10, 5]
    assert pl.concat(slices).equals(frame)


def test_slices_stay_within_the_bound_of_bytes() -> None:
    frame = pl.DataFrame({"text": ["x" * 1000] * 100})
    slices = list(bounded(frame, size=20_000))
    assert all(part.estimated_size() <= 21_000 for part in slices)
    assert pl.concat(slices).equals(frame)


def test_a_record_larger_than_the_bound_comes_alone() -> None:
    frame = pl.DataFrame({"text": ["x" * 1000] * 3})
    assert [part.height for part in bounded(frame, size=10)] == [1, 1, 1]


def test_a_frame_without_rows_yields_nothing() -> None:
    assert list(bounded(empty_batch(CUSTOMERS, ["name"]))) == []
    assert MAXIMUM_ROWS == 20_000
