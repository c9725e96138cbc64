"""Traders that load an exchange, and what must be true of all that they were told: each order once, each fill once.

A `Trader` belongs to one exchange. A `Rover` trades with a cluster: when its replica ends it goes on at the next.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cluster_processes import ClusterProcesses
from exchange_process import PATIENCE_SECONDS, wait_until
from fix_client import Closed, FixClient, Message
from namespaces import inside

WINDOW = 64  # orders in flight, a client
LOGON_SECONDS = 3  # for the answer to a Logon: a replica that stands still has none


class Trader(FixClient):
    """Sends orders on both sides around one price, keeps a window of them in flight, until the exchange is gone."""

    def __init__(self, transport: str, comp_id: str, seed: int, *, notices_end: bool = False) -> None:
        super().__init__(transport, 0, comp_id, notices_end=notices_end)
        self.random = random.Random(seed)
        self.serial = 0
        self.names: list[str] = []
        self.answers = 0
        self.looked_at = 0

    def some_order(self) -> bytes:
        self.serial += 1
        name = f"{self.comp_id}-{self.serial}"
        self.names.append(name)
        price = f"{100 + self.random.randint(-3, 3) / 100:.2f}"
        return self.order(name, self.random.choice(("buy", "sell")), self.random.randint(1, 9), price)

    def load(self) -> None:
        """Until the connection ends."""
        try:
            while True:
                self.fill_window()
                self.receive(1)
        except (Closed, TimeoutError, OSError):
            return

    def fill_window(self) -> None:
        behind = len(self.names) - self.acknowledged()
        if behind < WINDOW:
            self.send_bytes(
                b"".join(self.some_order() for _ in range(self.random.randint(1, WINDOW - behind)))
            )

    def acknowledged(self) -> int:
        """How many orders have an answer."""
        self.answers += sum(message.get(150) in ("0", "8") for message in self.received[self.looked_at :])
        self.looked_at = len(self.received)
        return self.answers

    def accepted(self) -> list[Message]:
        return [message for message in self.received if message.get(150) in ("0", "8")]


def check(traders: Sequence[Trader]) -> None:
    """Every order is acknowledged once; every fill has two sides, once each; quantities add up."""
    sides: Counter[str] = Counter()
    for trader in traders:
        acknowledged = Counter(message[11] for message in trader.accepted())
        assert acknowledged == Counter(trader.names)
        filled: Counter[str] = Counter()
        fills = [message for message in trader.received if message.get(150) == "F"]
        assert len({(fill[880], fill[851]) for fill in fills}) == len(fills), "a fill was reported twice"
        for fill in fills:
            sides[fill[880]] += 1
            filled[fill[11]] += int(fill[32])
            assert int(fill[14]) == filled[fill[11]]
    assert set(sides.values()) <= {2}


def told_open(received: Sequence[Message]) -> dict[str, int]:
    """By the reports that a client has: what is left of its orders."""
    left = {message[11]: int(message[151]) for message in received if message.get(150) in ("0", "F")}
    return {name: lots for name, lots in left.items() if lots}


class Rover(Trader):
    """Begins at one replica of a cluster."""

    def __init__(self, cluster: ClusterProcesses, home: int, transport: str, seed: int) -> None:
        super().__init__(transport, f"{transport.upper()}-{home}", seed, notices_end=True)
        self.home = home
        self.visited: list[int] = []  # where it logged on
        self.attempts = 0  # to log on
        self.lost = False  # its connection has ended, and it has found no other
        self.silence = 0.0  # seconds, the longest while it traded
        self._cluster = cluster
        self._at = home

    def arrive(self) -> None:
        """Logs on at its replica, or at the next that takes it, and gets what it missed."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.attempts += 1
            try:
                there = self._cluster.members[self._at]
                self.port = there.port(f"fix_{self.transport}")
                with inside(there.namespace):
                    self.logon(heartbeat=0, seconds=LOGON_SECONDS)
                self.catch_up()
            except (Closed, OSError):
                assert time.monotonic() < until, f"{self.comp_id} found no replica that takes it"
                self._look_at_next()
            else:
                self.visited.append(self._at)
                self.lost = False
                return

    def go_home(self) -> None:
        """Logs on where it began, unless it is there."""
        if self.visited[-1:] != [self.home]:
            self._at = self.home
            self.arrive()

    def move(self) -> None:
        """Its connection has ended."""
        self.lost = True
        self._look_at_next()
        self.arrive()

    def _look_at_next(self) -> None:
        ids = sorted(self._cluster.members)
        self._at = ids[(ids.index(self._at) + 1) % len(ids)]

    def trade(self, stopped: Callable[[], bool]) -> None:
        """Keeps a window of orders in flight."""
        heard = time.monotonic()
        while not stopped():
            try:
                self.fill_window()
                self.receive(0.2)
            except TimeoutError:
                continue
            except (Closed, OSError):
                self.move()
            finally:
                self.silence = max(self.silence, time.monotonic() - heard)
            heard = time.monotonic()

    def told_open(self) -> dict[str, int]:
        return told_open(self.received)

    def asked_open(self) -> dict[str, int]:
        """By its replica: what is left of its orders."""
        self.send("AF", (584, "all"), (585, 7))
        left = {}
        while True:
            answer = self.expect("8")
            if answer[39] != "8":  # there is one
                left[answer[11]] = int(answer[151])
            if answer.get(912) == "Y":
                return left

    def finish(self) -> None:
        """Takes everything up to now."""
        try:
            self.settle()
        except (Closed, OSError):
            self.move()


@contextmanager
def trading(rovers: Sequence[Rover]) -> Iterator[None]:
    """They trade while the block lasts, each in a thread of its own, and have taken everything at its end."""
    stopped = threading.Event()
    with ThreadPoolExecutor(len(rovers)) as pool:
        trades = [pool.submit(rover.trade, stopped.is_set) for rover in rovers]
        try:
            yield
        finally:
            stopped.set()
        for trade in trades:
            trade.result()
    for _ in range(2):  # what one sends again may fill another's order
        for rover in rovers:
            rover.finish()


def wait_for_more(rovers: Sequence[Rover], answers: int) -> None:
    """Until each has so many more orders acknowledged."""
    wanted = [rover.answers + answers for rover in rovers]
    wait_until(lambda: all(rover.answers >= least for rover, least in zip(rovers, wanted, strict=True)))


def check_all(cluster: ClusterProcesses, rovers: Sequence[Rover], directory: Path) -> None:
    """What clients were told, and that every replica has just that."""
    check(rovers)
    for rover in rovers:
        assert rover.asked_open() == rover.told_open()
    cluster.wait_for_one_state()
    trades = {fill[880] for rover in rovers for fill in rover.received if fill.get(150) == "F"}
    some = cluster.members[1]
    replayed = some.run("replay", str(some.data), "--verify", "--fills", str(directory / "fills.csv"))
    assert replayed.returncode == 0, replayed.stderr
    assert len((directory / "fills.csv").read_text().splitlines()) == 1 + len(trades)
