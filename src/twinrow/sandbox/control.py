"""What tests may ask of a running server, below `/sandbox/`: no sign-in, JSON in and out.

Clock, latency, switches, faults, the log of requests, tables as stored, reset, sample data, snapshots.
`docs/reference/sandbox.md` describes every address.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.database import Snapshots
from twinrow.sandbox.faults import Faults
from twinrow.sandbox.http import Answer, Request, Service, json_answer
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.request_log import RequestLog

PREFIX = "/sandbox/"


class Control:
    """The control of one server. `latency` is in milliseconds."""

    def __init__(self, service: Service, clock: SandboxClock, postman: Postman) -> None:
        self.service = service
        self.clock = clock
        self.postman = postman
        self.faults = Faults()
        self.log = RequestLog()
        self.latency = 0.0
        self._snapshots = Snapshots(service.connection)
        self._handlers: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "ready"): lambda _: {"ready": True, "service": service.name},
            ("GET", "clock"): lambda _: self._clock_shown(),
            ("POST", "clock"): self._set_clock,
            ("GET", "latency"): lambda _: {"milliseconds": self.latency},
            ("POST", "latency"): self._set_latency,
            ("GET", "switches"): lambda _: service.switches,
            ("POST", "switches"): self._set_switches,
            ("GET", "requests"): lambda _: self.log.shown(),
            ("DELETE", "requests"): lambda _: self.log.clear(),
            ("GET", "faults"): lambda _: [fault.shown() for fault in self.faults.rules],
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda _: self.faults.rules.clear(),
            ("GET", "deliveries"): lambda _: [delivery.shown() for delivery in postman.deliveries],
            ("DELETE", "deliveries"): lambda _: postman.deliveries.clear(),
            ("POST", "reset"): lambda _: self._reset(),
            ("POST", "sample"): self._load_sample,
            ("GET", "snapshots"): lambda _: self._snapshots.names(),
            ("POST", "snapshot"): lambda body: self._snapshots.take(_text(body, "name")),
            ("POST", "restore"): self._restore,
        }

    def answer(self, request: Request) -> Answer:
        """Carry out a control request. What it makes no sense of is answered 400 with the reason, or 404."""
        name = request.path.removeprefix(PREFIX)
        try:
            body = msgspec.json.decode(request.body) if request.body else None
            if name.startswith("tables/"):
                return json_answer(200, self._table(request.method, name.removeprefix("tables/"), body))
            handler = self._handlers.get((request.method, name))
            if handler is None:
                return json_answer(404, {"error": f"There is no {request.method} {request.path} here."})
            return json_answer(200, handler(body))
        except LookupError as error:
            return json_answer(404, {"error": str(error.args[0]) if error.args else str(error)})
        except (ValueError, TypeError, msgspec.DecodeError) as error:
            return json_answer(400, {"error": str(error)})

    def _clock_shown(self) -> dict[str, Any]:
        now = self.clock.now().isoformat().replace("+00:00", "Z")
        return {"now": now, "frozen": self.clock.frozen, "offset": self.clock.offset}

    def _set_clock(self, body: Any) -> dict[str, Any]:
        body = _object(body, {"now", "advance", "frozen", "offset"})
        if body.get("frozen") is True:
            self.clock.freeze()
        if "now" in body:
            instant = None if body["now"] is None else datetime.fromisoformat(body["now"])
            if instant is not None and instant.tzinfo is None:
                raise ValueError("An instant needs a time zone: write 2026-01-31T12:00:00Z.")
            self.clock.set(instant)
        if "offset" in body:
            self.clock.set(None)
            self.clock.advance(float(body["offset"]))
        if "advance" in body:
            self.clock.advance(float(body["advance"]))
        if body.get("frozen") is False:
            self.clock.run()
        return self._clock_shown()

    def _set_latency(self, body: Any) -> dict[str, Any]:
        self.latency = float(_object(body, {"milliseconds"})["milliseconds"])
        return {"milliseconds": self.latency}

    def _set_switches(self, body: Any) -> dict[str, object]:
        self.service.switches.change(_object(body, None))
        return self.service.switches

    def _add_faults(self, body: Any) -> list[dict[str, Any]]:
        self.faults.add(body if isinstance(body, list) else [_object(body, None)])
        return [fault.shown() for fault in self.faults.rules]

    def _table(self, method: str, table: str, body: Any) -> Any:
        if method == "GET":
            return self.service.table_rows(table)
        if method == "POST":
            return self.service.write_row(table, _object(body, None))
        raise ValueError("A table is read with GET and written with POST.")

    def _reset(self) -> None:
        """Everything as at the start, except latency, clock and the log, which belong to the server, not its data."""
        self.service.switches.reset()
        self.service.reset()
        self.faults.rules.clear()

    def _load_sample(self, body: Any) -> dict[str, int]:
        body = _object(body, {"customers", "seed"})
        return self.service.load_sample(int(body.get("customers", 100)), int(body.get("seed", 1)))

    def _restore(self, body: Any) -> None:
        self._snapshots.restore(_text(body, "name"))
        self.service.reload()


def _object(body: Any, names: set[str] | None) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("The body must be a JSON object.")
    if names is not None and not names >= body.keys():
        raise ValueError(f"Unknown: {', '.join(sorted(body.keys() - names))}. Known: {', '.join(sorted(names))}.")
    return body


def _text(body: Any, name: str) -> str:
    value = _object(body, {name}).get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be given, as text.")
    return value
