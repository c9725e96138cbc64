"""kill -9 under load, at any moment: what was acknowledged is there once, and the sessions go on.

Kill leaves the page cache, so this shows recovery, not the sync: see test_sync.py and the simulated disk.
"""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from answers import every_answer
from exchange_process import ExchangeProcess
from fix_client import Closed, FixClient, Message

WINDOW = 64  # orders in flight, a client
LOAD_SECONDS = (0.05, 0.8)


class Trader(FixClient):
    """Sends orders on both sides around one price, keeps a window of them in flight, until the exchange is gone."""

    def __init__(self, transport: str, comp_id: str, seed: int) -> None:
        super().__init__(transport, 0, comp_id)
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
                behind = len(self.names) - self.acknowledged()
                if behind < WINDOW:
                    self.send_bytes(
                        b"".join(self.some_order() for _ in range(self.random.randint(1, WINDOW - behind)))
                    )
                self.receive(1)
        except (Closed, TimeoutError, OSError):
            return

    def acknowledged(self) -> int:
        """How many orders have an answer."""
        self.answers += sum(message.get(150) in ("0", "8") for message in self.received[self.looked_at :])
        self.looked_at = len(self.received)
        return self.answers

    def accepted(self) -> list[Message]:
        return [message for message in self.received if message.get(150) in ("0", "8")]


def check(traders: list[Trader]) -> None:
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


def log_on(exchange: ExchangeProcess, traders: list[Trader]) -> None:
    """Everybody again, and everything that was missed. What one sends again may fill another's order."""
    for trader in traders:
        trader.port = exchange.port(f"fix_{trader.transport}")
        trader.logon(heartbeat=0)
        trader.catch_up()
    for trader in traders:
        trader.settle()


def run(directory: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    traders = [Trader("tcp", "TCP", seed + 1), Trader("zmq", "ZMQ", seed + 2)]
    with ExchangeProcess(directory) as exchange:
        for _ in range(kills):
            log_on(exchange, traders)
            check(traders)
            threads = [threading.Thread(target=trader.load, daemon=True) for trader in traders]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(*LOAD_SECONDS))
            exchange.kill()
            for thread in threads:
                thread.join(20)
                assert not thread.is_alive()
            exchange.start()
        log_on(exchange, traders)
        check(traders)
        assert sum(len(trader.names) for trader in traders) > 10 * kills
        replayed = exchange.run("replay", str(exchange.data), "--verify")
        assert replayed.returncode == 0, replayed.stderr
        for trader in traders:
            trader.close()


def without_transmission(message: Message) -> list[tuple[int, str]]:
    """The fields, in order, but for those that a repetition must change."""
    return [(tag, value) for tag, value in message.items() if tag not in (9, 10, 43, 52, 122)]


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_what_was_answered_just_before_a_kill_is_sent_again_the_same(tmp_path: Path, transport: str) -> None:
    """An answer leaves before the egress store has it, and the store's file is not synced: the log makes it again."""
    with ExchangeProcess(tmp_path) as exchange:
        alice = FixClient(transport, 0, "ALICE")
        for round_number in range(4):
            alice.port = exchange.port(f"fix_{transport}")
            alice.logon(heartbeat=0)
            every_answer(alice, f"r{round_number}")
            exchange.kill()
            exchange.start()
            again = FixClient(transport, exchange.port(f"fix_{transport}"), "ALICE")
            again.next_out, again.sent = alice.next_out, alice.sent
            with again:
                again.logon(heartbeat=0)
                again.catch_up()
                again.send("5")
                again.expect("5")
            assert list(map(without_transmission, again.received)) == list(
                map(without_transmission, alice.received)
            )
            assert [one[122] for one in again.received] == [one.get(122, one[52]) for one in alice.received]
            assert {one[43] for one in again.received} == {"Y"}
            alice.next_out, alice.next_in = again.next_out, again.next_in


@pytest.mark.timeout(280)
def test_five_kills(tmp_path: Path) -> None:
    run(tmp_path, 5, 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills(tmp_path: Path) -> None:
    run(tmp_path, 50, 2)
