"""How alike two values are: the slips that people make come to a better level than different values."""

from __future__ import annotations

import pytest

from twinrow.engine.match.measures import LEVELS, levels_of
from twinrow.model.mapping import Compare


@pytest.mark.parametrize(
    ("kind", "one", "other", "told"),
    [
        (Compare.NAME, "michaela", "micheala", "very alike"),
        (Compare.NAME, "neumann", "newman", "alike"),
        (Compare.NAME, "smith", "jones", "different"),
        (Compare.COMPANY, "contoso electronics", "electronics contoso", "same words"),
        (Compare.COMPANY, "contoso electronics", "contoso electroncis", "very alike"),
        (Compare.COMPANY, "contoso", "contoso europe holdings", "alike"),
        (Compare.COMPANY, "contoso", "fabrikam", "different"),
        (Compare.ADDRESS, "12 stanley st", "stanley st 12", "same words"),
        (Compare.ADDRESS, "12 stanley st", "12 stanly st", "very alike"),
        (Compare.PHONE, "891234567", "891243567", "one slip"),
        (Compare.PHONE, "891234567", "891243557", "two slips"),
        (Compare.PHONE, "891234567", "401239999", "different"),
        (Compare.NUMBER, "4223", "423", "one slip"),
        (Compare.NUMBER, "4", "5", "different"),
        (Compare.DATE, "19850412", "19851204", "day and month exchanged"),
        (Compare.DATE, "19850412", "19850413", "one slip"),
        (Compare.DATE, "19850412", "19850513", "two slips"),
        (Compare.DATE, "19850412", "20011230", "different"),
        (Compare.EMAIL, "ann@contoso.com", "ann@contoso.org", "same name before the @"),
        (Compare.EMAIL, "ann.lee@contoso.com", "an.lee@contoso.com", "very alike"),
        (Compare.EMAIL, "ann@contoso.com", "bob@fabrikam.com", "different"),
    ],
)
def test_the_level_of_two_values(kind: Compare, one: str, other: str, told: str) -> None:
    assert [LEVELS[kind][level] for level in levels_of(kind, [one, other], [other, one])] == [told, told]


def test_every_kind_that_is_compared_has_levels() -> None:
    assert set(LEVELS) == set(Compare) - {Compare.NONE}
    assert all(levels[0] == "equal" and levels[-1] == "different" for levels in LEVELS.values())
