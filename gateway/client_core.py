"""What the blocking and the asyncio client share: clock, remembered numbers, session, orders, connection."""

import json
import logging
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from gateway.client_arguments import identifier, known, whole
from gateway.client_decoder import Report
from gateway.client_link import ConnectError, Link, address
from gateway.client_operations import Fields, request
from gateway.client_orders import Order, Orders, Pending, RequestRefused
from gateway.client_search import GUESSES, Search
from gateway.client_session import ClientSession, LogonRefused, Reports, SessionError, State
from gateway.client_types import MsgType
from gateway.fix_recorder import FixRecorder
from gateway.protection import protection

BACKLOG_REPORTS = 1_000_000
"""When so many reports wait for the program, no more are read until it takes some."""
UNREAD_REPORTS = 100_000
"""So many of the last reports are kept for `reports()`."""
NO_ANSWER = (
    "its cluster has no leader (quorumbook status says so), or it is no FIX endpoint (fix_tcp or fix_zmq)"
)


class Clock:
    """Nanoseconds since 1970 that never go back: the wall clock first, the monotonic one from there."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        return time.monotonic_ns() + self._offset


class Memory:
    """A small file with a session's two next numbers, so that another process can continue it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[int, int | None]:
        """(next out, next in); (1, None) without a readable file: the exchange then says its number."""
        try:
            numbers = json.loads(self.path.read_text())
            return max(int(numbers["next_out"]), 1), max(int(numbers["next_in"]), 1)
        except (OSError, ValueError, KeyError, TypeError):
            return 1, None

    def check(self) -> None:
        """Before anything is sent. Raises OSError when nothing can be kept here."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fresh.touch()
        self._fresh.unlink()

    @property
    def _fresh(self) -> Path:
        return self.path.with_suffix(f".{os.getpid()}.new")

    def save(self, next_out: int, next_in: int | None) -> None:
        """Replace the file as a whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fresh.write_text(json.dumps({"next_out": next_out, "next_in": next_in}) + "\n")
        self._fresh.replace(self.path)


Endpoint = str | Sequence[str] | Callable[[], str | Sequence[str]]
"""Where the exchange is: an endpoint, those of several replicas to try in turn, or a function asked before every
connection."""


class Proof(TypedDict, total=False):
    """What a client shows, and whom it trusts. All of it may be left out."""

    # Username (553), where that is not its CompID, and Password (554).
    username: str
    password: str
    # Whom it trusts over TCP: an SSLContext, or True for the authorities of this machine. A fix+tls:// endpoint needs
    # it only where those do not do.
    tls: ssl.SSLContext | bool
    # Its keys over ZeroMQ, 40 characters each: its public and its secret one, and the public one of the exchange.
    curve: tuple[str, str, str]


class Wire(Proof, total=False):
    """What its connections are made with. All of it may be left out."""

    # A file that every message is written to, as it goes or comes; `quorumbook fix decode` reads it.
    fix_log: Path | str


class Options(Wire, total=False):
    """How a session is kept. All of it may be left out."""

    target: str  # the exchange's CompID; QUORUMBOOK
    heartbeat_seconds: int  # HeartBtInt (108); 30
    # Whether, and how long after the connection is gone, the exchange cancels the session's orders.
    # Not given: as the session has it.
    cancel_on_disconnect: bool
    grace_ms: int
    # A file that keeps the two sequence numbers between processes. Without it the client asks the
    # exchange for the number to go on with.
    memory: Path | str
    recover: bool  # without remembered numbers, have every earlier report sent again
    reset: bool  # start both numbers at 1; reports that were not received are then lost for this session


