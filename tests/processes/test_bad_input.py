"""Whatever one client sends, or does not read, another one trades on and nothing acknowledged is lost."""

import os
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import zmq
from exchange_process import ExchangeProcess, wait_until
from fix_client import PATIENCE_SECONDS, Closed, FixClient, build

pytestmark = pytest.mark.xdist_group(
    "bad input"
)  # all in one process: the last test looks at what the others left


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One exchange for all: it must outlive everything here."""
    with ExchangeProcess(tmp_path_factory.mktemp("bad")) as running:
        yield running
        assert running.ask(command="status")["accepting"]


class Honest(FixClient):
    """Orders and cancels, one at a time, until told to stop; every answer must come."""

    def __init__(self, transport: str, port: int) -> None:
        super().__init__(transport, port, f"HONEST-{transport}-{os.urandom(3).hex()}")
        self.stop = threading.Event()
        self.rounds = 0
        self.error = ""

    def trade(self) -> None:
        try:
            while not self.stop.is_set():
                self.rounds += 1
                self.send_bytes(self.order(f"h{self.rounds}", "buy", 1, "1.00", symbol="MSFT"))
                assert self.expect("8")[150] == "0"
                self.send_bytes(self.cancel(f"c{self.rounds}", f"h{self.rounds}", "buy", symbol="MSFT"))
                assert self.expect("8")[150] == "4"
        except BaseException as error:
            self.error = f"{self.comp_id} in round {self.rounds}: {error!r}"


@contextmanager
def honest_clients(exchange: ExchangeProcess) -> Iterator[None]:
    """Two clients trade while the block runs, and for some rounds after it."""
    clients = [Honest(name, exchange.port(f"fix_{name}")) for name in ("tcp", "zmq")]
    for client in clients:
        client.logon()
    threads = [threading.Thread(target=client.trade, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
        for client in clients:
            wanted = client.rounds + 3
            while client.rounds < wanted and not client.error:
                client.stop.wait(0.01)
    finally:
        for client, thread in zip(clients, threads, strict=True):
            client.stop.set()
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
    for client in clients:
        assert not client.error, client.error
        client.close()


def tcp(exchange: ExchangeProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", exchange.port("fix_tcp")), timeout=5)


def dealer(exchange: ExchangeProcess) -> "zmq.Socket[bytes]":
    made = zmq.Context.instance().socket(zmq.DEALER)
    made.linger = 0
    made.sndtimeo = 2_000
    made.connect(f"tcp://127.0.0.1:{exchange.port('fix_zmq')}")
    return made


def mutated(message: bytes, chance: random.Random) -> bytes:
    """A message with some of its bytes changed, doubled or lost."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        what = chance.randrange(3)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randint(1, 20)]
        else:
            data[at:at] = data[at : at + chance.randint(1, 20)]
        if not data:
            return b"8"
    return bytes(data)


def some_bytes(chance: random.Random) -> bytes:
    """Noise, half-right messages, and right ones with lies about their length or checksum."""
    order = build("D", "MALLORY", 2, [(11, "x"), (55, "MSFT"), (54, "1"), (38, "1"), (40, "2"), (44, "1")])
    kind = chance.randrange(7)
    if kind == 0:
        return chance.randbytes(chance.randint(1, 5_000))
    if kind == 1:
        return order[: chance.randrange(1, len(order))]
    if kind == 2:
        return order[:-4] + b"999\x01"
    if kind == 3:
        length = chance.choice(
            [b"0", b"1", b"-1", b"99999999999999999999999", b"2147483648", b"65537", b"a", b""]
        )
        return order.replace(order[10 : order.index(b"\x0135=")], b"9=" + length)
    if kind == 4:
        return b"8=FIX.4.4\x019=" * chance.randint(1, 500)
    if kind == 5:
        return build("A", chance.choice(["", "\x02", "X" * 200]), 1, [(98, "0"), (108, "30")])
    return mutated(order, chance)


@pytest.mark.parametrize("logged_on", [False, True])
def test_noise_over_tcp(exchange: ExchangeProcess, logged_on: bool) -> None:
    chance = random.Random(7)
    with honest_clients(exchange):
        for number in range(60):
            with (
                suppress(OSError, Closed),
                FixClient("tcp", exchange.port("fix_tcp"), f"NOISE{number}") as noisy,
            ):
                if logged_on:
                    noisy.logon()
                else:
                    noisy.connect()
                for _ in range(20):
                    noisy.send_bytes(some_bytes(chance))


@pytest.mark.parametrize("logged_on", [False, True])
def test_noise_over_zeromq(exchange: ExchangeProcess, logged_on: bool) -> None:
    chance = random.Random(8)
    with honest_clients(exchange):
        for number in range(20):
            with (
                suppress(OSError, Closed),
                FixClient("zmq", exchange.port("fix_zmq"), f"ZNOISE{number}") as noisy,
            ):
                if logged_on:
                    noisy.logon()
                else:
                    noisy.connect()
                for _ in range(40):
                    noisy.send_bytes(some_bytes(chance))


def test_what_is_not_zeromq_on_the_zeromq_port(exchange: ExchangeProcess) -> None:
    chance = random.Random(9)
    with honest_clients(exchange):
        for name in ("fix_zmq", "feed", "snapshot", "admin"):
            with (
                socket.create_connection(("127.0.0.1", exchange.port(name)), timeout=5) as raw,
                suppress(OSError),
            ):
                raw.sendall(build("A", "MALLORY", 1, [(98, "0"), (108, "30")]))
                raw.sendall(chance.randbytes(10_000))


