"""Three replicas under load: kills, freezes, handovers of the leader; a snapshot of it; a replica that is far behind.

    python -m bench.failover [--kills N] [--freezes N] [--transfers N] [--resting N] [--behind N] [--plot FILE]

Prints JSON lines. An open-loop client at a survivor sends an order every half millisecond, whatever is answered.
*Pause*: from the kill (freeze, request) to the first report for an order that was sent after it. Beside it: the same
for a client that was connected to the dead replica and goes on at another; and, as the floor, when the kernel closes
the dead replica's connections, seen by a plain socket. Every order is answered, once: else the bench fails. The picture
shows the reports around each kill.
"""

import argparse
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.cluster import Cluster, cluster
from bench.many_in_flight import CANCEL_REJECT, REJECTED, stream
from bench.order_mix import order_mix
from bench.processes import ROOT, directory
from bench.surroundings import surroundings
from bench.wire import Rounds, one_way_requests
from gateway.client import Client, connect
from gateway.cluster_command import directory_of
from gateway.data_directory import read_endpoints

MS = 1_000_000
BETWEEN_NS = 500_000  # two orders of the open loop
BEFORE_NS = 200 * MS  # of load, before something happens
AFTER_NS = 200 * MS  # and after the first report
PATIENCE_NS = 10_000 * MS
RESTING_WINDOW = 4096


class Failed(Exception):
    """An order without an answer, or with two."""


class Seen(NamedTuple):
    """What the client at a survivor saw; monotonic_ns."""

    happened: int
    sent: list[int]
    answered: list[int]  # when each order's report came

    @property
    def pause_ms(self) -> float:
        return (
            min(at for sent, at in zip(self.sent, self.answered, strict=True) if sent > self.happened)
            - self.happened
        ) / MS


def load(client: Client, happen: Callable[[], int], going_on: Callable[[], bool] = lambda: False) -> Seen:
    """Orders at a steady pace; `happen` is called on the way, and says when it happened. Ends some time after the first
    report for a later order, and not while `going_on`. Raises Failed."""
    rows = one_way_requests()
    sent: list[int] = []
    answered: dict[int, int] = {}
    happened = first_ns = 0
    over = False
    begin = next_ns = time.monotonic_ns()
    while True:
        now = time.monotonic_ns()
        if not happened and now - begin > BEFORE_NS:
            happened = happen()
        over = over or (bool(first_ns) and now - first_ns > AFTER_NS and not going_on())
        if not over and now >= next_ns:
            number = len(sent)
            row = rows[number % 2 : number % 2 + 1]
            row["cl_ord_id"] = b"%d" % (number + 1)
            if number % 2:
                row["orig_cl_ord_id"] = b"%d" % number
            sent.append(now)
            client.send(row)
            next_ns += BETWEEN_NS
        for batch, start, stop in client.receive(max(next_ns - time.monotonic_ns(), 0) / 1e9):
            now = time.monotonic_ns()
            found = batch.array[start:stop]
            if (found["ord_status"] == REJECTED).any() or (found["msg_type"] == CANCEL_REJECT).any():
                raise Failed("an order was rejected")
            for id in found["cl_ord_id_number"].tolist():
                if id in answered:
                    raise Failed(f"order {id} was answered twice")
                answered[id] = now
                if happened and not first_ns and sent[id - 1] > happened:
                    first_ns = now
        if over and len(answered) == len(sent):
            return Seen(happened, sent, [answered[number + 1] for number in range(len(sent))])
        if (happened and not first_ns and now - happened > PATIENCE_NS) or now - next_ns > PATIENCE_NS:
            missing = [number + 1 for number in range(len(sent)) if number + 1 not in answered]
            raise Failed(f"{len(missing)} of {len(sent)} orders have no answer, the first is {missing[:1]}")


class Victim(threading.Thread):
    """A client of the replica that dies, one order in flight: it goes on at another. rounds: (sent, answered) of each
    order."""

    def __init__(self, endpoints: list[str], name: str) -> None:
        super().__init__(daemon=True)
        self._client = connect(endpoints, name, heartbeat_seconds=60, timeout=10)
        self._trips = Rounds(self._client)
        self._trips(2)
        self._end = threading.Event()
        self.rounds: list[tuple[int, int]] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self._end.wait(0.004):
                sent = time.monotonic_ns()
                self._trips(1)
                self.rounds.append((sent, time.monotonic_ns()))
        except Exception as error:
            self.failure = error

    def pause_ms(self, killed: int) -> float:
        """As Seen.pause_ms. Raises Failed."""
        self._end.set()
        self.join(PATIENCE_NS / 1e9)
        back = [answered for sent, answered in self.rounds if sent > killed]
        if self.failure is not None or not back:
            raise Failed(f"the client of the dead replica did not come back: {self.failure}")
        self._client.close()
        return (back[0] - killed) / MS


