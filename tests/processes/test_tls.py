"""FIX within TLS, against a running exchange: who is trusted, and what those cost who are not."""

import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Authority, certificate
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import PATIENCE_SECONDS, Closed, FixClient

import quorumbook as qb
from gateway.passwords import hashed

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
PASSWORD = "correct-horse-17"


def configuration(lines: str, more: str = "") -> str:
    return f"""{CONFIG}{lines}
[limits]
unauthenticated_seconds = 3
{more}
[[clients]]
comp_id = "ALICE"
password_hash = "{hashed(PASSWORD.encode())}"
[[clients]]
comp_id = "CLI"
password_hash = "{hashed(PASSWORD.encode())}"
"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    directory = tmp_path_factory.mktemp("tls")
    with ExchangeProcess(directory, config=configuration(certificate(directory))) as running:
        yield running


def trust(exchange: ExchangeProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(exchange.directory / "exchange.pem"))


class TlsClient(FixClient):
    """A FixClient within TLS."""

    def __init__(self, exchange: ExchangeProcess, comp_id: str, context: ssl.SSLContext) -> None:
        super().__init__("tcp", exchange.port("fix_tcp"), comp_id)
        self._context = context

    def connect(self) -> None:
        super().connect()
        assert self._tcp
        self._tcp = self._context.wrap_socket(self._tcp, server_hostname="127.0.0.1")


def test_a_client_within_tls_trades(exchange: ExchangeProcess) -> None:
    assert exchange.endpoints["fix_tcp"].startswith("fix+tls://127.0.0.1:")
    with TlsClient(exchange, "ALICE", trust(exchange)) as client:
        client.logon((141, "Y"), (554, PASSWORD))
        for number in range(1_000):
            client.send_bytes(client.order(f"t{number}", "buy", 1, "1.00", symbol="MSFT"))
        for _ in range(1_000):
            assert client.expect("8")[150] == "0"
        client.send("5")
        client.expect("5")


def test_the_client_library_trusts_whom_it_is_told_to(exchange: ExchangeProcess) -> None:
    endpoint = exchange.endpoints["fix_tcp"]
    with qb.connect(endpoint, "ALICE", password=PASSWORD, tls=trust(exchange), memory=None) as client:
        with client.batch():
            orders = [client.buy("MSFT", 1, "1.00") for _ in range(2_000)]
        assert all(order.open for order in orders)
        assert client.mass_cancel() >= 2_000
    with pytest.raises(qb.ConnectError, match="its certificate is not trusted"):
        qb.connect(endpoint, "ALICE", password=PASSWORD, timeout=2)
    with pytest.raises(qb.ConnectError, match=r"with a password; either its trace.jsonl says why"):
        qb.connect(endpoint, "ALICE", password="wrong", tls=trust(exchange), timeout=2)
    with pytest.raises((qb.ConnectError, TimeoutError)):  # plain FIX at a TLS port
        qb.connect(endpoint.replace("+tls", "+tcp"), "ALICE", password=PASSWORD, timeout=2)


def test_commands_on_the_same_machine_know_the_certificate(exchange: ExchangeProcess, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    words = ["order", "buy", "MSFT", "1", "1.00", "--data", str(exchange.data)]
    done = exchange.run(*words, "--password-file", str(secret))
    assert done.returncode == 0, done.stderr
    exchange.environment["QUORUMBOOK_PASSWORD"] = PASSWORD
    try:
        done = exchange.run(*words)
        assert done.returncode == 0, done.stderr
        there = ["order", "buy", "MSFT", "1", "1.00", "--connect", exchange.endpoints["fix_tcp"]]
        done = exchange.run(*there, "--tls-ca", str(exchange.directory / "exchange.pem"))
        assert done.returncode == 0, done.stderr
    finally:
        del exchange.environment["QUORUMBOOK_PASSWORD"]
    done = exchange.run(*words)
    assert done.returncode == 1
    assert "with no password; no Password (554) is in it" in done.stderr


def test_who_finishes_no_handshake_is_closed_and_the_rest_go_on(exchange: ExchangeProcess) -> None:
    began = time.monotonic()
    strangers = [
        socket.create_connection(("127.0.0.1", exchange.port("fix_tcp")), PATIENCE_SECONDS) for _ in range(40)
    ]
    for number, stranger in enumerate(strangers):
        if number % 4 == 1:
            stranger.sendall(b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01")
        elif number % 4 == 2:
            stranger.sendall(
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
            )  # TLS begins, and does not go on
        elif number % 4 == 3:
            stranger.sendall(bytes(100_000))
    with TlsClient(exchange, "ALICE", trust(exchange)) as client:
        client.logon((141, "Y"), (554, PASSWORD))
        client.send("5")
        client.expect("5")
    for stranger in strangers:
        with stranger, suppress(ConnectionError):
            while stranger.recv(1 << 16):  # an alert, where TLS has begun
                pass
    assert time.monotonic() - began < 60
    assert "no TLS handshake" in (exchange.data / "trace.jsonl").read_text()


def test_after_the_handshake_there_is_no_more_time_than_before(exchange: ExchangeProcess) -> None:
    with socket.create_connection(("127.0.0.1", exchange.port("fix_tcp")), PATIENCE_SECONDS) as plain:
        began = time.monotonic()
        time.sleep(2)
        with trust(exchange).wrap_socket(plain, server_hostname="127.0.0.1") as silent, suppress(OSError):
            assert silent.recv(1) == b""
        assert time.monotonic() - began < 4.9  # and not the 3 s after the 2


def test_handshakes_have_a_bound_and_the_newest_is_served(tmp_path: Path) -> None:
    config = configuration(certificate(tmp_path), "unauthenticated_connections = 5")
    with ExchangeProcess(tmp_path, config=config) as exchange:
        port = exchange.port("fix_tcp")
        strangers = [socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) for _ in range(30)]
        with TlsClient(exchange, "ALICE", trust(exchange)) as client:
            client.logon((554, PASSWORD))
        for stranger in strangers:
            stranger.close()
        assert "5 TLS handshakes are not finished" in (exchange.data / "trace.jsonl").read_text()


def test_handshakes_leave_descriptors_for_the_exchange_itself(tmp_path: Path) -> None:
    few = ("/bin/sh", "-c", 'ulimit -n 80; exec "$0" "$@"')
    with ExchangeProcess(tmp_path, config=configuration(certificate(tmp_path)), wrapper=few) as exchange:
        port = exchange.port("fix_tcp")
        with TlsClient(exchange, "CLI", trust(exchange)) as trader:
            trader.logon((554, PASSWORD))
            strangers = [socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) for _ in range(100)]
            wait_until(
                lambda: "hardly a file descriptor is left" in (exchange.data / "trace.jsonl").read_text()
            )
            trader.send_bytes(trader.order("t1", "buy", 1, "1.00"))
            assert trader.expect("8")[150] == "0"
            assert exchange.ask(command="status")["accepting"]
            for stranger in strangers:
                stranger.close()
            wait_until(
                lambda: "file descriptors are free again" in (exchange.data / "trace.jsonl").read_text()
            )
            with TlsClient(exchange, "ALICE", trust(exchange)) as newcomer:
                newcomer.logon((554, PASSWORD))


def test_who_does_not_read_is_cut_off_and_little_is_kept_for_it(exchange: ExchangeProcess) -> None:
    def counts() -> dict[str, int]:
        found: dict[str, int] = exchange.ask(command="status")["connections"]
        return found

    def resident() -> int:
        status = Path(f"/proc/{exchange.endpoints['pid']}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) >> 10

    context = trust(exchange)
    with TlsClient(exchange, "CLI", context) as deaf, TlsClient(exchange, "ALICE", context) as maker:
        deaf.logon((141, "Y"), (554, PASSWORD))
        maker.logon((141, "Y"), (554, PASSWORD))
        assert deaf._tcp
        deaf._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf._tcp.settimeout(1)
        before, memory = counts(), resident()
        until = time.monotonic() + PATIENCE_SECONDS
        number = 0
        while counts()["cut_off"] == before["cut_off"]:
            assert time.monotonic() < until
            orders = [deaf.order(f"d{number + n}", "buy", 1, "1.00", symbol="MSFT") for n in range(500)]
            number += 500
            with suppress(OSError):  # a time-out: it reads nothing, and is not read then either
                deaf.send_bytes(b"".join(orders))
            maker.send_bytes(maker.order(f"m{number}", "sell", 1, "900.00", symbol="MSFT"))
            assert maker.expect("8")[150] == "0"
        handed = (counts()["bytes_out"] - before["bytes_out"]) / 1e6
        print(f"{number} reports, {handed:.1f} MB of them handed over; {resident() - memory} MiB more memory, "
              "with the orders and what can be sent again")  # fmt: skip
        assert number > 50_000  # of 200 bytes and more
        assert handed < 8  # its transport's megabyte, what the kernel takes, and the other's reports


def test_without_a_certificate_of_the_clients_authority_nobody_is_let_in(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca", "clients"), Authority(tmp_path / "ca", "others")
    for one in (authority, other):
        one.sign(f"by-{one.certificate.stem}")
    lines = f'{certificate(tmp_path)}tls_client_ca = "{authority.certificate}"\n'
    with ExchangeProcess(tmp_path, config=configuration(lines)) as exchange:
        for name, let_in in (("by-clients", True), ("by-others", False), ("", False)):
            context = trust(exchange)
            if name:
                context.load_cert_chain(tmp_path / "ca" / f"{name}.pem", tmp_path / "ca" / f"{name}.key")
            with TlsClient(exchange, "ALICE", context) as client:
                if let_in:
                    client.logon((554, PASSWORD))
                else:
                    with pytest.raises((Closed, OSError)):
                        client.logon((554, PASSWORD))
        wait_until(lambda: "no TLS handshake" in (exchange.data / "trace.jsonl").read_text())
        secret = tmp_path / "secret"
        secret.write_text(PASSWORD)
        shown = [str(tmp_path / "ca" / f"by-clients.{end}") for end in ("pem", "key")]
        words = ["orders", "--data", str(exchange.data), "--password-file", str(secret)]
        done = exchange.run(*words, "--tls-certificate", shown[0], "--tls-key", shown[1])
        assert done.returncode == 0, done.stderr
        done = exchange.run(*words, "--tls-certificate", shown[0])
        assert f"--tls-certificate {shown[0]}: cannot be read with its key" in done.stderr
        done = exchange.run(*words[:-1], str(tmp_path / "none"))
        assert done.stderr == f"quorumbook: --password-file {tmp_path / 'none'}: No such file or directory\n"


@pytest.mark.parametrize("missing", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_a_file_that_is_missing_or_none_is_named(tmp_path: Path, missing: str) -> None:
    from gateway.config import ConfigError, Network
    from gateway.tls import server_context

    certificate(tmp_path)
    names = {"tls_certificate": "exchange.pem", "tls_key": "exchange.key", "tls_client_ca": "exchange.pem"}
    files = {key: str(tmp_path / name) for key, name in names.items()}
    assert server_context(Network()) is None
    assert server_context(Network(**files)) is not None
    with pytest.raises(ConfigError, match=f"network.{missing}: .*/none: No such file"):
        server_context(Network(**{**files, missing: str(tmp_path / "none")}))
    (tmp_path / "text").write_text("this is no PEM\n")
    with pytest.raises(ConfigError, match=rf"network\.{missing}.*/text.*; allowed: .*PEM") as caught:
        server_context(Network(**{**files, missing: str(tmp_path / "text")}))
    assert ("tls_client_ca" in str(caught.value)) == (missing == "tls_client_ca")
    assert "_ssl.c" not in str(caught.value)


def test_the_configuration_that_names_a_wrong_file_is_named(tmp_path: Path) -> None:
    lines = f'{certificate(tmp_path)}tls_client_ca = "{tmp_path / "none"}"\n'
    one = ExchangeProcess(tmp_path, config=configuration(lines))
    with pytest.raises(AssertionError, match=r"config\.toml: network\.tls_client_ca: .*/none: No such file"):
        one.start()
