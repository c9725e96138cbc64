"""The whole engine again, slow and obvious: the specification of the rules.

Read it as a rule book, a chapter a file. Each rule is one sentence and the lines that do it. The compiled
`engine.machine.Machine` has the same surface and must give the same reports, the same snapshot and the same hash for
the same commands; the tests drive both and compare.

    reference_book      orders, the two sides of a book, an instrument's terms
    reference_state     where each order is; the words of a report
    reference_matching  what an incoming order trades with
    reference_triggers  stops and pegs, which follow an input
    reference_auction   phases and auctions
    reference_entry     the checks of a new or changed order
    reference           the commands
    reference_calls     the same as calls, for people
    reference_snapshot  the state as bytes

Integers are Python's, so nothing overflows here; where the rules speak of int64, they say so. Versions 1 and 2 of the
rules are the same but for what they refuse: what came with version 3.
"""

from engine.records import (
    EMPTY_PRICE,
    Algorithm,
    CancelFilter,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    Reason,
    ReportKind,
    Side,
    TimeInForce,
    Trigger,
)
from engine.reference_book import (
    Command,
    Definition,
    Order,
    Protections,
    Report,
    TickTable,
    definition_is_valid,
    instrument_of,
    told_price,
)
from engine.reference_calls import Calls
from engine.reference_entry import Entries, PhaseChange, Protection, Row, TickRow

__all__ = ["Machine", "Order", "Report"]


