"""The table that `make bench` prints: one row a figure, what is to be reached, and the floor of the same run."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Line = dict[str, Any]
"""What a benchmark printed, with `run`: the name that it was started under."""


class Row(NamedTuple):
    """`ratio` is how many times the floor's cost the figure costs; `reached` None where nothing is to be reached."""

    what: str
    figure: str
    reach: str
    reached: bool | None
    floor: str
    ratio: str


FLASH1_REACH = 10.0  # million messages a second
REPLAY_REACH = 3e6  # commands a second
MANY_REACH = 200_000  # orders a second, 1,024 in flight
ONE_REACH = 1.3  # times the floor
MEMORY_REACH = 1.6  # the same with durability = "memory"
REPLICATED_REACH = 150_000  # orders a second, 1,024 in flight
BEHIND_SECONDS = 10
SNAPSHOT_SILENCE_MS = 20
CROWD_SHARE = 0.05  # of a core, 2,000 sessions with heartbeats
RESEND_SECONDS = 2  # 100,000 messages; another's p99 at most doubles meanwhile
FAILOVER_REACH = {
    "kill": (10, 60),
    "kill with": (30, 0),
    "freeze": (0, 300),
    "cut off": (0, 300),
    "transfer": (0, 10),
}
"""Milliseconds: the median, the worst; 0 = any."""
MATCH_REACH = {"W1": 40, "W2": 150, "W1, Python API": 500}  # ns
ORDER_BYTES, INSTRUMENT_BYTES = 96, 4096
INSTRUMENTS_REACH = 3.0  # times W1 of the same run
PLAIN_PATH_REACH = 0.03  # more instructions than before there was a rule book
KIND_REACH = 3.0  # times a limit order
WORK_REACH = {
    "repricing": 2,
    "an auction, half of them trade": 100,
    "an auction, all of them trade": 100,
}  # ms
PIECE_REACH = 5  # ms
OTHERS_REACH = 250  # ms that another session waits, while a cluster does something about a million orders


def rows(lines: list[Line]) -> Iterator[Row]:
    """The rows of all lines, in their order."""
    w1 = next((line["ns_op"] for line in lines if line["run"].removeprefix(OWN) == "W1"), None)
    for line in lines:
        if line["bench"] == "match":
            yield match_row(line, w1)
        else:
            yield from ROWS[line["bench"]](line)
    flash1 = [line for line in lines if line["run"].startswith("flash1")]
    if flash1:
        yield worst_flash1_row(flash1)


OWN = "own "
"""Before the name of a run whose workload `bench.generate` made."""


def match_row(line: Line, w1: float | None) -> Row:
    name = line["run"].removeprefix(OWN)
    floor, ratio = f"{line['floor_ns_op']:.0f} ns", f"{line['cpu_ns_op'] / line['floor_ns_op']:.1f}"
    figure = f"{line['ns_op']:.0f} ns/operation (cpu {line['cpu_ns_op']:.0f})"
    if line["run"].startswith("flash1"):
        return Row(line["run"], f"{1000 / line['ns_op']:.1f} M/s", "", None, floor, ratio)
    if line["instruments"] > 1:
        if w1 is None:
            return Row(line["run"], figure, "3 x W1", None, floor, ratio)
        times = line["ns_op"] / w1
        return Row(
            line["run"], f"{figure}, {times:.1f} x W1", "3 x W1", times <= INSTRUMENTS_REACH, floor, ratio
        )
    if name in MATCH_REACH:
        reach = MATCH_REACH[name]
        return Row(line["run"], figure, f"{reach} ns", line["ns_op"] <= reach, floor, ratio)
    return Row(line["run"], figure, "", None, floor, ratio)


