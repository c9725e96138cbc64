"""What the admin socket and `quorumbook status` show: one JSON object in, one out."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from gateway.member_admin import MemberAdmin, NotLeading
from gateway.read_index import ReadIndex
from gateway.replica import Replica
from replication import membership

MOST_SESSIONS = 1_000
"""So many are listed in one answer: making it holds the loop up."""
MOST_HELD = 10_000
"""CompIDs of the sessions that a replica holds, in one answer; as many as there are sessions by default."""
MOST_INSTRUMENTS = 1_000
MOST_NAMED = 10
"""Symbols in an error."""
MOST_LEVELS = 1_000
"""A side, for the same reason; the snapshot socket has the whole book."""


class Request(msgspec.Struct, forbid_unknown_fields=True):
    command: str
    symbol: str = ""
    levels: int = 10
    member: int = 0
    address: str = ""
    ticket: int = 0


class Refused(Exception):
    """The request is wrong; the text says what is allowed."""


class Admin:
    """Answers requests about one replica.

    why_not: why it takes no clients. members: answers what concerns the cluster. reads: what concerns linearizable
    reads. stop: called for the command `stop`. process: what only the running process knows, for `status`.
    """

    def __init__(
        self,
        replica: Replica,
        why_not: Callable[[], str | None],
        members: MemberAdmin,
        reads: ReadIndex,
        stop: Callable[[], None],
        process: Callable[[], dict[str, Any]],
    ) -> None:
        self._replica = replica
        self._why_not = why_not
        self._members = members
        self._process = process
        self._stop = stop
        self._commands: dict[str, Callable[[Request], dict[str, Any]]] = {
            "status": self.status,
            "sessions": self.sessions,
            "held": self.held,
            "instruments": self.instruments,
            "depth": self.depth,
            "state_hash": self.state_hash,
            "read_index": lambda request: reads.look(request.ticket) if request.ticket else reads.ask(),
            "stop": self.stopped,
            "transfer": lambda request: members.transfer(request.member),
            "add": lambda request: members.add(request.member, request.address),
            "promote": lambda request: members.promote(request.member),
            "may_remove": lambda request: members.may_remove(request.member),
            "remove": lambda request: members.remove(request.member),
        }

    def answer(self, frame: bytes) -> bytes:
        """Never raises for a bad request: {"error": ...} says what is wrong; with `leader`, whom to ask instead (0 =
        nobody is known to lead); with `again`, that the same request may be taken in a moment."""
        try:
            request = msgspec.json.decode(frame, type=Request)
            command = self._commands.get(request.command)
            if command is None:
                raise Refused(f"command {request.command!r}; allowed: {', '.join(self._commands)}")
            return msgspec.json.encode(command(request))
        except NotLeading as error:
            return msgspec.json.encode({"error": str(error), "leader": error.leader})
        except membership.Refused as error:
            again = {"again": True} if isinstance(error, membership.NotNow) else {}
            return msgspec.json.encode({"error": str(error), **again})
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, Refused) as error:
            return msgspec.json.encode({"error": str(error)})

    def status(self, _: Request) -> dict[str, Any]:
        replica = self._replica
        node, exchange = replica.node, replica.exchange
        sessions, connected = exchange.session_counts()
        killed, max_open_orders = exchange.order_limits
        why_not = self._why_not()
        return {
            "accepting": why_not is None,
            "why_not": why_not,
            "term": node.term,
            "last_index": node.last_index,
            "applied_index": exchange.applied_index,
            "chain_hash": node.chain_hash.hex(),
            "input_number": exchange.input_number,
            "skipped_inputs": exchange.skipped_inputs,
            "log_time_ns": exchange.time_ns,
            "rules": exchange.rules,
            "newest_rules": exchange.newest_rules,
            "incarnation": replica.connections.incarnation,
            "turns": replica.turns,
            "live_orders": exchange.machine.live_orders,
            "kept_orders": exchange.kept_orders(),
            "sessions": sessions,
            "sessions_connected": connected,
            "killed": killed,
            "max_open_orders": max_open_orders,
            "connections": replica.connections.counts(),
            **self._members.status(),
            **self._process(),
        }

    def sessions(self, _: Request) -> dict[str, Any]:
        """At most MOST_SESSIONS of them, the connected first; `status` counts them all."""
        return {"sessions": self._replica.exchange.sessions(MOST_SESSIONS)}

    def held(self, _: Request) -> dict[str, Any]:
        """The sessions whose connection this replica has, as far as it has applied the log."""
        replica = self._replica
        count, names = replica.exchange.held(replica.connections.incarnation, MOST_HELD)
        return {"count": count, "comp_ids": names}

    def instruments(self, request: Request) -> dict[str, Any]:
        """The one of a symbol, or the first MOST_INSTRUMENTS; how many there are."""
        exchange = self._replica.exchange
        if request.symbol:
            found = [self._instrument(request.symbol)]
        else:
            found = exchange.instruments(MOST_INSTRUMENTS)
        return {
            "input_number": exchange.input_number,
            "count": exchange.instrument_count,
            "instruments": {one["symbol"]: described(one) for one in found},
        }

    def _instrument(self, symbol: str) -> dict[str, Any]:
        """Refused, naming the first of those that there are, when there is no such one."""
        exchange = self._replica.exchange
        one = exchange.instrument(symbol)
        if one is None:
            names = ", ".join(known["symbol"] for known in exchange.instruments(MOST_NAMED))
            others = exchange.instrument_count - MOST_NAMED
            more = f" and {others:,} more, see quorumbook instruments" if others > 0 else ""
            raise Refused(f"unknown symbol {symbol!r}; this exchange has {names}{more}")
        return one

    def depth(self, request: Request) -> dict[str, Any]:
        one = self._instrument(request.symbol)
        if not 1 <= request.levels <= MOST_LEVELS:
            raise Refused(f"levels {request.levels}; allowed: 1 to {MOST_LEVELS}")

        def levels(side: Any) -> list[list[str | int]]:
            return [
                [
                    plain(int(level["price_ticks"]) * one["price_increment"]),
                    plain(int(level["quantity_lots"]) * one["quantity_increment"]),
                    int(level["orders"]),
                ]
                for level in side
            ]

        bids, asks = self._replica.exchange.machine.depth(one["number"], request.levels)
        return {
            "symbol": request.symbol,
            "input_number": self._replica.exchange.input_number,
            "bids": levels(bids),
            "asks": levels(asks),
        }

    def state_hash(self, _: Request) -> dict[str, Any]:
        """The hash of the whole state and the entry it is true at.

        A diagnostic: the exchange stands still while it is computed, some 0.5 µs an open order.
        """
        exchange = self._replica.exchange
        if not exchange.between_entries:
            raise Refused("state_hash: an entry is half applied: ask again")
        if exchange.works_on:
            raise Refused("state_hash: the work of a command goes on: ask again")
        return {"applied_index": exchange.applied_index, "state_hash": exchange.state_hash()}

    def stopped(self, _: Request) -> dict[str, Any]:
        self._stop()
        return {"stopping": True}


def described(instrument: dict[str, Any]) -> dict[str, Any]:
    """Decimals as text; null = no limit."""
    return {
        key: plain(value) if isinstance(value, Decimal) else value
        for key, value in instrument.items()
        if key not in ("symbol", "number")
    }


def plain(value: Decimal) -> str:
    """Without an exponent."""
    return f"{value:f}"
