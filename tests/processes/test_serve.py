"""A person or a program at the command line and at a socket: one exchange, real processes."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from cluster_processes import config_of, free_members
from exchange_process import CONFIG, PATIENCE_SECONDS, ExchangeProcess, wait_until
from fix_client import Closed, FixClient

TRANSPORTS = ("tcp", "zmq")


def client(exchange: ExchangeProcess, transport: str, comp_id: str) -> FixClient:
    return FixClient(transport, exchange.port(f"fix_{transport}"), comp_id)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_two_clients_trade_and_cancel(exchange: ExchangeProcess, transport: str) -> None:
    with client(exchange, transport, "BUYER") as buyer, client(exchange, transport, "SELLER") as seller:
        buyer.logon()
        seller.logon()
        buyer.send_bytes(buyer.order("b1", "buy", 100, "10.00"))
        assert buyer.expect("8")[150] == "0"
        seller.send_bytes(seller.order("s1", "sell", 60, "9.99"))
        assert seller.expect("8")[150] == "0"
        taker, maker = seller.expect("8"), buyer.expect("8")
        assert (taker[150], taker[31], taker[32], taker[851]) == ("F", "10.00", "60", "2")
        assert (maker[150], maker[31], maker[32], maker[851]) == ("F", "10.00", "60", "1")
        assert taker[880] == maker[880]
        buyer.send_bytes(buyer.cancel("b2", "b1", "buy"))
        cancelled = buyer.expect("8")
        assert (cancelled[150], cancelled[11], cancelled[41], cancelled[14], cancelled[151]) == (
            "4",
            "b2",
            "b1",
            "60",
            "0",
        )
        buyer.send("5")
        assert buyer.expect("5")[35] == "5"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_tcp_asks_whether_a_silent_client_is_still_there(exchange: ExchangeProcess, transport: str) -> None:
    """The kernel's table names the timer that runs for a connection: 02 is keepalive."""
    with client(exchange, transport, "ALICE") as alice:
        alice.logon()
        port = f":{exchange.port(f'fix_{transport}'):04X}"

        def timers() -> list[str]:
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return [row[5][:2] for row in rows if row[1].endswith(port) and row[3] == "01"]

        wait_until(lambda: timers() == ["02"])  # 01 while something sent is not acknowledged yet


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_session_continues_after_a_restart(exchange: ExchangeProcess, transport: str) -> None:
    with client(exchange, transport, "ALICE") as alice:
        alice.logon()
        alice.send_bytes(alice.order("a1", "buy", 100, "10.00"))
        alice.expect("8")
        alice.close()
        assert exchange.stop() == 0
        assert not (exchange.data / "endpoints.json").exists()
        exchange.start()
        alice.port = exchange.port(f"fix_{transport}")
        alice.logon()
        alice.catch_up()
        alice.send("H", (11, "a1"), (55, "AAPL"), (54, 1))
        status = alice.expect("8")
        assert (status[150], status[39], status[151]) == ("I", "0", "100")


def test_many_messages_in_one_frame(exchange: ExchangeProcess) -> None:
    for transport in TRANSPORTS:
        with client(exchange, transport, f"MANY-{transport}") as many:
            many.logon()
            many.send_bytes(b"".join(many.order(f"m{n}", "buy", 1, "10.00") for n in range(1000)))
            assert [many.expect("8")[11] for _ in range(1000)] == [f"m{n}" for n in range(1000)]


def test_what_comes_behind_a_logon_in_the_same_frame_is_taken_after_it(exchange: ExchangeProcess) -> None:
    for transport in TRANSPORTS:
        with client(exchange, transport, f"EAGER-{transport}") as eager:
            eager.connect()
            eager.send_bytes(eager.next("A", (98, 0), (108, 30)) + eager.order("e1", "buy", 1, "10.00"))
            assert eager.receive()[35] == "A"
            assert eager.expect("8")[11] == "e1"


def test_a_second_logon_of_one_comp_id_is_refused_and_harms_nobody(exchange: ExchangeProcess) -> None:
    with client(exchange, "tcp", "ALICE") as first:
        first.logon()
        before = exchange.ask(command="status")["input_number"]
        for transport in ("tcp", "zmq"):
            with client(exchange, transport, "ALICE") as second, pytest.raises(Closed, match=r"^$"):
                second.logon()
        assert exchange.ask(command="status")["input_number"] == before
        first.send_bytes(first.order("a1", "buy", 1, "10.00"))
        assert first.expect("8")[150] == "0"


def test_a_logon_that_is_wrong_in_itself_is_told_so_and_leaves_no_trace_in_the_log(
    exchange: ExchangeProcess,
) -> None:
    before = exchange.ask(command="status")["input_number"]
    for transport in ("tcp", "zmq"):
        for fields, said in (
            (((98, 1), (108, 30)), "EncryptMethod"),
            (((98, 0), (108, 86_401)), "HeartBtInt"),
            (((98, 0), (108, 30), (141, "Y")), "ResetSeqNumFlag"),
        ):
            with client(exchange, transport, f"NEW-{transport}") as one:
                one.next_out = 2
                one.connect()
                one.send_bytes(one.next("A", *fields))
                assert said in one.receive()[58]
    assert exchange.ask(command="status")["input_number"] == before


def test_a_zeromq_client_says_bye_and_its_session_is_free(exchange: ExchangeProcess) -> None:
    with client(exchange, "zmq", "ALICE") as first, client(exchange, "tcp", "ALICE") as second:
        first.logon()
        first.bye()
        # The Logon takes a faster way than the bye.
        while exchange.ask(command="status")["connections"]["zeromq"]:
            time.sleep(0.01)
        second.next_out, second.next_in = first.next_out, first.next_in
        second.logon()