def worst_flash1_row(lines: list[Line]) -> Row:
    worst = max(lines, key=lambda line: line["ns_op"])
    rate = 1000 / worst["ns_op"]
    figure = f"{rate:.1f} M/s ({worst['run'].removeprefix('flash1 ')})"
    floor, ratio = (
        f"{1000 / worst['floor_ns_op']:.0f} M/s",
        f"{worst['cpu_ns_op'] / worst['floor_ns_op']:.1f}",
    )
    return Row(f"flash1, worst of {len(lines)}", figure, "10 M/s", rate >= FLASH1_REACH, floor, ratio)


def memory_rows(line: Line) -> Iterator[Row]:
    instrument = max(
        line[f"{book}_instrument_bytes_{how}"]
        for book in ("empty", "emptied")
        for how in ("resident", "account")
    )
    for what, figure, reach, floor in (
        ("a resting order", line["order_bytes_resident_worst"], ORDER_BYTES, line["order_bytes_floor"]),
        ("an instrument, book empty", instrument, INSTRUMENT_BYTES, line["empty_instrument_bytes_floor"]),
    ):
        yield Row(
            f"memory: {what}",
            f"{figure:.0f} bytes",
            f"{reach:,} bytes",
            figure <= reach,
            f"{floor:.0f} bytes",
            f"{figure / floor:.1f}",
        )


def rulebook_rows(line: Line) -> Iterator[Row]:
    what = line["what"]
    if what == "plain path":
        more = line["instructions"] / line["before"] - 1
        figure = f"{line['instructions']:.1f} instructions, {more:+.1%}"
        yield Row(what, figure, f"{PLAIN_PATH_REACH:+.0%}", more <= PLAIN_PATH_REACH, "", "")
        return
    if "times" in line:
        figure = f"{line['ns']:.0f} ns, {line['times']:.1f} x a limit order"
        reach, floor = f"{KIND_REACH:.0f} x", f"{line['limit_ns']:.0f} ns"
        yield Row(f"{what} order", figure, reach, line["times"] <= KIND_REACH, floor, f"{line['times']:.1f}")
        return
    reach, reached = f"pieces {PIECE_REACH} ms", line["longest_ms"] <= PIECE_REACH
    if what in WORK_REACH:
        reach = f"{WORK_REACH[what]} ms, {reach}"
        reached = reached and line["ms"] <= WORK_REACH[what]
    figure = f"{line['ms']:,.1f} ms, longest piece {line['longest_ms']:.2f} ms"
    floor = ratio = ""
    if line["reports"] > line["orders"] / 4:  # not where almost nothing is told
        floor, ratio = f"{line['floor_ms']:.1f} ms", f"{line['ms'] / line['floor_ms']:.0f}"
    yield Row(f"{line['orders']:,}: {what}", figure, reach, reached, floor, ratio)


def fix_rows(line: Line) -> Iterator[Row]:
    reach = f"{line['reach_per_second'] / 1e6:.1f} M/s"
    figure = f"{line['per_second'] / 1e6:.2f} M/s ({line['ns']:.0f} ns)"
    reached = line["per_second"] >= line["reach_per_second"]
    yield Row(
        f"FIX {line['what']}", figure, reach, reached, f"{line['floor_ns']:.0f} ns", f"{line['ratio']:.1f}"
    )


def apply_rows(line: Line) -> Iterator[Row]:
    reach = 1e9 / REPLAY_REACH
    figure, floor = line["apply_ns"], line["engine_ns"]
    yield Row(
        "apply, an input",
        f"{figure:.0f} ns",
        f"{reach:.0f} ns",
        figure <= reach,
        f"{floor:.0f} ns",
        f"{figure / floor:.1f}",
    )


def feed_rows(line: Line) -> Iterator[Row]:
    figure, floor, reach = line["ns"], line["floor_ns"], line["reach_ns"]
    yield Row(
        line["name"] if line["name"].startswith("egress") else f"feed, {line['name']}",
        f"{figure:.0f} ns",
        f"{reach:.0f} ns" if reach else "",
        figure <= reach if reach else None,
        f"{floor:.0f} ns",
        f"{figure / floor:.1f}",
    )