def test_huge_frames(exchange: ExchangeProcess) -> None:
    with honest_clients(exchange):
        with dealer(exchange) as made:
            for _ in range(5):
                made.send(b"8=FIX.4.4\x01" + bytes(20 << 20))
        with tcp(exchange) as raw, suppress(OSError):
            raw.sendall(b"8=FIX.4.4\x019=999999999\x0135=D\x01" + b"A" * (20 << 20))
        with dealer(exchange) as made:
            made.send_multipart([b"x" * 100] * 1_000)


def test_bad_requests_to_snapshots_and_administration(exchange: ExchangeProcess) -> None:
    chance = random.Random(10)
    with honest_clients(exchange):
        for name in ("snapshot", "admin"):
            with zmq.Context.instance().socket(zmq.DEALER) as made:
                made.linger = 0
                made.connect(f"tcp://127.0.0.1:{exchange.port(name)}")
                for _ in range(50):
                    made.send(chance.randbytes(chance.randint(0, 300)))
                made.send_multipart([b"", b"", b"{}"])


def test_a_flood_of_subscriptions_loses_its_link(exchange: ExchangeProcess) -> None:
    trace = exchange.data / "trace.jsonl"
    with honest_clients(exchange), zmq.Context() as context, context.socket(zmq.XSUB) as made:
        made.linger = made.sndhwm = 0
        made.connect(f"tcp://127.0.0.1:{exchange.port('feed')}")
        for number in range(20_000):
            made.send(b"\1x%d" % number)
        for _ in range(200):
            if "too many topics that do not exist" in trace.read_text():
                break
            threading.Event().wait(0.1)
        else:
            raise AssertionError("it keeps its link")


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_a_client_that_floods_and_never_reads_is_cut_off(exchange: ExchangeProcess, transport: str) -> None:
    name = f"FLOOD-{transport}"
    before = exchange.ask(command="status")["connections"]["cut_off"]
    with FixClient(transport, exchange.port(f"fix_{transport}"), name) as flood, honest_clients(exchange):
        flood.logon()
        if flood._zmq:  # which would take in all the answers in a thousand frames, if they come in large ones
            flood._zmq.rcvhwm = 10
        thread = threading.Thread(target=pour, args=(flood, 200_000), daemon=True)
        thread.start()
        wait_until(lambda: exchange.ask(command="status")["connections"]["cut_off"] > before)
        thread.join(PATIENCE_SECONDS)  # before its socket is closed: a ZeroMQ socket is one thread's
        assert not thread.is_alive()


def pour(flood: FixClient, orders: int) -> None:
    """Sends and never reads, until the socket takes no more."""
    with suppress(OSError, AssertionError):
        for _ in range(orders // 1_000):
            orders_bytes = (
                flood.order(f"f{flood.next_out}", "sell", 1, "500.00", symbol="INTC") for _ in range(1_000)
            )
            data = b"".join(orders_bytes)
            if flood._zmq and not flood._zmq.poll(5_000, zmq.POLLOUT):
                return
            flood.send_bytes(data)


def test_a_client_that_goes_on_sending_can_read_why_it_is_closed(exchange: ExchangeProcess) -> None:
    """A socket that is closed with something unread is reset, which takes from the other side what it has not read."""
    with FixClient("tcp", exchange.port("fix_tcp"), "TALKER") as talker:
        talker.logon()
        talker.next_out = 1
        talker.send("0")
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            talker.send_bytes(build("0", "TALKER", 2, []) * 100)
        assert "too low" in talker.receive()[58]
        with pytest.raises(Closed, match=r"^$"):
            talker.receive()


def recover(client: FixClient) -> None:
    """Logs on until it has everything: while it sends thousands of orders again it does not read, and on a busy
    machine it is cut off for that once more."""
    while True:
        with suppress(Closed, ConnectionError):
            client.logon()
            client.catch_up()
            client.settle()
            return


def test_a_client_that_stops_reading_recovers_by_resend(exchange: ExchangeProcess) -> None:
    """It is cut off; what it missed comes with its next Logon and ResendRequest."""
    orders = 30_000
    with FixClient("tcp", exchange.port("fix_tcp"), "SLEEPER") as sleeper:
        sleeper.logon()
        with honest_clients(exchange), suppress(OSError):
            for start in range(0, orders, 1_000):
                names = (f"z{number}" for number in range(start, start + 1_000))
                sleeper.send_bytes(
                    b"".join(sleeper.order(name, "sell", 1, "900.00", symbol="GOOG") for name in names)
                )
        wait_until(
            lambda: (
                "SLEEPER"
                not in [s["comp_id"] for s in exchange.ask(command="sessions")["sessions"] if s["connected"]]
            )
        )
        recover(sleeper)
        answered = [message[11] for message in sleeper.received]
        assert len(set(answered)) == len(answered)
        assert sorted(answered) == sorted(
            fields[0][1] for kind, fields in sleeper.sent.values() if kind == "D"
        )


def test_many_connections_that_never_log_on(exchange: ExchangeProcess) -> None:
    with honest_clients(exchange):
        open_ones = [tcp(exchange) for _ in range(300)]
        for one in open_ones:
            one.close()


def test_everything_is_still_in_the_log(exchange: ExchangeProcess) -> None:
    replayed = exchange.run("replay", str(exchange.data), "--verify")
    assert replayed.returncode == 0, replayed.stderr
    counts = dict(re.findall(r"^(entries|commands)\s+([\d,]+)$", replayed.stdout, re.M))
    assert int(counts["entries"].replace(",", "")) > 100, "the tests before this one filled another log"
    assert int(counts["commands"].replace(",", "")) > 1_000