class Machine(Entries, Calls):
    """All instruments: commands in, reports out."""

    def _run(self, row: Row) -> list[Report]:
        """Every command is counted and has exactly one outcome, whatever it holds."""
        self.commands += 1
        command = row.command
        if self.rules < 3 and command.kind > CommandKind.REENTER:
            return [self._refuse(command, Reason.UNKNOWN_COMMAND)]
        match command.kind:
            case CommandKind.DEFINE:
                return [self._define(row.definition)]
            case CommandKind.NEW:
                return self._new(command)
            case CommandKind.CANCEL | CommandKind.REDUCE | CommandKind.REPLACE | CommandKind.REENTER:
                return self._change_order(command)
            case CommandKind.MASS_CANCEL:
                return self._mass_cancel(command)
            case CommandKind.ADVANCE:
                return self._go_on(command)
            case CommandKind.PHASE:
                return self._change_phase(row.phase)
            case CommandKind.CHANGE:
                return self._change_terms(row.definition)
            case CommandKind.TICK:
                return [self._tick(row.tick)]
            case CommandKind.PROTECT:
                return self._protect(row.protection)
            case _:
                return [self._refuse(command, Reason.UNKNOWN_COMMAND)]

    # ------------------------------------------------------------ NEW

    def _new(self, command: Command) -> list[Report]:
        """A new order is checked, accepted, matched; what is left rests or is cancelled."""
        asked = command.read() if self.rules >= 3 else command
        reason = self._new_refusal(asked)
        if reason:
            return [self._refuse(command, reason)]
        self._last_order_id += 1
        order = Order(
            order_id=self._last_order_id,
            client_ref=asked.client_ref,
            owner=asked.owner,
            account=asked.account,
            instrument=asked.instrument,
            side=Side(asked.side),
            order_type=OrderType(asked.order_type),
            time_in_force=TimeInForce(asked.time_in_force),
            flags=asked.flags & ~int(CommandFlag.EXTENDED),
            capacity=asked.capacity,
            price_ticks=asked.price_ticks,
            quantity_lots=asked.quantity_lots,
            leaves_lots=asked.quantity_lots,
            self_match_group=asked.self_match_group,
            self_match_mode=asked.self_match_mode,
        )
        if self.rules >= 3:
            self._take_terms(order, asked)
        book = self._book(order)
        prices = self._prices(book)
        reports = [self._entered(ReportKind.ACCEPTED, order, command.kind)]
        reports += self._arrive(order, command.kind, asked.min_quantity_lots if self.rules >= 3 else 0)
        return reports + self._aftermath(book, prices, command.kind)

    def _arrive(self, order: Order, command_kind: int, minimum: int = 0) -> list[Report]:
        """Where an order goes that was accepted or has new terms."""
        book = self._book(order)
        if order.is_stop:
            self._wait(order)
        elif book.phase != Phase.CONTINUOUS or self._waits_for(order, book.phase):
            self._collect(order)
        elif order.is_pegged:
            return self._place_peg(order, command_kind)
        else:
            return self._match(order, command_kind, minimum)
        return []

    # ------------------------------------------------------------ CANCEL, REDUCE, REPLACE, REENTER

    def _change_order(self, command: Command) -> list[Report]:
        order = self._find(command)
        if order is None:
            return [self._refuse(command, Reason.UNKNOWN_ORDER)]
        if reason := self._change_refusal(order, command):
            return [self._refuse_order(order, command.kind, reason)]
        book = self._book(order)
        prices = self._prices(book)
        if command.kind == CommandKind.CANCEL:
            reports = [self._close(order, command.kind, Reason.REQUESTED)]
        elif command.kind == CommandKind.REDUCE:
            reports = [self._reduce(order, command)]
        else:
            reports = self._replace(order, command)
        if reports[-1].kind == ReportKind.REJECTED:
            return reports
        return reports + self._aftermath(book, prices, command.kind)

    def _reduce(self, order: Order, command: Command) -> Report:
        """A reduce takes an amount off and keeps the place; by at least the leaves it cancels."""
        amount = command.quantity_lots
        if amount < 0 and self.rules >= 3:
            return self._refuse_order(order, command.kind, Reason.NEGATIVE_QUANTITY)
        if amount <= 0:
            return self._refuse_order(order, command.kind, Reason.INVALID_QUANTITY)
        if amount >= order.leaves_lots:
            return self._close(order, command.kind, Reason.REQUESTED)
        return self._take_off(order, command.kind, amount)

    def _replace(self, order: Order, command: Command) -> list[Report]:
        """A replace changes the terms of an order under the same ids.

        It keeps the place when nothing changes but the total or what is shown, and that goes down, or the time in
        force; otherwise the order leaves the book and comes in as a new arrival. A reenter names the new leaves instead
        of the new total and never keeps the place. The report also tells the price and the leaves before.
        """
        terms = self._amended(order, command)
        if reason := self._replace_refusal(order, terms, command):
            return [self._refuse_order(order, command.kind, reason)]

        keeps = self._keeps_place(order, terms, command)
        price_before, leaves_before = order.price_ticks, order.leaves_lots
        filled = order.cumulative_lots
        if not keeps:
            self._leave(order)
        terms.leaves_lots = terms.quantity_lots - filled
        self._amend(order, terms)
        report = self._entered(
            ReportKind.REPLACED,
            order,
            command.kind,
            kept_priority=int(keeps),
            last_price_ticks=told_price(price_before),
            last_lots=leaves_before,
        )
        if not keeps:
            return [report, *self._arrive(order, command.kind)]
        if order.display_lots and self._is_shown(order):
            return [report, self._displayed(order, command.kind)]
        return [report]

    # ------------------------------------------------------------ MASS_CANCEL

    def _mass_cancel(self, command: Command) -> list[Report]:
        """Every order that matches all that is asked for is cancelled, in order of order id."""
        asked = command.flags
        if asked & ~sum(CancelFilter) or command.reserved_7 or command.side not in (Side.BUY, Side.SELL):
            return [self._refuse(command, Reason.INVALID_FILTER)]
        if asked & CancelFilter.BY_PRICES and command.price_ticks > command.stop_price_ticks:
            return [self._refuse(command, Reason.INVALID_FILTER)]
        if asked & CancelFilter.BY_INSTRUMENT and command.instrument >= len(self._instruments):
            return [self._refuse(command, Reason.UNKNOWN_INSTRUMENT)]
        found = [order for _, order in sorted(self._orders.items()) if matches(order, command)]
        touched = sorted({order.instrument for order in found})
        prices = {number: self._prices(self._instruments[number]) for number in touched}
        closed = [self._close(order, command.kind, Reason.MASS_REQUESTED) for order in found]
        outcome = self._told(
            ReportKind.MASS_CANCELLED,
            command.kind,
            command.instrument,
            flags=command.flags,
            owner=command.owner,
            quantity_lots=len(closed),
        )
        after = [
            report
            for number in touched
            for report in self._aftermath(self._instruments[number], prices[number], command.kind)
        ]
        return [*closed, outcome, *after]

    # ------------------------------------------------------------ ADVANCE

    def _go_on(self, command: Command) -> list[Report]:
        """Time never goes back."""
        if command.expire_ns < self.time_ns:
            return [self._refuse(command, Reason.TIME_GOES_BACK)]
        return self._advance(command.expire_ns)

    # ------------------------------------------------------------ instruments

    def _terms_are_valid(self, definition: Definition) -> bool:
        """What is beyond version 2: an algorithm, a trigger, a tick table that there are; a top order with pro-rata."""
        if self.rules < 3:
            return definition_is_valid(definition) and not definition.later()
        return (
            definition_is_valid(definition)
            and definition.algorithm in [*Algorithm]
            and definition.top_order in (0, definition.algorithm)
            # Where no quantity is allowed, there is nothing to do but to delist it.
            and (definition.lot_lots <= definition.max_lots or definition.delist == 1)
            and definition.trigger in [*Trigger]
            and definition.phase in [*Phase]
            and definition.tick_table <= len(self._tables)
            and definition.pro_rata_minimum_lots >= 0
            and definition.delist in (0, 1)
        )

    def _define(self, definition: Definition) -> Report:
        """An instrument takes the next number."""
        valid = definition.instrument == len(self._instruments) and self._terms_are_valid(definition)
        valid = valid and not definition.delist
        if valid:
            self._instruments.append(instrument_of(definition))
        return self._told(
            ReportKind.DEFINED if valid else ReportKind.REJECTED,
            CommandKind.DEFINE,
            definition.instrument,
            Reason.NONE if valid else Reason.INVALID_DEFINITION,
        )

    def _change_terms(self, definition: Definition) -> list[Report]:
        """New terms hold for what comes; orders that rest stay as they are. Delisting ends them, and trading."""
        kind = CommandKind.CHANGE
        if definition.instrument >= len(self._instruments):
            reason = Reason.UNKNOWN_INSTRUMENT
        elif self._instruments[definition.instrument].is_delisted:
            reason = Reason.DELISTED
        elif not self._terms_are_valid(definition) or definition.phase:
            reason = Reason.INVALID_DEFINITION
        else:
            reason = Reason.NONE
        if reason:
            return [self._told(ReportKind.REJECTED, kind, definition.instrument, reason)]
        book = self._instruments[definition.instrument]
        prices = self._prices(book)
        book.take_terms(definition)
        reports = [self._told(ReportKind.CHANGED, kind, definition.instrument)]
        if not definition.delist:
            return reports + self._aftermath(book, prices, kind)
        book.is_delisted = True
        book.phase = book.next_phase = Phase.CLOSED
        book.until_ns = book.next_lasts_ns = 0
        book.seen = (None, None, None, None)
        return reports + [self._close(order, kind, Reason.INSTRUMENT_DELISTED) for order in book.all_orders()]

    def _tick(self, row: TickRow) -> Report:
        """A row from EMPTY_PRICE begins a table, a new one or one that is there, anew; the others follow it, rising."""
        tables, kind = self._tables, CommandKind.TICK
        begins = row.from_ticks == EMPTY_PRICE
        known = 1 <= row.table <= len(tables)
        valid = row.tick_ticks >= 1 and not row.reserved()
        if begins:
            valid = valid and 1 <= row.table <= len(tables) + 1
        else:
            valid = valid and known and row.from_ticks % row.tick_ticks == 0
            valid = valid and row.from_ticks > tables[row.table - 1].rows[-1][0]
        if not valid:
            return self._told(ReportKind.REJECTED, kind, row.table, Reason.INVALID_TICK_TABLE)
        if begins and not known:
            tables.append(TickTable())
        if begins:
            tables[row.table - 1].rows.clear()
        tables[row.table - 1].rows.append((row.from_ticks, row.tick_ticks))
        return self._told(ReportKind.CHANGED, kind, row.table)

    def _protect(self, protection: Protection) -> list[Report]:
        """The protections of an instrument, all anew; the reference only when one is given."""
        kind = CommandKind.PROTECT
        if protection.instrument >= len(self._instruments):
            reason = Reason.UNKNOWN_INSTRUMENT
        elif self._instruments[protection.instrument].is_delisted:
            reason = Reason.DELISTED
        elif not protection.is_valid():
            reason = Reason.INVALID_PROTECTION
        else:
            reason = Reason.NONE
        if reason:
            return [self._told(ReportKind.REJECTED, kind, protection.instrument, reason)]
        book = self._instruments[protection.instrument]
        prices = self._prices(book)
        if protection.reference_ticks != EMPTY_PRICE:
            book.reference_ticks = protection.reference_ticks
        book.protections = Protections(
            static_ticks=None if protection.static_ticks == -1 else protection.static_ticks,
            dynamic_ticks=None if protection.dynamic_ticks == -1 else protection.dynamic_ticks,
            distance_ticks=None if protection.distance_ticks == -1 else protection.distance_ticks,
            max_notional=None if protection.max_notional == -1 else protection.max_notional,
            breaker_bp=protection.breaker_bp,
            halt_ns=protection.halt_ns,
            auction_ns=protection.auction_ns,
        )
        changed = self._told(ReportKind.CHANGED, kind, protection.instrument)
        return [changed, *self._aftermath(book, prices, kind)]

    # ------------------------------------------------------------ PHASE

    def _change_phase(self, change: PhaseChange) -> list[Report]:
        """An instrument enters a phase, which ends at a time, by a number from outside somewhat later, or when told."""
        kind = CommandKind.PHASE
        if change.instrument >= len(self._instruments):
            return [self._told(ReportKind.REJECTED, kind, change.instrument, Reason.UNKNOWN_INSTRUMENT)]
        book = self._instruments[change.instrument]
        if book.is_delisted:
            return [self._told(ReportKind.REJECTED, kind, change.instrument, Reason.DELISTED)]
        if not change.is_valid(self.time_ns) or not self._may_follow(book.phase, Phase(change.phase)):
            return [self._told(ReportKind.REJECTED, kind, change.instrument, Reason.INVALID_PHASE)]
        if change.until_ns and not self._may_follow(Phase(change.phase), Phase(change.next_phase)):
            return [self._told(ReportKind.REJECTED, kind, change.instrument, Reason.INVALID_PHASE)]
        until_ns = change.until_ns + change.random % (change.window_ns + 1) if change.until_ns else 0
        phase, next_phase = Phase(change.phase), Phase(change.next_phase)
        return self._enter(book, change.instrument, phase, next_phase, until_ns, change.until_ns, kind)


def matches(order: Order, command: Command) -> bool:
    """Whether a mass cancel means this order; an order without a price is in no range of prices."""
    asked = command.flags
    return (
        (not asked & CancelFilter.BY_OWNER or order.owner == command.owner)
        and (not asked & CancelFilter.BY_ACCOUNT or order.account == command.account)
        and (not asked & CancelFilter.BY_INSTRUMENT or order.instrument == command.instrument)
        and (not asked & CancelFilter.BY_SIDE or order.side == command.side)
        and (
            not asked & CancelFilter.BY_PRICES
            or (
                order.price_ticks != EMPTY_PRICE
                and command.price_ticks <= order.price_ticks <= command.stop_price_ticks
            )
        )
    )
