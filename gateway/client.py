"""The client library: a FIX session with the exchange that keeps itself alive, and orders over it.

`connect` gives a `Client` for ordinary code, `connect_async` an `AsyncClient` for asyncio; both offer the
same names. All protocol is in `client_session`, all bookkeeping in `client_orders`; here are the clock, the
connection and the waiting.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from gateway.client_arguments import Number
from gateway.client_core import (
    BACKLOG_REPORTS,
    UNREAD_REPORTS,
    Core,
    Endpoint,
    Options,
    cancelled_orders,
    checked_callback,
    closed,
    open_orders,
)
from gateway.client_decoder import Report
from gateway.client_link import ConnectError, open_link
from gateway.client_operations import Fields, OperatorAnswer, answer_of
from gateway.client_orders import Order, Pending
from gateway.client_session import LoggedOut, LogonRefused, Reports, State
from gateway.client_terms import Changes, Narrowed, Terms
from gateway.client_types import Side


class Client:
    """A session over which ordinary (blocking) code trades. Made by `connect`; a context manager.

    A quiet thread keeps the session alive while the program does other things; everything else,
    callbacks included, happens inside the program's own calls. One thread at a time may use it.
    """

    def __init__(self, core: Core, on_report: Callable[[Report], None] | None) -> None:
        self._core = core
        self._timeout = core.timeout
        self._on_report = on_report
        self._unread: deque[Report] = deque(maxlen=UNREAD_REPORTS)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._log_on()
        self._keeper = threading.Thread(target=self._keep_alive, name="quorumbook-client", daemon=True)
        self._keeper.start()

    # ------------------------------------------------------------ trading

    @property
    def comp_id(self) -> str:
        """The SenderCompID of this session."""
        return self._core.session.comp_id

    def buy(
        self,
        symbol: str,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Enter a buy order; without a price, and terms that say otherwise, it is a market order. Waits for the answer.

        A refusal is no exception: `order.status` is REJECTED and `order.text` says why. TimeoutError when no
        answer comes in time: the order may still have been taken, and its reports update it later.
        """
        return self._enter(Side.BUY, symbol, quantity, price, **terms)

    def sell(
        self,
        symbol: str,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Enter a sell order; as `buy`."""
        return self._enter(Side.SELL, symbol, quantity, price, **terms)

    def _enter(
        self, side: Side, symbol: str, quantity: Number, price: Number | None, **terms: Unpack[Terms]
    ) -> Order:
        self._check_open()
        pending = self._core.orders.enter(side, symbol, quantity, price, **terms)
        self._requested(pending)
        assert pending.order is not None
        return pending.order

    def cancel(self, order: Order) -> Report | None:
        """Cancel what is left of an order. The answer is its execution report or an order cancel reject."""
        return self._answer(self._core.orders.cancel(order))

    def replace(
        self,
        order: Order,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        **changes: Unpack[Changes],
    ) -> Report | None:
        """Change an order's total quantity (fills included), its price or its terms; what is not given stays.

        Answered as `cancel` is.
        """
        return self._answer(self._core.orders.replace(order, quantity, price, **changes))

    def status(self, order: Order) -> Report | None:
        """Ask the exchange about one order."""
        return self._answer(self._core.orders.status(order))

    def orders(self) -> list[Order]:
        """The session's open orders, as the exchange knows them (also those of earlier connections)."""
        pending = self._core.orders.mass_status()
        self._requested(pending, wait=True)
        return open_orders(self._core.orders, pending)

    def mass_cancel(self, symbol: str | None = None, **narrowed: Unpack[Narrowed]) -> int:
        """Cancel all of the session's orders, or those of a symbol, a side, an account, at prices of the symbol from
        `low` to `high`: how many there were. RequestRefused when the exchange does not take it."""
        pending = self._core.orders.mass_cancel(symbol, **narrowed)
        self._requested(pending, wait=True)
        return cancelled_orders(pending)

    def operate(self, operation: str, fields: Fields = ()) -> OperatorAnswer:
        """Ask for what only an operator may (docs/fix.md), and wait until all of it is done.

        fields: (OperationTag, value) in the order of the message. A refusal is no exception: `done` says so.
        TimeoutError when no answer comes in time: it may still be done.
        """
        self._check_open()
        with self._lock:
            pending = self._core.operate(operation, fields)
        self._wait(lambda: pending.done, self._timeout)
        return answer_of(operation, pending.reports[-1])

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collect requests, send them at the end of the block, many a frame, and wait for all answers.

        Inside, orders are PENDING and `cancel`, `replace` and `status` return None. When the block raises,
        nothing of it is sent.
        """
        self._check_open()
        self._core.batching = True
        before = set(self._core.orders.pending)
        try:
            yield
        except BaseException:
            self._core.orders.discard()
            raise
        finally:
            self._core.batching = False
        with self._lock:
            self._core.flush()
        mine = [pending for name, pending in self._core.orders.pending.items() if name not in before]
        self._wait(lambda: all(pending.done for pending in mine), self._timeout)

    # ------------------------------------------------------------ by the array

    def send(self, requests: NDArray[np.void], per_frame: int = 256) -> int:
        """Encode and send an array of REQUEST; returns the first message number. Nothing is awaited.

        Raises TypeError (no array of REQUEST), ValueError (which row cannot be written; nothing is sent then).
        """
        self._check_open()
        with self._lock:
            first = self._core.session.send(requests, self._core.clock(), per_frame)
            self._core.transmit()
        return first

    def receive(self, timeout: float = 0.0) -> list[Reports]:
        """The reports that have come, as slices of batches; waits up to `timeout` seconds for the first.

        For programs that read arrays (`reports.batch.array[reports.start : reports.stop]`) and keep their own
        books: orders made with `buy` and `sell` do not learn of these reports.
        """
        with self._lock:
            self._pump(0.0 if self._core.backlog else timeout)
            received = list(self._core.backlog)
            self._core.backlog.clear()
            self._core.backlog_count = 0
        return received

    # ------------------------------------------------------------ reports

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Reports in the order of their numbers; ends when none comes for `timeout` seconds (None: never)."""
        while True:
            while self._unread:
                yield self._unread.popleft()
            if not self._wait(lambda: bool(self._unread), timeout, fail=False):
                return

    def _take(self) -> None:
        """Apply what has come."""
        for report in self._core.take():
            if self._on_report is not None:
                self._on_report(report)
            else:
                self._unread.append(report)
        if self._core.asks:
            with self._lock:
                self._core.ask()

    def _answer(self, pending: Pending) -> Report | None:
        self._requested(pending)
        return pending.reports[-1] if pending.reports else None

    def _requested(self, pending: Pending, *, wait: bool = False) -> None:
        if self._core.batching and not wait:
            return
        self._check_open()
        with self._lock:
            self._core.flush()
        self._wait(lambda: pending.done, self._timeout)

    def _wait(self, done: Callable[[], bool], timeout: float | None, *, fail: bool = True) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._take()
            if done():
                return True
            left = 1.0 if end is None else end - time.monotonic()
            if left <= 0:
                if fail:
                    raise TimeoutError(f"the exchange has not answered within {timeout} s")
                return False
            with self._lock:
                if not self._core.backlog:
                    self._pump(min(left, 1.0))

    # ------------------------------------------------------------ the connection

    def _check_open(self) -> None:
        if self._stop.is_set():
            raise closed()

    def _pump(self, timeout: float) -> None:
        """Send, receive, and log on again when the connection is gone."""
        core = self._core
        self._check_open()
        if core.link is not None:
            core.absorb(core.link.pump(timeout))
        if core.broken():
            self._lost()

    def _lost(self) -> None:
        core = self._core
        failure = core.session.failure
        core.drop()
        if failure is not None and not isinstance(failure, LoggedOut):
            raise failure
        self._log_on()

    def _log_on(self) -> None:
        """Connect and log on; tries every endpoint in turn until the time-out."""
        core = self._core
        search = core.search(time.monotonic())
        while True:
            endpoint = ""
            try:
                endpoint = core.endpoint()
                self._try(endpoint, search.patience(time.monotonic(), len(core.endpoints)))
                core.reset = False
                return
            except (ConnectError, LogonRefused, TimeoutError) as error:
                problem = error
            core.drop()
            time.sleep(search.failed(endpoint, problem, time.monotonic(), len(core.endpoints)))

    def _try(self, endpoint: str, patience: float) -> None:
        """One connection and its Logon; again at once with the number that the exchange expects."""
        core = self._core
        end = time.monotonic() + patience
        while True:
            link = open_link(endpoint, max(end - time.monotonic(), 0.1), core.protection)
            endpoint = link.endpoint
            core.begin(link)
            while core.session.state is State.LOGON and not core.broken():
                if core.strange:
                    raise ConnectError(core.unanswered(patience))
                if time.monotonic() >= end:
                    raise TimeoutError(core.unanswered(patience))
                core.absorb(link.pump(max(min(1.0, end - time.monotonic()), 0.0)))
            if core.session.state is State.ACTIVE:
                return
            failure = core.session.failure
            if failure is None:
                raise ConnectError(core.hung_up())
            core.drop()
            if not core.refused(failure):
                raise failure

    def _keep_alive(self) -> None:
        """The quiet thread: heartbeats, and reading so that the exchange is not kept waiting."""
        while not self._stop.wait(min(1.0, self._core.session.heartbeat_ns / 4e9)):
            if self._lock.acquire(blocking=False):
                try:
                    link = self._core.link
                    if link is not None and not link.closed and self._core.backlog_count < BACKLOG_REPORTS:
                        self._core.absorb(link.pump(0.0))
                finally:
                    self._lock.release()

    def close(self) -> None:
        """Log out and close. Open orders stay in the book unless the session cancels them on disconnect.

        `on_report` is called with what comes until then.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        core = self._core
        with self._lock:
            if core.link is not None and core.session.state is State.ACTIVE:
                core.session.logout(core.clock())
                core.transmit()
                end = time.monotonic() + min(self._timeout, 2.0)
                while not core.broken() and time.monotonic() < end:
                    core.absorb(core.link.pump(0.1))
            try:
                if self._on_report is not None:
                    self._take()
            finally:
                core.drop()
                core.remember()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    endpoint: Endpoint,
    comp_id: str,
    *,
    timeout: float = 5.0,
    on_report: Callable[[Report], None] | None = None,
    **options: Unpack[Options],
) -> Client:
    """Log on to an exchange as `comp_id` and return a `Client`.

    endpoint: `tcp://host:port` (the client finds out whether ZeroMQ or plain FIX answers there),
        `zmq+tcp://`, `fix+tcp://`, `fix+tls://`; or those of several replicas, tried in turn, now and when the
        connection is lost; or a function that says where the exchange is now.
    timeout: seconds to wait for a Logon, with however many endpoints; for the answer to a request.
    on_report: called with each report, inside the program's own calls; otherwise they wait for `reports()`.
    options: see `Options`.

    Raises ConnectError (nothing answers), LogonRefused, SessionError, TimeoutError; TypeError and ValueError
    for an argument that is wrong, with what is allowed.
    """
    return Client(Core(endpoint, comp_id, timeout, options), checked_callback(on_report))
