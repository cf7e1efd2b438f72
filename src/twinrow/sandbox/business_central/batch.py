"""`$batch` in its JSON form: up to 100 operations, in order, each for itself or all in one transaction.

With `Isolation: snapshot` the parts share one transaction, which is undone when one of them fails. The answer does
not show it: the parts that went well before keep their 200, 201 or 204. When the first part fails, the answer holds
nothing but that.

Source: protocol page, section 6; the last sentence, and the status for too many parts, are what public clients
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.operation import Operation, Outcome, json_outcome, operation_of, refused

MOST_PARTS = 100

Execute = Callable[[Operation], Outcome]


class Part(msgspec.Struct):
    """One operation of a batch, as it was written; its body is left as JSON text."""

    method: str
    url: str
    id: Any = None
    headers: dict[str, str] | None = None
    body: msgspec.Raw = msgspec.Raw(b"")


class _Batch(msgspec.Struct):
    requests: list[Part]


_decoder = msgspec.json.Decoder(_Batch)


def batch_parts(body: bytes) -> list[Part]:
    """The parts of a batch request. Refuses a body that is no batch, and one with too many parts."""
    try:
        parts = _decoder.decode(body).requests
    except msgspec.DecodeError as error:
        raise errors.bad_request(f"Invalid Request Body. {error}") from None
    if len(parts) > MOST_PARTS:
        raise errors.Refusal(
            500,
            "Unknown",
            f"The current batch message contains too many parts. A maximum number of '{MOST_PARTS}' query operations "
            "and change sets are allowed in a batch message.",
        )
    return parts


def carry_out(operation: Operation, parts: Sequence[Part], execute: Execute) -> Outcome:
    """Carry out the parts one after the other, and answer with what became of each."""
    return json_outcome(200, {"responses": [_answered(part, _executed(operation, part, execute)) for part in parts]})


def carry_out_isolated(operation: Operation, parts: Sequence[Part], execute: Execute) -> tuple[Outcome, bool]:
    """As `carry_out`, within the transaction that is open; tells whether all parts went well."""
    responses = []
    well = True
    for part in parts:
        outcome = _executed(operation, part, execute)
        responses.append(_answered(part, outcome))
        if outcome.status >= 400:
            well = False
            if len(responses) == 1:
                break
    return json_outcome(200, {"responses": responses}), well


def _executed(operation: Operation, part: Part, execute: Execute) -> Outcome:
    headers = {name.lower(): value for name, value in (part.headers or {}).items()}
    for name in ("accept-language", "data-access-intent"):
        if name in operation.headers:
            headers.setdefault(name, operation.headers[name])
    content = b"" if part.body == b"null" else bytes(part.body)
    target = part.url.removeprefix(operation.root)
    try:
        inner = operation_of(part.method.upper(), operation.root, target, headers, content, operation.caller)
    except errors.Refusal as refusal:
        return refused(refusal)
    return execute(inner)


def _answered(part: Part, outcome: Outcome) -> dict[str, Any]:
    if not outcome.body:
        return {"id": part.id, "status": outcome.status, "headers": {}}
    headers = {name.lower(): value for name, value in outcome.headers.items()}
    return {"id": part.id, "status": outcome.status, "headers": headers, "body": msgspec.Raw(outcome.body)}
