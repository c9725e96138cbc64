"""CURVE, against a running exchange: a key is what lets in by ZeroMQ, and it belongs to CompIDs."""

import json
import os
import shutil
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zmq
from certificates import certificate
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import PATIENCE_SECONDS, Closed, FixClient, build
from namespaces import Network, inside

import quorumbook as qb
from gateway.curve import KeyPair, make_keys
from gateway.passwords import hashed

PASSWORD = "correct-horse-17"
ORDER = [(11, "o"), (55, "MSFT"), (54, "1"), (38, "1"), (40, "2"), (44, "1.00"), (60, "20260101-00:00:00")]


class World(ExchangeProcess):
    """An exchange with CURVE; keys of ALICE, BOB and a STRANGER."""

    def __init__(self, directory: Path, network: str = "", namespace: str = "") -> None:
        self.keys: dict[str, KeyPair] = {}
        for name in ("server", "ALICE", "BOB", "STRANGER"):
            _, self.keys[name] = make_keys(directory / "keys", name)
        clients = "".join(
            f'[[clients]]\ncomp_id = "{name}"\ncurve_public_key = "{self.keys[name].public}"\n'
            for name in ("ALICE", "BOB")
        )
        server = directory / "keys" / "server.key_secret"
        config = (
            f'{CONFIG}curve_secret_key_file = "{server}"\n{network}{clients}'
            f'[[clients]]\ncomp_id = "TED"\npassword_hash = "{hashed(PASSWORD.encode())}"\n'
        )
        super().__init__(directory, config=config, namespace=namespace)

    def curve(self, name: str) -> tuple[str, str, str]:
        return (*self.keys[name], self.keys["server"].public)

    def client(self, key: str, comp_id: str) -> FixClient:
        return CurveClient(self, key, comp_id)


class CurveClient(FixClient):
    def __init__(self, world: World, key: str, comp_id: str) -> None:
        super().__init__("zmq", world.port("fix_zmq"), comp_id)
        self._curve = world.curve(key) if key else None

    def connect(self) -> None:
        self.close()
        self._zmq = dealer(self.port, self._curve)


def dealer(port: int, curve: tuple[str, str, str] | None, name: bytes = b"") -> "zmq.Socket[bytes]":
    made = zmq.Context.instance().socket(zmq.DEALER)
    made.linger = 0
    if name:
        made.routing_id = name
    if curve is not None:
        made.curve_publickey, made.curve_secretkey, made.curve_serverkey = (key.encode() for key in curve)
    made.connect(f"tcp://127.0.0.1:{port}")
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("curve")) as running:
        yield running


def test_who_has_a_key_trades_under_its_comp_id(world: World) -> None:
    with world.client("ALICE", "ALICE") as alice, world.client("BOB", "BOB") as bob:
        for one in (alice, bob):
            one.logon((141, "Y"))
            one.send_bytes(one.order(f"o{time.time_ns()}", "buy", 1, "1.00", symbol="MSFT"))
            assert one.expect("8")[150] == "0"
        for one in (alice, bob):
            one.send("5")
            one.expect("5")


@pytest.mark.parametrize(("key", "comp_id"), [("BOB", "ALICE"), ("ALICE", "MALLORY"), ("ALICE", "TED")])
def test_a_key_lets_in_under_no_other_comp_id(world: World, key: str, comp_id: str) -> None:
    before = world.ask(command="status")["input_number"]
    with world.client(key, comp_id) as one, pytest.raises(Closed):
        one.logon((141, "Y"), (554, PASSWORD))
    assert world.ask(command="status")["input_number"] == before


@pytest.mark.parametrize("key", ["STRANGER", ""])
def test_without_a_key_that_is_known_there_is_no_link(world: World, key: str) -> None:
    before = world.ask(command="status")["connections"]["bytes_in"]
    with world.client(key, "ALICE") as one, pytest.raises(TimeoutError):
        one.logon((141, "Y"), seconds=1.5)
    assert world.ask(command="status")["connections"]["bytes_in"] == before
    if key:
        wait_until(lambda: "no client has its CURVE key" in (world.data / "trace.jsonl").read_text())