def wire_rows(line: Line) -> Iterator[Row]:
    yield {"one in flight": one_row, "many in flight": many_row, "replay": replay_row}[line["what"]](line)


def one_row(line: Line) -> Row:
    return Row(
        f"one in flight, {line['transport']}, {line['placement']}",
        f"p50 {line['exchange_latency_us_p50']:.0f} µs, p99 {line['exchange_latency_us_p99']:.0f} µs",
        f"{ONE_REACH} x floor",
        line["ratio"] <= ONE_REACH,
        f"p50 {line['floor_latency_us_p50']:.0f} µs, p99 {line['floor_latency_us_p99']:.0f} µs; "
        f"synced {line['synced_echo_latency_us_p50']:.0f}",
        f"{line['ratio']:.2f}; {line['synced_echo_ratio']:.2f}",
    )


def many_row(line: Line) -> Row:
    return Row(
        f"{line['window']:,} in flight, {line['transport']}",
        f"{line['rate']:,.0f}/s, p50 {line['latency_us_p50']:,.0f} µs, p99 {line['latency_us_p99']:,.0f} µs",
        f"{MANY_REACH:,}/s" if line["window"] == 1024 else "",
        line["rate"] >= MANY_REACH if line["window"] == 1024 else None,
        f"echo {line['echo_rate']:,.0f}/s, disk {line['disk_rate']:,.0f}/s",
        f"{line['ratio']:.1f}",
    )


def replay_row(line: Line) -> Row:
    rate = line["commands_per_s"]
    return Row(
        "replay, checksums verified",
        f"{rate:,.0f}/s",
        f"{REPLAY_REACH:,.0f}/s",
        rate >= REPLAY_REACH,
        f"{line['floor_commands_per_s']:,.0f}/s",
        f"{line['ratio']:.1f}",
    )


def replicate_rows(line: Line) -> Iterator[Row]:
    yield {
        "one in flight": replicated_row,
        "many in flight": many_replicated_row,
        "false elections": elections_row,
    }[line["what"]](line)


def replicated_row(line: Line) -> Row:
    """reach_us: what a client at a follower may wait for, by what one at the leader does."""
    memory = line["durability"] == "memory"
    what = f"replicated, one in flight, {line['transport']}, " + (
        "in memory" if memory else f"client at the {line['client_at']}"
    )
    p50 = line["latency_us_p50"]
    figure = f"p50 {p50:,.0f} µs, p99 {line['latency_us_p99']:,.0f} µs"
    floor = f"p50 {line['floor_us_p50']:.0f} µs" if "floor_us_p50" in line else ""
    ratio = f"{line['ratio']:.2f}" if floor else ""
    if "reach_us" in line:
        floor = "; ".join(filter(None, (floor, f"between members {line['link_us_p50']:.0f} µs")))
        return Row(what, figure, f"{line['reach_us']:,.0f} µs", p50 <= line["reach_us"], floor, ratio)
    most = MEMORY_REACH if memory else ONE_REACH
    return Row(what, figure, f"{most} x floor", line["ratio"] <= most if floor else None, floor, ratio)


def many_replicated_row(line: Line) -> Row:
    return Row(
        f"replicated, {line['window']:,} in flight, {line['transport']}",
        f"{line['rate']:,.0f}/s, p50 {line['latency_us_p50']:,.0f} µs, p99 {line['latency_us_p99']:,.0f} µs",
        f"{REPLICATED_REACH:,}/s",
        line["rate"] >= REPLICATED_REACH,
        f"echo {line['echo_rate']:,.0f}/s",
        f"{line['echo_rate'] / line['rate']:.1f}",
    )


def elections_row(line: Line) -> Row:
    figure = f"{line['elections']} in {line['seconds']:.0f} s at {line['rate']:,}/s"
    return Row("false elections under full load", figure, "0", line["elections"] == 0, "", "")