class Mourner(threading.Thread):
    """A plain connection to the replica that dies: `closed_ns`, when the kernel ends it."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(daemon=True)
        host, _, port = endpoint.removeprefix("fix+tcp://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self.closed_ns = 0

    def run(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            self._socket.recv(1)
        self.closed_ns = time.monotonic_ns()
        self._socket.close()


# ---------------------------------------------------------------- what happens


def kill(venue: Cluster, number: int) -> tuple[Seen, dict[str, Any]]:
    leader, survivor = venue.leader(), venue.followers()[0]
    others = [venue.fix(file, "tcp") for file in [leader, *venue.followers()]]
    victim = Victim(others, f"VICTIM-{number}")
    mourner = Mourner(read_endpoints(directory_of(leader))["fix_tcp"])
    with connect(venue.fix(survivor, "tcp"), f"KILL-{number}", heartbeat_seconds=60) as client:
        victim.start()
        mourner.start()
        seen = load(client, lambda: venue.signal(leader, signal.SIGKILL))
    line = {
        "what": "kill",
        "pause_ms": seen.pause_ms,
        "reconnected_ms": victim.pause_ms(seen.happened),
        "closed_ms": (mourner.closed_ns - seen.happened) / MS,
    }
    venue.start(leader)
    venue.wait_until_equal()
    return seen, line


def freeze(venue: Cluster, number: int) -> tuple[Seen, dict[str, Any]]:
    leader, survivor = venue.leader(), venue.followers()[0]
    with connect(venue.fix(survivor, "tcp"), f"FREEZE-{number}", heartbeat_seconds=60) as client:
        seen = load(client, lambda: venue.signal(leader, signal.SIGSTOP))
    venue.signal(leader, signal.SIGCONT)
    venue.wait_until_equal()
    return seen, {"what": "freeze", "pause_ms": seen.pause_ms}


def transfer(venue: Cluster, number: int) -> tuple[Seen, dict[str, Any]]:
    leader, survivor = venue.leader(), venue.followers()[0]

    def hand_over() -> int:
        when = time.monotonic_ns()
        venue.ask(leader, command="transfer")
        return when

    with connect(venue.fix(survivor, "tcp"), f"TRANSFER-{number}", heartbeat_seconds=60) as client:
        seen = load(client, hand_over)
    venue.wait_until_equal()
    return seen, {
        "what": "transfer",
        "pause_ms": seen.pause_ms,
        "longest_silence_ms": longest_silence_ms(seen),
    }


def rest(venue: Cluster, orders: int) -> None:
    """So many resting orders, which every replica holds in memory."""
    rows = np.repeat(one_way_requests()[:1], orders)
    rows["price"] = 1 + np.arange(orders) % 10_000
    rows["cl_ord_id"] = np.arange(1, orders + 1).astype("S")
    with connect(venue.fix(venue.leader(), "tcp"), "RESTING", heartbeat_seconds=60, timeout=60) as client:
        stream(client, rows, RESTING_WINDOW)
    venue.wait_until_equal()


def behind(venue: Cluster, commands: int) -> dict[str, Any]:
    """A follower is away while so many commands come; then it is started while trading goes on."""
    requests = order_mix(commands)
    follower, leader = venue.followers()[0], venue.leader()
    with connect(venue.fix(leader, "tcp"), "BEFORE", heartbeat_seconds=60, timeout=60) as client:
        before = load(client, time.monotonic_ns)
    venue.signal(follower, signal.SIGKILL)
    with connect(venue.fix(leader, "tcp"), "BEHIND", heartbeat_seconds=60, timeout=60) as client:
        stream(client, requests, RESTING_WINDOW)
        client.mass_cancel()
    returning = Returning(venue, follower, leader)
    with connect(venue.fix(leader, "tcp"), "MEANWHILE", heartbeat_seconds=60, timeout=60) as client:
        returning.start()
        during = load(client, time.monotonic_ns, returning.is_alive)
    return {
        "what": "behind",
        "commands": commands,
        "seconds": returning.seconds,
        "before_us_p99": p99_us(before),
        "during_us_p99": p99_us(during),
    }


class Returning(threading.Thread):
    """Starts a replica, and ends when it has applied what was committed when it was ready."""

    def __init__(self, venue: Cluster, replica: Path, leader: Path) -> None:
        super().__init__(daemon=True)
        self._venue, self._replica, self._leader = venue, replica, leader
        self.seconds = 0.0

    def run(self) -> None:
        venue = self._venue
        began = time.monotonic()
        venue.start(self._replica)
        goal = venue.status(self._leader)["commit_index"]
        while venue.status(self._replica)["applied_index"] < goal:
            time.sleep(0.02)
        self.seconds = time.monotonic() - began


def snapshot(venue: Cluster, resting: int) -> dict[str, Any]:
    """A snapshot of the leader, made beside it, while a client of the leader trades."""
    leader = venue.leader()
    making = Making(directory_of(leader))

    def make() -> int:
        making.start()
        return time.monotonic_ns()

    with connect(venue.fix(leader, "tcp"), "WITHOUT", heartbeat_seconds=60, timeout=60) as client:
        before = load(client, time.monotonic_ns)
    with connect(venue.fix(leader, "tcp"), "BESIDE", heartbeat_seconds=60, timeout=60) as client:
        during = load(client, make, making.is_alive)
    if making.failure:
        raise Failed(f"no snapshot was made: {making.failure}")
    return {
        "what": "snapshot",
        "resting": resting,
        "seconds": making.seconds,
        "before_ms": longest_silence_ms(before),
        "silence_ms": longest_silence_ms(during),
    }


class Making(threading.Thread):
    """Runs `quorumbook snapshot` on a replica's directory."""

    def __init__(self, data: Path) -> None:
        super().__init__(daemon=True)
        self._command = [sys.executable, "-m", "gateway.cli", "snapshot", "--data", str(data)]
        self.seconds = 0.0
        self.failure = ""

    def run(self) -> None:
        began = time.monotonic()
        made = subprocess.run(self._command, capture_output=True, text=True, check=False)
        self.seconds = time.monotonic() - began
        self.failure = made.stdout + made.stderr if made.returncode else ""


