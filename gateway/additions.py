"""What a configuration has and the log has not, and may get later: drop copies, operators, tick tables, instruments,
and the schedules that they follow. A leader enters it. No I/O.
"""

from collections.abc import Callable, Iterator

from gateway import inputs
from gateway.config import Config, Loaded
from gateway.exchange import Exchange
from gateway.genesis import added_drop_copies, shown_copies
from gateway.operation_inputs import added_instrument, followers, schedule_of, tick_tables
from gateway.rules import DROP_COPIES, OPERATIONS
from gateway.schedules import Scheduling
from replication.node import Node

PIECE_BYTES = 512 << 10  # of instruments, in one entry


class Additions:
    """told: called with an event and its details, for the trace."""

    def __init__(
        self,
        node: Node,
        loaded: Loaded,
        scheduling: Scheduling,
        told: Callable[[str, dict[str, str | int]], None],
    ) -> None:
        self._node = node
        self._loaded = loaded
        self._scheduling = scheduling
        self._told = told
        self._looked = (0, 0)  # (term, rules)
        self._now_ns = 0  # in log time
        self._pieces: Iterator[bytes] = iter(())  # of the instruments that are to be entered in this term

    def look(self, exchange: Exchange, rules: int, now_ns: int) -> None:
        """When everything of the terms before the leader's own, and the genesis, is applied. rules: that hold for what
        is proposed now. Once a term and version; many instruments some at a time, those of a schedule with the phase
        that holds by then: its next step may be far."""
        self._now_ns = now_ns
        if self._looked != (self._node.term, rules):
            self._looked = (self._node.term, rules)
            if rules >= DROP_COPIES:
                self._add_drop_copies(exchange)
            if rules >= OPERATIONS:
                self._add_operators(exchange)
                self._add_tick_tables(exchange)
                self._pieces = self._instruments(exchange)
                self._add_schedules(exchange)
                self._tell_of_schedules(exchange)
        if not self._node.queued_bytes and (piece := next(self._pieces, b"")):
            self._node.propose(piece)

    def _add_drop_copies(self, exchange: Exchange) -> None:
        if added := added_drop_copies(self._loaded, exchange.watches()):
            for record in added:
                self._node.propose(record)
            self._told("drop copies added", {"pairs": shown_copies(map(inputs.read_drop_copy, added))})

    def _add_operators(self, exchange: Exchange) -> None:
        known = exchange.operators()
        if added := [name for name in self._loaded.config.operators if name not in known]:
            for name in added:
                self._node.propose(inputs.operator(name))
            self._told("operators added", {"names": ", ".join(added)})

    def _add_tick_tables(self, exchange: Exchange) -> None:
        """Those behind the ones that there are: tables have numbers."""
        for record in list(tick_tables(self._loaded.config.tick_tables))[exchange.tick_tables :]:
            self._node.propose(record)

    def _instruments(self, exchange: Exchange) -> Iterator[bytes]:
        config = self._loaded.config
        if "instruments" not in self._loaded.given:
            return
        known = set(exchange.symbols())
        added = [instrument for instrument in config.instruments if instrument.symbol not in known]
        if added:
            self._told("instruments added", {"count": len(added)})
        piece = b""
        for instrument in added:
            piece += b"".join(added_instrument(config, instrument))
            if schedule := schedule_of(config, instrument.symbol):
                piece += self._scheduling.joining(schedule, instrument.symbol, self._now_ns)
            if len(piece) >= PIECE_BYTES:
                yield piece
                piece = b""
        if piece:
            yield piece

    def _add_schedules(self, exchange: Exchange) -> None:
        """Who follows one that the log does not know. One for all others comes before those that are for some."""
        schedules, known = self._loaded.config.schedules, exchange.schedules()
        added = [schedule for schedule in schedules if schedule.name not in known]
        if any("*" in schedule.symbols for schedule in added):
            added = list(schedules)
        if added:
            for record in followers(added):
                self._node.propose(record)
            self._told("schedules added", {"names": ", ".join(schedule.name for schedule in added)})

    def _tell_of_schedules(self, exchange: Exchange) -> None:
        """Who follows which is the log's: where the file says something else of one that the log knows, nothing is
        done. The times are the file's: without them who follows waits."""
        config = self._loaded.config
        if not config.schedules and not exchange.schedules():
            return
        known, named = exchange.schedules(), {schedule.name for schedule in config.schedules}
        by_file = schedules_by_symbol(config)
        others, waiting = [], []
        for symbol, follows in exchange.follows():
            wanted = by_file.get(symbol, by_file.get("*", ""))
            if follows and follows not in named:
                waiting.append(symbol)
            elif wanted != follows and wanted in known:
                others.append(f"{symbol} follows {follows or 'none'} by the log, {wanted} by the file")
        if waiting:
            self._told("schedules missing", {"instruments": len(waiting), "first": waiting[0]})
        if others:
            self._told("schedules differ", {"instruments": len(others), "first": others[0]})


def schedules_by_symbol(config: Config) -> dict[str, str]:
    """ "*": that of all others. The first that names a symbol."""
    found: dict[str, str] = {}
    for schedule in config.schedules:
        for symbol in schedule.symbols:
            found.setdefault(symbol, schedule.name)
    return found
