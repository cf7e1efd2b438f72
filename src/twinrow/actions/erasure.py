"""Erasing a person's data from what twinrow remembers."""

from __future__ import annotations

from twinrow.actions.context import ActionContext
from twinrow.engine.amend import Asked
from twinrow.engine.erasure import Erased
from twinrow.engine.erasure import erase as erased


def erase(context: ActionContext, mapping: str, record: str) -> Erased:
    """Erase the values of a record (its id on either side) from journal, bases, plans, conflicts, errors and open work.

    What is left says that something was erased. It can be neither told nor undone afterwards. The systems themselves are not
    touched; as long as a record is there, the next run that looks at it remembers its values again.

    Raises `UnknownName` for a mapping that is not there, `RecordNotFound` where nothing is known of the record, `RetryError`
    while it is not known what became of what was sent for it, `LeaseHeld` while a run of the mapping is under way.
    """
    name = context.mapping(mapping).name
    asked = Asked(amendment="erasure", asked="a record erased on request", who=context.who)
    with context.engine().amending(name, asked) as amendments:
        return erased(amendments, record)
