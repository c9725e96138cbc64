"""kill -9 under load, at any moment: what was acknowledged is there once, and the sessions go on.

Kill leaves the page cache, so this shows recovery, not the sync: see test_sync.py and the simulated disk.
"""

import random
import threading
import time
from pathlib import Path

import pytest
from answers import every_answer
from exchange_process import ExchangeProcess
from fix_client import FixClient, Message
from traders import Trader, check

LOAD_SECONDS = (0.05, 0.8)


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
