from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from twinrow.batch.columns import column_type
from twinrow.connectors.business_central.values import WireField, decoded_name, encoded_name, instants
from twinrow.connectors.odata.bodies import json_objects
from twinrow.model.tables import Field, FieldType, Option

ZERO = "00000000-0000-0000-0000-000000000000"
BLOCKED = {" ": "_x0020_", "Ship": "Ship", "Bank Account": "Bank_x0020_Account"}


def wire(kind: FieldType, **facts: Any) -> WireField:
    members = facts.pop("members", {})
    return WireField(Field("f", kind, options=tuple(Option(name, name) for name in members), **facts), members)


def read(field: WireField, values: list[Any]) -> list[Any]:
    frame = pl.DataFrame({"f": pl.Series(values, dtype=field.property.column_type)})
    column = frame.select(field.read()).to_series()
    assert column.dtype == column_type(field.field)
    return column.to_list()


def written(field: WireField, value: Any) -> Any:
    frame = pl.DataFrame({"f": pl.Series([value], dtype=column_type(field.field))})
    return json.loads(json_objects(frame, [field.member(pl.col("f"))])[0], parse_float=Decimal)["f"]


@pytest.mark.parametrize(
    ("field", "travels", "means"),
    [
        (wire(FieldType.TEXT), "Ann", "Ann"),
        (wire(FieldType.TEXT), "", ""),
        (wire(FieldType.CODE), "A-1", "A-1"),
        (wire(FieldType.GUID), ZERO, None),
        (wire(FieldType.REFERENCE), ZERO, None),
        (wire(FieldType.REFERENCE), "9f058fe8-2d5f-457d-b65a-47597bb1c2d3", "9f058fe8-2d5f-457d-b65a-47597bb1c2d3"),
        (wire(FieldType.DATE), "0001-01-01", None),
        (wire(FieldType.DATE), "2026-05-01", date(2026, 5, 1)),
        (wire(FieldType.DATETIME), "2026-05-01T12:30:00.470Z", datetime(2026, 5, 1, 12, 30, 0, 470_000, UTC)),
        (wire(FieldType.ENUM, members=BLOCKED), "_x0020_", " "),
        (wire(FieldType.ENUM, members=BLOCKED), "Bank_x0020_Account", "Bank Account"),
        (wire(FieldType.DECIMAL, scale=2), Decimal("10.25"), Decimal("10.25")),
        (wire(FieldType.INTEGER), 8_000_000_001, 8_000_000_001),
        (wire(FieldType.BOOLEAN), True, True),
    ],
)
def test_values_there_and_back(field: WireField, travels: Any, means: Any) -> None:
    assert read(field, [travels]) == [means]
    assert written(field, means) == travels


def test_what_else_is_understood() -> None:
    assert read(wire(FieldType.TEXT), [None]) == [""]
    assert read(wire(FieldType.GUID), ["9F058FE8-2D5F-457D-B65A-47597BB1C2D3"]) == [
        "9f058fe8-2d5f-457d-b65a-47597bb1c2d3"
    ]
    assert read(wire(FieldType.ENUM, members=BLOCKED), [" ", "", "Bank Account", "New_x0020_One"]) == [
        " ",
        " ",
        "Bank Account",
        "New_x0020_One",
    ]


def test_null_where_the_service_has_none() -> None:
    assert written(wire(FieldType.TEXT), None) == ""
    assert written(wire(FieldType.DECIMAL), None) == 0
    assert written(wire(FieldType.INTEGER), None) == 0
    assert written(wire(FieldType.BOOLEAN), None) is False
    assert written(wire(FieldType.ENUM, members=BLOCKED), None) == "_x0020_"
    assert written(wire(FieldType.DATETIME), None) == "0001-01-01T00:00:00Z"


def test_points_in_time_in_every_form_that_was_seen() -> None:
    texts = [
        "2025-05-13T22:03:05.47Z",
        "2025-05-13T22:03:05Z",
        "2021-06-01",
        "2025-05-14T00:03:05.47+02:00",
        "0001-01-01T00:00:00Z",
        None,
        "soon",
    ]
    found = pl.DataFrame({"t": texts}).select(instants(pl.col("t"))).to_series().to_list()
    assert found == [
        datetime(2025, 5, 13, 22, 3, 5, 470_000, UTC),
        datetime(2025, 5, 13, 22, 3, 5, 0, UTC),
        datetime(2021, 6, 1, tzinfo=UTC),
        datetime(2025, 5, 13, 22, 3, 5, 470_000, UTC),
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (" ", "_x0020_"),
        ("Non-Inventory", "Non_x002D_Inventory"),
        ("Post Code+City", "Post_x0020_Code_x002B_City"),
        ("No. Series", "No_x002E__x0020_Series"),
        ("Größe", "Größe"),
    ],
)
def test_names_of_members(member: str, name: str) -> None:
    assert encoded_name(member) == name
    assert decoded_name(name) == member
