"""The client library for asyncio: the same names as `client.Client`, awaited."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from gateway.client_arguments import Number
from gateway.client_core import (
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
from gateway.client_session import LoggedOut, LogonRefused, SessionError, State
from gateway.client_terms import Changes, Narrowed, Terms
from gateway.client_types import Side

PUMPS_PER_TURN = 64
"""Reads in one turn of the loop before others get theirs."""


class AsyncClient:
    """A session over which asyncio code trades. Made by `connect_async`; an async context manager.

    Everything happens on the loop that made it; `on_report` is called there as reports come.
    """

    def __init__(self, core: Core, on_report: Callable[[Report], None] | None) -> None:
        self._core = core
        self._timeout = core.timeout
        self._on_report = on_report
        self._unread: deque[Report] = deque(maxlen=UNREAD_REPORTS)
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._watched: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._closed = False

    # ------------------------------------------------------------ trading

    @property
    def comp_id(self) -> str:
        """The SenderCompID of this session."""
        return self._core.session.comp_id

    async def buy(
        self,
        symbol: str,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Enter a buy order; without a price, and terms that say otherwise, it is a market order. As `Client.buy`."""
        return await self._enter(Side.BUY, symbol, quantity, price, **terms)

    async def sell(
        self,
        symbol: str,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Enter a sell order; as `buy`."""
        return await self._enter(Side.SELL, symbol, quantity, price, **terms)

    async def _enter(
        self, side: Side, symbol: str, quantity: Number, price: Number | None, **terms: Unpack[Terms]
    ) -> Order:
        self._check_usable()
        pending = self._core.orders.enter(side, symbol, quantity, price, **terms)
        await self._requested(pending)
        assert pending.order is not None
        return pending.order

    async def cancel(self, order: Order) -> Report | None:
        """Cancel what is left of an order; the answer is its execution report or an order cancel reject."""
        return await self._answer(self._core.orders.cancel(order))

    async def replace(
        self,
        order: Order,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        **changes: Unpack[Changes],
    ) -> Report | None:
        """Change an order's total quantity (fills included), its price or its terms; what is not given stays."""
        return await self._answer(self._core.orders.replace(order, quantity, price, **changes))

    async def status(self, order: Order) -> Report | None:
        """Ask the exchange about one order."""
        return await self._answer(self._core.orders.status(order))

    async def orders(self) -> list[Order]:
        """The session's open orders, as the exchange knows them."""
        pending = self._core.orders.mass_status()
        await self._requested(pending, wait=True)
        return open_orders(self._core.orders, pending)

    async def mass_cancel(self, symbol: str | None = None, **narrowed: Unpack[Narrowed]) -> int:
        """Cancel all of the session's orders, or those of a symbol, a side, an account, at prices of the symbol from
        `low` to `high`: how many there were. RequestRefused when the exchange does not take it."""
        pending = self._core.orders.mass_cancel(symbol, **narrowed)
        await self._requested(pending, wait=True)
        return cancelled_orders(pending)

    async def operate(self, operation: str, fields: Fields = ()) -> OperatorAnswer:
        """Ask for what only an operator may; as `Client.operate`."""
        self._check_usable()
        pending = self._core.operate(operation, fields)
        await self._requested(pending, wait=True)
        return answer_of(operation, pending.reports[-1])

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Collect requests and send them at the end of the block; as `Client.batch`."""
        self._check_usable()
        self._core.batching = True
        before = set(self._core.orders.pending)
        try:
            yield
        except BaseException:
            self._core.orders.discard()
            raise
        finally:
            self._core.batching = False
        mine = [pending for name, pending in self._core.orders.pending.items() if name not in before]
        self._flush()
        for pending in mine:
            await self._requested(pending, wait=True)

    def send(self, requests: NDArray[np.void], per_frame: int = 256) -> int:
        """Encode and send an array of REQUEST; returns the first message number. Nothing is awaited.

        Raises as `Client.send` does.
        """
        self._check_usable()
        first = self._core.session.send(requests, self._core.clock(), per_frame)
        self._core.transmit()
        self._loop.call_soon(self._drain)
        return first

    async def reports(self, timeout: float | None = None) -> AsyncIterator[Report]:
        """Reports in the order of their numbers; ends when none comes for `timeout` seconds (None: never)."""
        while True:
            while self._unread:
                yield self._unread.popleft()
            self._check_usable()
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), timeout)
            except TimeoutError:
                return
            if self._failure is not None:
                raise self._failure

    async def _answer(self, pending: Pending) -> Report | None:
        await self._requested(pending)
        return pending.reports[-1] if pending.reports else None

    async def _requested(self, pending: Pending, *, wait: bool = False) -> None:
        if self._core.batching and not wait:
            return
        self._flush()
        if pending.done:
            return
        waiter = self._loop.create_future()
        pending.notify = lambda: None if waiter.done() else waiter.set_result(None)
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, self._timeout)
        except TimeoutError:
            raise TimeoutError(f"the exchange has not answered within {self._timeout} s") from None
        finally:
            self._waiters.discard(waiter)

    def _check_usable(self) -> None:
        """Raises when this session is over; a connection that could not be made again is tried anew."""
        if self._closed:
            raise closed()
        if isinstance(self._failure, SessionError):
            raise self._failure
        if self._failure is not None:
            self._failure = None
            self._again = self._loop.create_task(self._log_on_again())

    def _flush(self) -> None:
        self._check_usable()
        self._core.flush()
        self._loop.call_soon(self._drain)

    # ------------------------------------------------------------ the connection

    def _drain(self) -> None:
        """Read what is there, apply it, and look after the connection. Runs on the loop."""
        core = self._core
        if self._again is not None or self._closed or core.link is None:
            return
        try:
            for _ in range(PUMPS_PER_TURN):
                frames = core.link.pump(0.0)
                core.absorb(frames)
                if not frames:
                    break
            else:
                self._loop.call_soon(self._drain)
            self._take()
        finally:
            if core.broken():
                self._unwatch()
                self._again = self._loop.create_task(self._log_on_again())
            elif core.link is not None and core.link.waiting:
                self._loop.call_later(0.001, self._drain)

    def _take(self) -> None:
        for report in self._core.take():
            if self._on_report is not None:
                self._on_report(report)
            else:
                self._unread.append(report)
            self._came.set()
        if self._core.asks:
            self._core.ask()

    def _tick(self) -> None:
        self._drain()
        self._timer = self._loop.call_later(min(1.0, self._core.session.heartbeat_ns / 4e9), self._tick)

    def _watch(self) -> None:
        assert self._core.link is not None
        self._watched = self._core.link.fileno()
        self._loop.add_reader(self._watched, self._drain)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._watched = None

    async def _log_on(self) -> None:
        """Connect and log on; tries every endpoint in turn until the time-out."""
        core = self._core
        search = core.search(self._loop.time())
        while True:
            endpoint = ""
            try:
                endpoint = core.endpoint()
                await self._try(endpoint, search.patience(self._loop.time(), len(core.endpoints)))
                core.reset = False
                self._watch()
                self._loop.call_soon(self._drain)
                return
            except (ConnectError, LogonRefused, TimeoutError) as error:
                problem = error
            core.drop()
            await asyncio.sleep(search.failed(endpoint, problem, self._loop.time(), len(core.endpoints)))

    async def _try(self, endpoint: str, patience: float) -> None:
        """One connection and its Logon; again at once with the number that the exchange expects."""
        core = self._core
        end = self._loop.time() + patience
        while True:
            link = await asyncio.to_thread(
                open_link, endpoint, max(end - self._loop.time(), 0.1), core.protection
            )
            endpoint = link.endpoint
            core.begin(link)
            while core.session.state is State.LOGON and not core.broken():
                if core.strange:
                    raise ConnectError(core.unanswered(patience))
                if self._loop.time() >= end:
                    raise TimeoutError(core.unanswered(patience))
                core.absorb(link.pump(0.0))
                await asyncio.sleep(0.001)
            if core.session.state is State.ACTIVE:
                return
            failure = core.session.failure
            if failure is None:
                raise ConnectError(core.hung_up())
            core.drop()
            if not core.refused(failure):
                raise failure

    async def _log_on_again(self) -> None:
        failure: Exception | None = self._core.session.failure
        self._core.drop()
        try:
            if failure is None or isinstance(failure, LoggedOut):
                failure = None
                await self._log_on()
        except (OSError, SessionError, TimeoutError) as error:
            failure = error
        finally:
            self._again = None
        if failure is not None:
            self._failure = failure
            self._wake(failure)

    def _wake(self, failure: Exception) -> None:
        """Whoever waits for something learns that it will not come."""
        self._came.set()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(failure)

    async def open(self) -> Self:
        """Log on. `connect_async` does it."""
        await self._log_on()
        self._tick()
        return self

    async def close(self) -> None:
        """Log out and close; as `Client.close`."""
        if self._closed:
            return
        self._closed = True
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        if self._again is not None:
            self._again.cancel()
        core = self._core
        if core.link is not None and core.session.state is State.ACTIVE:
            core.session.logout(core.clock())
            core.transmit()
            end = self._loop.time() + min(self._timeout, 2.0)
            while not core.broken() and self._loop.time() < end:
                core.absorb(core.link.pump(0.0))
                await asyncio.sleep(0.001)
        try:
            if self._on_report is not None:
                self._take()
        finally:
            core.drop()
            core.remember()
            self._wake(closed())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def connect_async(
    endpoint: Endpoint,
    comp_id: str,
    *,
    timeout: float = 5.0,
    on_report: Callable[[Report], None] | None = None,
    **options: Unpack[Options],
) -> AsyncClient:
    """Log on to an exchange as `comp_id` and return an `AsyncClient`; parameters and errors as `connect`."""
    return await AsyncClient(Core(endpoint, comp_id, timeout, options), checked_callback(on_report)).open()