def test_with_a_wrong_key_of_the_server_there_is_no_link(world: World) -> None:
    public, secret, _ = world.curve("ALICE")
    with CurveClient(world, "ALICE", "ALICE") as one:
        one._curve = (public, secret, world.keys["STRANGER"].public)
        with pytest.raises(TimeoutError):
            one.logon((141, "Y"), seconds=1.5)


def test_a_key_is_needed_for_the_feed_and_for_snapshots(world: World) -> None:
    places = world.endpoints["feed"], world.endpoints["snapshot"]
    with qb.feed(*places, "MSFT", curve=world.curve("BOB")) as market:
        assert market.wait()["MSFT"] is not None
    for curve in (None, world.curve("STRANGER")):
        with qb.feed(*places, "MSFT", curve=curve) as market, pytest.raises(TimeoutError):
            market.wait(1.5)


def test_frames_of_another_key_are_not_taken_for_a_session_whatever_its_routing_id(world: World) -> None:
    port = world.port("fix_zmq")
    owner = dealer(port, world.curve("ALICE"), b"guessed")
    owner.send(build("A", "ALICE", 1, [(98, "0"), (108, "0"), (141, "Y")]))
    assert owner.poll(PATIENCE_SECONDS * 1000)
    assert b"\x0135=A\x01" in owner.recv()
    owner.close()
    before = world.ask(command="status")["live_orders"]
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with dealer(port, world.curve("BOB"), b"guessed") as thief:
            thief.send(build("D", "ALICE", 2, [(tag, value) for tag, value in ORDER]))
            if thief.poll(200):  # else ZeroMQ knew the owner still, and hears nobody of that name
                assert thief.recv() == b""
                break
        assert time.monotonic() < until
    assert world.ask(command="status")["live_orders"] == before
    wait_until(lambda: world.ask(command="status")["sessions_connected"] == 0)


def test_a_client_that_reconnects_with_its_key_goes_on(world: World) -> None:
    """As ZeroMQ does by itself under a routing id that was chosen."""
    port = world.port("fix_zmq")
    with dealer(port, world.curve("ALICE"), b"chosen") as first:
        first.send(build("A", "ALICE", 1, [(98, "0"), (108, "0"), (141, "Y")]))
        assert first.poll(PATIENCE_SECONDS * 1000)
        first.recv()
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with dealer(port, world.curve("ALICE"), b"chosen") as again:
            again.send(build("1", "ALICE", 2, [(112, "there?")]))
            if again.poll(300):
                assert b"\x01112=there?\x01" in again.recv()
                again.send(b"")
                break
        assert time.monotonic() < until
    wait_until(lambda: world.ask(command="status")["sessions_connected"] == 0)


def test_the_commands_of_the_same_machine_need_their_own_key_only(world: World) -> None:
    keys = str(world.directory / "keys" / "ALICE.key_secret")
    here = ["--data", str(world.data)]
    done = world.run("order", "buy", "MSFT", "1", "1.00", "--as", "ALICE", "--curve-keys", keys, *here)
    assert done.returncode == 0, done.stderr
    done = world.run("book", "MSFT", "--json", "--curve-keys", keys, *here)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["symbol"] == "MSFT"
    there = ["--connect", world.endpoints["fix_zmq"], "--curve-server-key", world.keys["server"].public]
    done = world.run("orders", "--as", "ALICE", "--curve-keys", keys, *there)
    assert done.returncode == 0, done.stderr
    done = world.run("book", "MSFT", *here)
    assert done.returncode == 1
    assert "give --curve-keys" in done.stderr


def test_the_client_library_shows_its_keys(world: World) -> None:
    with qb.connect(world.endpoints["fix_zmq"], "BOB", curve=world.curve("BOB"), recover=False) as client:
        assert client.buy("MSFT", 1, "1.00").open
    with pytest.raises((qb.ConnectError, TimeoutError)):
        qb.connect(world.endpoints["fix_zmq"], "ALICE", curve=world.curve("BOB"), timeout=2)