def test_a_routing_id_without_a_session_is_told_so(exchange: ExchangeProcess) -> None:
    with client(exchange, "zmq", "NOBODY") as nobody:
        nobody.connect()
        nobody.send("0")
        with pytest.raises(Closed):
            nobody.receive()


def test_a_second_process_on_the_same_data_is_refused(exchange: ExchangeProcess) -> None:
    second = exchange.run(
        "serve", "--config", str(exchange.directory / "config.toml"), "--data", str(exchange.data)
    )
    assert second.returncode != 0
    assert str(exchange.data) in second.stderr
    assert "Traceback" not in second.stderr
    with client(exchange, "tcp", "ALICE") as alice:
        alice.logon()


def test_first_start_of_an_exchange_without_members_changes_nothing(tmp_path: Path) -> None:
    exchange = ExchangeProcess(tmp_path)
    exchange.command.append("--first-start")
    with exchange, client(exchange, "tcp", "ALICE") as alice:
        alice.logon()


def test_status_for_people_and_programs(exchange: ExchangeProcess) -> None:
    answer = exchange.run("status", "--json", "--data", str(exchange.data))
    status = json.loads(answer.stdout)
    assert status["accepting"] is True
    assert status["last_index"] == status["applied_index"] >= 2
    assert "accepting" in exchange.run("status", "--data", str(exchange.data)).stdout
    assert exchange.ask(command="instruments")["instruments"]["BTC/USD"]["quantity_increment"] == "0.00000001"
    assert "allowed" in exchange.ask(command="nonsense")["error"]
    nowhere = exchange.run("status", "--data", str(exchange.directory))
    assert nowhere.returncode != 0
    assert "no exchange runs" in nowhere.stderr


def test_a_configuration_that_disagrees_with_the_log_is_refused_with_its_key(
    exchange: ExchangeProcess,
) -> None:
    assert exchange.stop() == 0
    file = exchange.directory / "config.toml"
    for text, key in (
        ('[exchange]\ncomp_id = "OTHER"\n', "exchange.comp_id"),
        ('[[instruments]]\nsymbol = "AAPL"\nprice_increment = "0.05"\n', "instruments"),
        ('[[instruments]]\nsymbol = "XYZ"\n', "instruments"),
    ):
        file.write_text(CONFIG + text)
        refused = exchange.run("serve", "--config", str(file), "--data", str(exchange.data))
        assert refused.returncode != 0
        assert str(file) in refused.stderr
        assert key in refused.stderr
        assert "Traceback" not in refused.stderr
    file.write_text(CONFIG)
    exchange.start()


def test_the_printed_configuration_loads_as_it_is(exchange: ExchangeProcess, tmp_path: Path) -> None:
    printed = exchange.run("config").stdout
    for name in ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin"):
        start = printed.index(f"{name} = ")
        printed = printed[:start] + f"{name} = 0" + printed[printed.index(" ", start + len(name) + 3) :]
    with ExchangeProcess(tmp_path / "other", config=printed) as other:
        assert other.ask(command="status")["accepting"]


def test_sigint_stops_cleanly(exchange: ExchangeProcess) -> None:
    exchange.signal(signal.SIGINT)
    assert exchange.wait() == 0
    assert any(line.startswith("stopped") for line in exchange.output)


@pytest.mark.parametrize("when", ["_recover", "_listen"])
def test_sigint_while_it_starts_stops_cleanly(tmp_path: Path, when: str) -> None:
    script = f"""
import os, signal
from gateway import cli, server
was = server.Server.{when}
def {when}(self):
    os.kill(os.getpid(), signal.SIGINT)
    return was(self)
server.Server.{when} = {when}
cli.main()
"""
    one = ExchangeProcess(tmp_path)
    one.command[one.command.index("-c") + 1] = script
    done = subprocess.run(
        one.command,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=one.environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("stopped\n")
    assert ("ready " in done.stdout) == (when == "_listen")
    assert not (one.data / "endpoints.json").exists()


@pytest.mark.parametrize("what", ["cluster.members", "network.feed"])
def test_a_first_start_that_cannot_listen_leaves_no_log(tmp_path: Path, what: str) -> None:
    """What the file says wrongly would be in it for ever."""
    (address,) = free_members(1).values()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        config = config_of("ab" * 16, 1, {1: f"127.0.0.1:{port}" if what == "cluster.members" else address})
        config = config.replace("feed = 0", f"feed = {port if what == 'network.feed' else 0}")
        one = ExchangeProcess(tmp_path, config=config)
        one.command.append("--first-start")
        done = subprocess.run(
            one.command,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env=one.environment,
            check=False,
        )
        assert done.returncode == 1
        assert f"{what}: " in done.stderr
        assert "Address already in use" in done.stderr
        assert not list(one.data.glob("*.segment*"))
    (one.directory / "config.toml").write_text(config_of("ab" * 16, 1, {1: address}))
    with one:
        assert one.ask(command="status")["membership"][0]["address"] == address


def test_one_line_begins_ready(exchange: ExchangeProcess) -> None:
    ready = [line for line in exchange.output if line.startswith("ready")]
    assert len(ready) == 1
    pairs = dict(pair.split("=", 1) for pair in ready[0].split()[1:])
    assert pairs == {name: str(value) for name, value in exchange.endpoints.items()}
    assert pairs.keys() >= {"fix_zmq", "fix_tcp", "feed", "snapshot", "admin"}