class Core:
    """What both clients share: the session, the orders, where to connect and how to start."""

    def __init__(self, endpoint: Endpoint, comp_id: str, timeout: float, options: Options) -> None:
        known(options, Options, "option", "timeout", "on_report")
        self.timeout = checked_timeout(timeout)
        self._where = endpoint
        self.endpoints = [] if callable(endpoint) else checked_endpoints(endpoint)
        memory = options.get("memory")
        self.memory = Memory(Path(memory)) if memory is not None else None
        next_out, next_in = self.memory.load() if self.memory is not None else (1, None)
        if self.memory is not None:
            self.memory.check()
        grace_ms = options.get("grace_ms")
        for name, compid in (("CompID", comp_id), ("target CompID", options.get("target", "QUORUMBOOK"))):
            identifier(name, compid, 64)
        for name in ("cancel_on_disconnect", "recover", "reset"):
            if not isinstance(options.get(name), bool | None):
                raise TypeError(f"{name} is {options.get(name)!r}; allowed: True, False")
        self.session = ClientSession(
            comp_id,
            options.get("target", "QUORUMBOOK"),
            heartbeat_seconds=whole("heartbeat_seconds", options.get("heartbeat_seconds", 30), 1, 86_400),
            next_out=next_out,
            next_in=1 if next_in is None and options.get("recover", False) else next_in,
            cancel_on_disconnect=options.get("cancel_on_disconnect"),
            grace_ms=None if grace_ms is None else whole("grace_ms", grace_ms, 0, 86_400_000),
            username=shown("username", options.get("username", ""), 64),
            password=shown("password", options.get("password", ""), 128),
        )
        self.protection = protection(options.get("tls"), options.get("curve"))
        self.reset = options.get("reset", False)
        log = options.get("fix_log")
        self.recorder = FixRecorder(file("fix_log", log), warn) if log is not None else None
        self.clock = Clock()
        self.link: Link | None = None
        self.orders = Orders(np.base_repr(time.time_ns() // 1000, 36))
        self.backlog: deque[Reports] = deque()
        self.backlog_count = 0
        self.batching = False
        self._cut_off: list[str] = []  # requests that a reset of the exchange came between
        self._turn = -1
        self._garbled = 0  # what the decoder had counted when this connection began

    def endpoint(self) -> str:
        """The endpoint to try next: each in turn."""
        if callable(self._where):
            self.endpoints = checked_endpoints(self._where())
        self._turn += 1
        return self.endpoints[self._turn % len(self.endpoints)]

    def search(self, now: float) -> Search:
        """For an endpoint, beginning now."""
        return Search(now, self.timeout, waits=self.session.ever_active)

    def begin(self, link: Link) -> None:
        """Log on over a new connection."""
        self.link = link
        self._garbled = self.session.decoder.garbled
        self.endpoints[self._turn % len(self.endpoints)] = link.endpoint  # now we know what it speaks
        self.session.logon(self.clock(), reset=self.reset)
        self.transmit()

    def transmit(self) -> None:
        """Hand what the session wants sent to the connection."""
        if self.link is not None:
            frames = self.session.take_outgoing()
            if self.recorder is not None:
                self.record("out", frames)
            self.link.write(frames)

    def record(self, direction: str, frames: list[bytes]) -> None:
        """For who looks at the traffic while it flows."""
        assert self.link is not None
        assert self.recorder is not None
        for frame in frames:
            self.recorder.record(direction, self.link.endpoint, frame)
        self.recorder.write()

    def absorb(self, frames: list[bytes]) -> None:
        """Feed what came to the session; its reports join the backlog."""
        now = self.clock()
        if self.recorder is not None:
            self.record("in", frames)
        resets = self.session.resets
        for frame in frames:
            self.session.receive(frame, now)
        if self.session.resets > resets:
            self._cut_off = self.orders.unanswered()
        self.session.tick(now)
        for reports in self.session.take_reports():
            self.backlog.append(reports)
            self.backlog_count += reports.stop - reports.start
        self.transmit()

    def broken(self) -> bool:
        """Whether this connection is of no use any more."""
        session = self.session
        return self.link is None or self.link.closed or session.silent or session.state is State.CLOSED

    def drop(self) -> None:
        """Give up the connection; the session's numbers stay."""
        if self.link is not None:
            if self.recorder is not None:
                self.recorder.ended(self.link.endpoint)
                self.recorder.write()
            self.link.close()
            self.link = None
        self.session.disconnected()

    def refused(self, failure: SessionError) -> bool:
        """After a refused Logon: True to try again at once, with the number that the exchange expects, or anew."""
        session = self.session
        if isinstance(failure, LogonRefused) and failure.begins_anew:
            return True
        if not isinstance(failure, LogonRefused) or failure.expected is None:
            return False
        if session.ever_active or failure.expected <= session.next_out:
            raise SessionError(f"{failure}; another program has used {session.comp_id!r} meanwhile")
        session.next_out = failure.expected
        return True

    def flush(self) -> None:
        """Send the requests built so far, many messages a frame."""
        rows, names = self.orders.rows()
        if names:
            self.orders.sent(self.session.send(rows, self.clock()), names)
            self.transmit()

    def operate(self, operation: str, fields: Fields) -> Pending:
        """Send an operator's request."""
        name, pending = self.orders.operation()
        number = self.session.send_fields("UQ", request(name, operation, fields), self.clock())
        self.orders.sent(number, [name])
        self.transmit()
        return pending

    def take(self) -> Iterator[Report]:
        """The reports that have come, applied to their orders.

        Each leaves the backlog on its own: the program may ask for more, or raise, between two of them.
        """
        while self.backlog:
            batch, start, stop = self.backlog.popleft()
            if start + 1 < stop:
                self.backlog.appendleft(Reports(batch, start + 1, stop))
            self.backlog_count -= 1
            report = batch.report(start)
            self.orders.apply(report)
            yield report

    @property
    def asks(self) -> bool:
        """Whether it is time to ask what became of requests: a reset came before their answers, or there is no telling
        whether more is to come."""
        asks = self._cut_off or self.orders.unsettled
        return bool(asks) and not self.backlog and self.session.state is State.ACTIVE

    def ask(self) -> None:
        """Ask that."""
        names, self._cut_off, self.orders.unsettled = self._cut_off + self.orders.unsettled, [], []
        self.orders.ask_again(names)
        self.flush()

    @property
    def strange(self) -> bool:
        """Whether what came by this connection was no FIX."""
        return self.session.decoder.garbled > self._garbled

    def hung_up(self) -> str:
        """Why the other side may have closed the connection before it answered the Logon."""
        here = self.link.endpoint if self.link is not None else "the endpoint"
        shows = "a password" if any(tag == "554" for tag, _ in self.session.options) else "no password"
        return (
            f"{here} closed the connection during the Logon of {self.session.comp_id!r}, with {shows}{GUESSES}its "
            "trace.jsonl says why (CompID or password, connected already, too many refused Logons), it speaks TLS "
            f"only, {NO_ANSWER}"
        )

    def unanswered(self, seconds: float) -> str:
        """Why a Logon that got no answer for so long may have got none."""
        here = self.link.endpoint if self.link is not None else "the endpoint"
        if self.strange:
            return f"what answers at {here} does not speak FIX; allowed: the exchange's fix_tcp or fix_zmq endpoint"
        return f"nobody answers the Logon at {here} within {seconds:.2g} s{GUESSES}{NO_ANSWER}"

    def remember(self) -> None:
        """Write the numbers down, if there is a place for them. Reports that the program has not got come again."""
        if self.memory is not None and self.session.ever_active:
            self.memory.save(self.session.next_out, self._next_unread())

    def _next_unread(self) -> int | None:
        """The number of the first report that has not left the backlog; without one, that of the next to come."""
        if not self.backlog:
            return self.session.next_in
        batch, start, _ = self.backlog[0]
        return batch.report(start).msg_seq_num


def warn(what: str) -> None:
    """To whoever runs the program; standard error, unless the program has it otherwise."""
    logging.getLogger("quorumbook").warning(what)


def file(name: str, path: Path | str) -> Path:
    """TypeError unless it is a path."""
    if not isinstance(path, str | Path):
        raise TypeError(f"{name} is {path!r}; it is the path of a file")
    return Path(path)


def closed() -> ConnectError:
    """What every call on a client raises after `close`."""
    return ConnectError("this client is closed: connect again")


def checked_callback(on_report: Callable[[Report], None] | None) -> Callable[[Report], None] | None:
    """TypeError unless it can be called."""
    if on_report is not None and not callable(on_report):
        raise TypeError(f"on_report is {on_report!r}; it is a function of one Report, or None")
    return on_report


def checked_endpoints(endpoint: str | Sequence[str]) -> list[str]:
    """One or several as a list. TypeError, ValueError say what is allowed."""
    endpoints = [endpoint] if isinstance(endpoint, str) else list(endpoint)
    if not endpoints:
        raise ValueError("no endpoint is given")
    for one in endpoints:
        address(one)
    return endpoints


def checked_timeout(timeout: float) -> float:
    """Seconds. TypeError, ValueError."""
    if not isinstance(timeout, int | float) or isinstance(timeout, bool):
        raise TypeError(f"timeout is {timeout!r}; it is a number of seconds")
    if not 0 < timeout <= threading.TIMEOUT_MAX:
        raise ValueError(f"timeout is {timeout!r}; it is a number of seconds above 0")
    return timeout


def shown(name: str, value: str, most: int) -> str:
    """Text that a Logon can carry, empty for none. TypeError, ValueError say what is allowed, and never show it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}; it is text")
    if len(value) > most or not value.isascii() or not (value.isprintable() or not value):
        raise ValueError(f"{name} is not served; allowed: up to {most} printable ASCII characters")
    return value


def open_orders(orders: Orders, pending: Pending) -> list[Order]:
    """The orders that a mass status request was told of. RequestRefused."""
    if pending.reports[-1].msg_type is not MsgType.EXECUTION_REPORT:
        raise RequestRefused(pending.reports[-1])
    found = (orders.by_id.get(report.cl_ord_id or "") for report in pending.reports)
    return [order for order in dict.fromkeys(found) if order is not None and order.open]


def cancelled_orders(pending: Pending) -> int:
    """How many a mass cancel has cancelled. RequestRefused."""
    answer = pending.reports[-1]
    if answer.msg_type is not MsgType.MASS_CANCEL_REPORT or not answer.mass_accepted:
        raise RequestRefused(answer)
    return answer.affected