def failover_rows(line: Line) -> Iterator[Row]:
    if line["what"] == "kills":
        what = f"lost, done twice, missing over {line['kills']} kills, {line['led']} of the leader"
        figure = f"0 of {line['orders']:,} orders and {line['reports']:,} reports"
        yield Row(what, figure, "0", True, "", "")
        return
    if line["what"] == "snapshot":
        figure = f"longest silence {line['silence_ms']:.1f} ms; process {line['seconds']:.0f} s"
        what = f"a snapshot of {line['resting']:,} resting orders at the leader"
        reached = line["silence_ms"] <= SNAPSHOT_SILENCE_MS
        floor = f"without {line['before_ms']:.1f} ms"
        yield Row(what, figure, f"{SNAPSHOT_SILENCE_MS} ms", reached, floor, "")
        return
    if line["what"] == "behind":
        figure = (
            f"{line['seconds']:.1f} s; p99 {line['before_us_p99']:,.0f} then {line['during_us_p99']:,.0f} µs"
        )
        reached = line["seconds"] <= BEHIND_SECONDS and line["during_us_p99"] <= 2 * line["before_us_p99"]
        what = f"a replica that is {line['commands']:,} commands behind"
        yield Row(what, figure, f"{BEHIND_SECONDS} s, p99 x 2", reached, "", "")
        return
    median, worst = line["pause_ms_median"], line["pause_ms_worst"]
    most, longest = FAILOVER_REACH.get(line["what"], FAILOVER_REACH["kill with"])
    figure = f"median {median:.1f} ms, worst {worst:.1f} ms of {line['count']}"
    floor = ratio = ""
    if "closed_ms_median" in line:
        figure += f"; reconnected {line['reconnected_ms_median']:.1f} ms"
        floor = f"closed after {line['closed_ms_median']:.1f} ms"
        ratio = f"{median / line['closed_ms_median']:.1f}"
    limits = [f"{name} {limit} ms" for name, limit in (("median", most), ("worst", longest)) if limit]
    reached = (not most or median <= most) and (not longest or worst <= longest)
    yield Row(f"failover, {line['what']}", figure, ", ".join(limits), reached, floor, ratio)


def heartbeat_rows(line: Line) -> Iterator[Row]:
    figure, floor = line["core"], line["floor_core"]
    yield Row(
        f"{line['sessions']:,} FIX sessions with heartbeats",
        f"{figure:.1%} of a core",
        f"{CROWD_SHARE:.0%}",
        figure < CROWD_SHARE,
        f"echo {floor:.1%}",
        f"{figure / floor:.1f}" if floor else "",
    )


def resend_rows(line: Line) -> Iterator[Row]:
    before, meanwhile = line["calm_p99_us"], line["meanwhile_p99_us"]
    yield Row(
        f"a resend of {line['messages']:,} messages",
        f"{line['seconds']:.2f} s; another's p99 {before:,.0f} then {meanwhile:,.0f} µs",
        f"{RESEND_SECONDS} s, p99 x 2",
        line["seconds"] < RESEND_SECONDS and meanwhile <= 2 * before,
        "",
        "",
    )


def crowd_rows(line: Line) -> Iterator[Row]:
    p50, most = line["latency_us_p50"] / 1000, line["ms_max"]
    elections = f", {line['elections']} elections" if line["elections"] else ""
    yield Row(
        f"{line['orders']:,} in a cluster: {line['what']}",
        f"{line['seconds']:.1f} s; others at most {most:,.0f} ms, p50 {p50:,.1f}{elections}",
        f"{OTHERS_REACH} ms",
        most <= OTHERS_REACH and not elections,
        f"{line['calm_ms_max']:.0f} ms before",
        "",
    )


ROWS: dict[str, Callable[[Line], Iterator[Row]]] = {
    "memory": memory_rows,
    "rulebook": rulebook_rows,
    "fix": fix_rows,
    "apply": apply_rows,
    "feed": feed_rows,
    "wire": wire_rows,
    "replicate": replicate_rows,
    "failover": failover_rows,
    "heartbeats": heartbeat_rows,
    "resend": resend_rows,
    "crowds": crowd_rows,
}
