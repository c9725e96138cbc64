"""Many orders in flight: the mix of W1 through a window, from one client process, and what bounds it.

The floors, each repeat in turn with the exchange: the same client code sends the same requests through the same window
to an echo over the same transport, so that client and transport are all there is; and the disk writes and syncs a
window's inputs at a time. No exchange can go beyond the slower of the two.
"""

import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from bench.disk import Disk
from bench.fix import new_order
from bench.histograms import figures, histogram
from bench.order_mix import PREFILL
from bench.processes import Exchange, echo
from gateway import fix
from gateway.client import Client, connect

INPUT_BYTES = len(fix.scan_message(new_order(1)))  # of the log, for an order
SYNCS = 20  # a repeat
MAKER = ord("1")
REJECTED, CANCEL_REJECT = ord("8"), ord("9")


class Streamed(NamedTuple):
    """What a client saw. Times are monotonic_ns, a value for each request."""

    intended: npt.NDArray[np.int64]
    answered: npt.NDArray[np.int64]
    reports: int
    seconds: float


class OutOfTurn(Exception):
    """A report that the flow does not call for."""


def many_in_flight(
    venue: Exchange, transport: str, window: int, requests: npt.NDArray[np.void], directory: Path, repeat: int
) -> tuple[dict[str, Any], HdrHistogram]:
    """All requests after the prefill, at most `window` unanswered: medians of the rates, latencies of all repeats."""
    disk = Disk(directory / "disk")
    count = len(requests) - PREFILL
    rates: dict[str, list[float]] = {"exchange": [], "echo": [], "disk": []}
    latencies, processor = [], []
    with echo(transport) as (_, mirror):
        for number in range(repeat):
            name = f"MIX-{transport}-{window}-{number}"
            with connect(venue.fix[transport], name, heartbeat_seconds=60, timeout=60) as client:
                stream(client, requests[:PREFILL], 1024)
                began = time.process_time()
                taken = stream(client, requests[PREFILL:], window, PREFILL)
                processor.append((time.process_time() - began) / count * 1e6)
                client.mass_cancel()
            rates["exchange"].append(count / taken.seconds)
            latencies.append(taken.answered - taken.intended)
            with connect(mirror, "ECHO", target="ECHO", heartbeat_seconds=3600, timeout=60) as client:
                echoed = stream(client, requests[PREFILL:], window, PREFILL)
            rates["echo"].append(count / echoed.seconds)
            syncs = [disk.sync(window * INPUT_BYTES) for _ in range(SYNCS)]
            rates["disk"].append(window / statistics.median(syncs) * 1e9)
    disk.close()
    found = histogram(np.concatenate(latencies))
    rate, echo_rate, disk_rate = (statistics.median(rates[name]) for name in ("exchange", "echo", "disk"))
    return {
        "bench": "wire",
        "what": "many in flight",
        "transport": transport,
        "window": window,
        "messages": count,
        "repeat": repeat,
        "reports": taken.reports,
        "rate": round(rate),
        "echo_rate": round(echo_rate),
        "disk_rate": round(disk_rate),
        "ratio": round(min(echo_rate, disk_rate) / rate, 2),
        "client_us_per_message": round(statistics.median(processor), 3),
        **figures(found),
    }, found


def stream(client: Client, requests: npt.NDArray[np.void], window: int, before: int = 0) -> Streamed:
    """Send all through a window, and read until all are answered, in their order.

    A request is meant to leave at the moment at which the window has room for it. ClOrdIDs count from `before` + 1.
    """
    count = len(requests)
    intended, answered = np.zeros(count, np.int64), np.zeros(count, np.int64)
    sent = done = reports = 0
    began = now = time.monotonic_ns()
    while done < count:
        room = min(window - (sent - done), count - sent)
        if room:
            intended[sent : sent + room] = now
            client.send(requests[sent : sent + room])
            sent += room
        received = client.receive(5.0)
        now = time.monotonic_ns()
        for batch, start, stop in received:
            reports += stop - start
            last = last_answered(batch.array[start:stop], before + done)
            answered[done : last - before] = now
            done = last - before
    return Streamed(intended, answered, reports, (now - began) / 1e9)


def last_answered(reports: npt.NDArray[np.void], before: int) -> int:
    """The ClOrdID up to which requests are answered, when they were up to `before`.

    Raises OutOfTurn. Every request of the mix is taken and answered in its order, first of all by reports under its own
    ClOrdID; only a maker's fill comes under another's.
    """
    refused = (reports["ord_status"] == REJECTED) | (reports["msg_type"] == CANCEL_REJECT)
    numbers = reports["cl_ord_id_number"][reports["maker_taker"] != MAKER]
    steps = np.diff(numbers, prepend=np.uint64(before))
    if refused.any() or (steps > 1).any():
        raise OutOfTurn(f"a request after {before} was refused, or answered out of its turn")
    return int(numbers[-1]) if len(numbers) else before