def longest_silence_ms(seen: Seen) -> float:
    """Between two reports, from 20 ms before it happened on."""
    gaps = np.diff(np.sort(np.array([at for at in seen.answered if at > seen.happened - 20 * MS])))
    return float(gaps.max()) / MS


def p99_us(seen: Seen) -> float:
    return float(np.percentile(np.array(seen.answered) - np.array(seen.sent), 99)) / 1000


# ---------------------------------------------------------------- the run


def measure(options: argparse.Namespace, seen: dict[str, list[Seen]]) -> Iterator[dict[str, Any]]:
    """seen: gets what the picture shows."""
    with directory() as path, cluster(path / "data") as venue:
        for name, happen, count in (
            ("kill", kill, options.kills),
            ("freeze", freeze, options.freezes),
            ("transfer", transfer, options.transfers),
        ):
            yield from several(venue, name, happen, count, seen)
        if options.resting:
            rest(venue, options.resting)
            name = f"kill with {options.resting:,} resting orders"
            yield from several(venue, name, kill, max(options.kills // 4, 1), seen)
            yield snapshot(venue, options.resting)
    if options.behind:
        with directory() as path, cluster(path / "data") as venue:  # what it has missed is all it has to do
            yield behind(venue, options.behind)


def several(
    venue: Cluster,
    name: str,
    happen: Callable[[Cluster, int], tuple[Seen, dict[str, Any]]],
    count: int,
    seen: dict[str, list[Seen]],
) -> Iterator[dict[str, Any]]:
    """A line for all of them."""
    lines = []
    for number in range(count):
        one, line = happen(venue, len(seen) * 1000 + number)
        seen.setdefault(name, []).append(one)
        lines.append(line)
    if lines:
        yield {"what": name, "count": count} | {
            f"{key}_{how}": round(of([line[key] for line in lines]), 2)
            for key in lines[0]
            if key != "what"
            for how, of in (("median", statistics.median), ("worst", max))
        }


def draw(seen: dict[str, list[Seen]], title: str, path: Path) -> None:
    """A panel for each kind, a line for each time, a dot for each report, from 20 ms before it happened."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(seen), figsize=(6 * len(seen), 6), squeeze=False)
    for axes, (name, times) in zip(panels[0], seen.items(), strict=True):
        for line, one in enumerate(times):
            sent = (np.array(one.sent) - one.happened) / MS
            answered = (np.array(one.answered) - one.happened) / MS
            for later, colour, label in ((False, "C0", "sent before"), (True, "C1", "sent after")):
                shown = answered[(sent > 0) == later]
                axes.plot(shown, np.full(len(shown), line), "|", color=colour, label=None if line else label)
        worst = max(one.pause_ms for one in times)
        axes.set_xlim(-20, worst + 40)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_title(name)
        axes.set_xlabel("ms since it happened")
        axes.set_yticks([])
        axes.legend(loc="upper right")
    figure.suptitle(f"Every report that a client at a survivor got. {title}")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.failover", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--kills", type=int, default=20, help="of the leader (default 20; 0 = none)")
    parser.add_argument("--freezes", type=int, default=5, help="of the leader, SIGSTOP (5)")
    parser.add_argument("--transfers", type=int, default=10, help="of the leadership (10)")
    parser.add_argument(
        "--resting",
        type=int,
        default=1_000_000,
        help="orders that rest in memory while leaders are killed and a snapshot is made (1000000)",
    )
    parser.add_argument(
        "--behind", type=int, default=1_000_000, help="commands that a replica has missed (1000000)"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        default=ROOT / "bench" / "results" / "failover.png",
        help="where the picture goes",
    )
    options = parser.parse_args()
    seen: dict[str, list[Seen]] = {}
    try:
        for result in measure(options, seen):
            print(json.dumps({"bench": "failover"} | result | surroundings()), flush=True)
    except Failed as failed:
        print(f"bench.failover: {failed}", file=sys.stderr)
        return 1
    here = surroundings()
    if seen:
        draw(seen, f"{here['cpu']}, {here['cores']} cores, {here['date'][:10]}", options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