def test_keys_are_made_for_their_owner_only_and_never_written_over(world: World, tmp_path: Path) -> None:
    done = world.run("keys", str(tmp_path / "mine"), "--name", "me")
    assert done.returncode == 0
    assert done.stdout.startswith('curve_public_key = "')
    secret = tmp_path / "mine" / "me.key_secret"
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    text = secret.read_text()
    assert text.partition("secret-key")[2].split('"')[1] not in done.stdout + done.stderr
    done = world.run("keys", str(tmp_path / "mine"), "--name", "me")
    assert done.returncode == 1
    assert "never written over" in done.stderr
    assert secret.read_text() == text


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "No such file"), ("nothing", "it is no file of CURVE keys"), ("public", "it has no secret key")],
)
def test_a_file_that_has_no_keys_is_named_and_leaves_no_log(
    tmp_path: Path, text: str | None, why: str
) -> None:
    secret, pair = make_keys(tmp_path / "keys", "server")
    file = tmp_path / "file"
    if text is not None:
        file.write_text(secret.with_suffix(".key").read_text() if text == "public" else text)
    config = (
        f'{CONFIG}curve_secret_key_file = "{file}"\n'
        f'[[clients]]\ncomp_id = "ALICE"\ncurve_public_key = "{pair.public}"\n'
    )
    exchange = ExchangeProcess(tmp_path, config=config)
    with pytest.raises(AssertionError, match=f"network.curve_secret_key_file: {file}: {why}"):
        exchange.start()
    assert not list(exchange.data.glob("*.segment"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_open_to_a_network_everything_is_protected_and_the_admin_socket_is_not_there(
    network: Network, tmp_path: Path
) -> None:
    host, here, there = network.address(1), network.namespaces[1], network.namespaces[2]
    lines = (
        f'host = "{host}"\n{certificate(tmp_path, address=host)}[limits]\nconnections_per_address = 3\n'
        "logon_failures_per_minute = 2\n"
    )
    with World(tmp_path, lines, here) as world:
        assert world.endpoints["fix_tcp"].startswith(f"fix+tls://{host}:")
        assert world.endpoints["admin"].startswith("tcp://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(tmp_path / "exchange.pem"))
        with inside(there):
            with qb.connect(world.endpoints["fix_tcp"], "TED", password=PASSWORD, tls=context) as ted:
                assert ted.buy("MSFT", 1, "1.00").open
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, world.port("admin")), 5)
            with zmq.Context() as own, own.socket(zmq.DEALER) as alice:
                alice.linger = 0
                alice.curve_publickey, alice.curve_secretkey, alice.curve_serverkey = (
                    key.encode() for key in world.curve("ALICE")
                )
                alice.connect(world.endpoints["fix_zmq"])
                alice.send(build("A", "ALICE", 1, [(98, "0"), (108, "30")]))
                assert alice.poll(PATIENCE_SECONDS * 1000)
                assert b"\x0135=A\x01" in alice.recv()
                three = [connected(host, world.port("fix_tcp"), context) for _ in range(3)]
                with suppress(OSError):  # it is the fourth of its address
                    assert three[2].recv(1) == b""
                for one in three:
                    one.close()
                full = f"{network.address(2)} has 3 connections"
                wait_until(lambda: full in (world.data / "trace.jsonl").read_text())
            for _ in range(2):
                with pytest.raises(qb.ConnectError):
                    qb.connect(world.endpoints["fix_tcp"], "TED", password="guess", tls=context, timeout=2)
            with pytest.raises((qb.ConnectError, TimeoutError)):  # the right one comes too late
                qb.connect(world.endpoints["fix_tcp"], "TED", password=PASSWORD, tls=context, timeout=2)
        with (
            inside(here),
            qb.connect(world.endpoints["fix_tcp"], "TED", password=PASSWORD, tls=context) as ted,
        ):
            assert ted.orders()


def connected(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    made = socket.create_connection((host, port), PATIENCE_SECONDS)
    return context.wrap_socket(made, server_hostname=host)
