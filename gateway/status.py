"""What `quorumbook status` shows: the admin socket's answers as lines for people."""

from collections.abc import Iterator
from typing import Any

SESSIONS = 20
"""So many sessions are listed, connected ones first."""
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def picture(status: dict[str, Any], sessions: list[dict[str, Any]]) -> str:
    """The whole answer. `quorumbook status --json` has the same as numbers."""
    minutes, seconds = divmod(int(status["uptime_s"]), 60)
    uptime = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    lines = [f"Quorumbook {status['version']}, process {status['pid']}, up {uptime}"]
    rows = list(facts(status))
    width = max(len(name) for name, _ in rows)
    lines += [f"  {name:<{width}}  {text}" for name, text in rows]
    return "\n".join([*lines, *session_table(sessions, status["sessions"])])


def facts(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of each line."""
    storage, links = status["storage"], status["connections"]
    yield "accepting", "yes" if status["accepting"] else f"NO: {status['why_not']}"
    yield "role", f"{status['role']}, term {status['term']}"
    count = len(status["membership"])
    members = f"{count} member{'' if count == 1 else 's'}"
    yield "cluster", f"{status['cluster']}, {members}; this is member {status['member']}"
    yield "log", f"entry {status['applied_index']:,} applied of {status['last_index']:,}"
    yield "chain hash", status["chain_hash"]
    rules, newest = status["rules"], status["newest_rules"]
    yield "rules", f"version {rules}" + (f"; this program runs {newest}, too" if newest > rules else "")
    yield "input number", f"{status['input_number']:,} ({status['skipped_inputs']:,} inputs skipped)"
    yield "data", storage["directory"]
    plural = "" if storage["segments"] == 1 else "s"
    segments = f"{storage['segments']:,} segment{plural} of the log, {size(storage['log_bytes'])}"
    yield "disk", f"{segments}; {size(storage['free_bytes'])} free"
    if storage["durability"] == "memory":
        yield "durability", "memory: what is acknowledged can be lost with the machine"
    yield "newest snapshot", f"of entry {storage['snapshot']:,}" if storage["snapshot"] else "none"
    yield "open orders", f"{status['live_orders']:,}"
    yield "connections", f"{links['tcp']} TCP, {links['zeromq']} ZeroMQ; {links['behind']} behind in reading"
    yield "messages in", f"{links['messages_in']:,} ({size(links['bytes_in'])}), {links['garbled']:,} garbled"
    yield "messages out", f"{links['messages_out']:,} ({size(links['bytes_out'])})"
    yield "turned away", f"{links['refused']:,} refused, {links['cut_off']:,} cut off"
    yield "sessions", f"{status['sessions']:,}, {status['sessions_connected']:,} connected"
    if status.get("killed"):
        yield "kill switch", "all sessions are stopped until `quorumbook admin restore --all`"
    if most := status.get("max_open_orders"):
        yield "order limit", f"{most:,} open orders a session, where it has no limit of its own"


def session_table(sessions: list[dict[str, Any]], count: int) -> Iterator[str]:
    """A line for each of the first of `count` sessions."""
    if not sessions:
        return
    shown = sorted(sessions, key=lambda one: not one["connected"])[:SESSIONS]
    width = max(6, *(len(one["comp_id"]) for one in shown))
    headings = "connected  open orders  new orders        next in  next out  on disconnect"
    yield f"\n  {'CompID':<{width}}  {headings}"
    for one in shown:
        keeps = f"cancel after {one['grace_ms']:,} ms" if one["cancel_on_disconnect"] else "keep orders"
        yield (
            f"  {one['comp_id']:<{width}}  {'yes' if one['connected'] else 'no':<9}  {one['open_orders']:>11,}"
            f"  {new_orders(one):<14}  {one['inbound']:>7,}  {one['outbound']:>8,}  {keeps}"
        )
    if count > len(shown):
        yield f"  and {count - len(shown):,} more (the admin socket's command `sessions` has up to 1,000)"


def new_orders(session: dict[str, Any]) -> str:
    """Whether it may enter any, by the kill switch and the limit that are its own."""
    if session.get("killed"):
        return "stopped"
    most = session.get("max_open_orders")
    return f"{most:,} may be open" if most else "yes"


def size(count: float) -> str:
    """Bytes in the unit that leaves at most three digits before the point."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:,.0f} {UNITS[unit]}" if unit == 0 else f"{count:,.1f} {UNITS[unit]}"
