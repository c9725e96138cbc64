# cython: freethreading_compatible=False
"""Reports and live orders as read-only Python objects.

Each object holds its own copy of a record, so it stays true whatever the machine
does next. Fields have the names, units and empty values of types.pxd, except that
an absent price is None.
"""

cimport cython
from libc.string cimport memset

from engine.state cimport TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE
from engine.store cimport Extra, SHOWN
from engine.store cimport Order as OrderRecord
from engine.types cimport EMPTY_PRICE, LIMIT, PHASE_CHANGED
from engine.types cimport Report as ReportRecord

from engine import records

cdef list members(object enumeration):
    """256 entries: the member with that value, or the plain int of an echoed byte that is none."""
    return [enumeration._value2member_map_.get(value, value) for value in range(256)]

cdef list KINDS = members(records.ReportKind)
cdef list COMMAND_KINDS = members(records.CommandKind)
cdef list REASONS = members(records.Reason)
cdef list SIDES = members(records.Side)
cdef list ORDER_TYPES = members(records.OrderType)
cdef list TIMES_IN_FORCE = members(records.TimeInForce)
cdef list PHASES = members(records.Phase)
cdef list SHOWS = members(records.Shows)
cdef list PEGS = members(records.PegKind)
cdef list SELF_MATCH_MODES = members(records.SelfMatchMode)

cdef inline object told_price(long long price):
    return None if price == EMPTY_PRICE() else price

cdef Report report_object(const ReportRecord* record):
    cdef Report report = Report.__new__(Report)
    report.record_ = record[0]
    return report

cdef Order order_object(
    const OrderRecord* record, const Extra* extra, unsigned int instrument, long long price_ticks,
    long long stop_price_ticks,
):
    cdef Order order = Order.__new__(Order)
    order.record_ = record[0]
    if extra != NULL:
        order.extra_ = extra[0]
    else:
        memset(&order.extra_, 0, sizeof(Extra))
        order.extra_.account = record.account
        order.extra_.order_type = LIMIT
        order.extra_.peg_limit_ticks = EMPTY_PRICE()
    order.extra_.stop_price_ticks = stop_price_ticks
    order.instrument_ = instrument
    order.price_ = price_ticks
    return order


@cython.final
@cython.freelist(64)
cdef class Report:
    """What happened to an order: one report of one command."""

    @property
    def kind(self):
        return KINDS[self.record_.kind]

    @property
    def side(self):
        return SIDES[self.record_.side]

    @property
    def reason(self):
        return REASONS[self.record_.reason]

    @property
    def order_type(self):
        return (PHASES if self.record_.kind == PHASE_CHANGED else ORDER_TYPES)[self.record_.order_type]

    @property
    def time_in_force(self):
        return (PHASES if self.record_.kind == PHASE_CHANGED else TIMES_IN_FORCE)[self.record_.time_in_force]

    @property
    def flags(self):
        return self.record_.flags

    @property
    def command_kind(self):
        return COMMAND_KINDS[self.record_.command_kind]

    @property
    def kept_priority(self):
        return self.record_.kept_priority

    @property
    def instrument(self):
        return self.record_.instrument

    @property
    def owner(self):
        return self.record_.owner

    @property
    def client_ref(self):
        return self.record_.client_ref

    @property
    def order_id(self):
        return self.record_.order_id

    @property
    def price_ticks(self):
        return told_price(self.record_.price_ticks)

    @property
    def quantity_lots(self):
        return self.record_.quantity_lots

    @property
    def leaves_lots(self):
        return self.record_.leaves_lots

    @property
    def cumulative_lots(self):
        return self.record_.cumulative_lots

    @property
    def command_number(self):
        return self.record_.command_number

    @property
    def trade_id(self):
        return self.record_.trade_id

    @property
    def last_price_ticks(self):
        return told_price(self.record_.last_price_ticks)

    @property
    def last_lots(self):
        return self.record_.last_lots

    @property
    def maker_client_ref(self):
        return self.record_.maker_client_ref

    @property
    def maker_order_id(self):
        return self.record_.maker_order_id

    @property
    def maker_leaves_lots(self):
        return self.record_.maker_leaves_lots

    @property
    def maker_owner(self):
        return self.record_.maker_owner

    @property
    def maker_shows(self):
        return SHOWS[self.record_.maker_shows & 255]

    def record(self):
        """The fields as plain ints in the order of REPORT."""
        cdef const ReportRecord* r = &self.record_
        return (
            r.kind, r.side, r.reason, r.order_type, r.time_in_force, r.flags, r.command_kind, r.kept_priority,
            r.instrument, r.owner, r.client_ref, r.order_id, r.price_ticks, r.quantity_lots, r.leaves_lots,
            r.cumulative_lots, r.command_number, r.trade_id, r.last_price_ticks, r.last_lots,
            r.maker_client_ref, r.maker_order_id, r.maker_leaves_lots, r.maker_owner, r.maker_shows,
        )

    def __eq__(self, other):
        if not isinstance(other, Report):
            return NotImplemented
        return self.record() == other.record()

    def __hash__(self):
        return hash(self.record())

    def __repr__(self):
        cdef object kind = self.kind
        cdef str text = f"<{getattr(kind, 'name', kind)}"
        if self.record_.reason:
            text += f" {getattr(self.reason, 'name', self.reason)}"
        text += (
            f" order_id={self.order_id} client_ref={self.client_ref} owner={self.owner}"
            f" instrument={self.instrument} side={getattr(self.side, 'name', self.side)}"
            f" price_ticks={self.price_ticks} quantity_lots={self.quantity_lots}"
            f" leaves_lots={self.leaves_lots} cumulative_lots={self.cumulative_lots}"
        )
        if self.record_.kind == PHASE_CHANGED:
            text += f" phase={self.order_type.name} before={self.time_in_force.name}"
        if self.record_.last_lots:
            text += f" last_lots={self.last_lots}"
        if self.record_.trade_id:
            text += (
                f" last_price_ticks={self.last_price_ticks} trade_id={self.trade_id}"
                f" maker_order_id={self.maker_order_id} maker_client_ref={self.maker_client_ref}"
                f" maker_owner={self.maker_owner} maker_leaves_lots={self.maker_leaves_lots}"
            )
        return text + f" command_number={self.command_number}>"


@cython.final
cdef class Order:
    """A live order as it was when it was asked for. quantity_lots is its total, fills included."""

    @property
    def order_id(self):
        return self.record_.order_id

    @property
    def client_ref(self):
        return self.record_.client_ref

    @property
    def owner(self):
        return self.record_.owner

    @property
    def account(self):
        return self.extra_.account

    @property
    def instrument(self):
        return self.instrument_

    @property
    def side(self):
        return SIDES[self.record_.traits & 1]

    @property
    def order_type(self):
        return ORDER_TYPES[self.extra_.order_type]

    @property
    def time_in_force(self):
        return TIMES_IN_FORCE[self.record_.traits >> TRAIT_TIME_IN_FORCE & 255]

    @property
    def flags(self):
        return self.record_.traits >> TRAIT_FLAGS & 127

    @property
    def capacity(self):
        return self.record_.traits >> TRAIT_CAPACITY & 255

    @property
    def price_ticks(self):
        return told_price(self.price_)

    @property
    def quantity_lots(self):
        return self.record_.total_lots

    @property
    def leaves_lots(self):
        return self.record_.leaves_lots + self.extra_.reserve_lots

    @property
    def cumulative_lots(self):
        return self.record_.total_lots - self.leaves_lots

    @property
    def self_match_group(self):
        return self.extra_.self_match_group

    @property
    def self_match_mode(self):
        return SELF_MATCH_MODES[self.extra_.self_match_mode]

    @property
    def display_lots(self):
        return self.extra_.display_lots

    @property
    def slice_lots(self):
        return self.record_.leaves_lots if self.extra_.display_lots and self.extra_.place == SHOWN else 0

    @property
    def feed_id(self):
        return self.extra_.feed_id

    @property
    def stop_price_ticks(self):
        return told_price(self.extra_.stop_price_ticks)

    @property
    def offset_ticks(self):
        return self.extra_.offset_ticks

    @property
    def peg_kind(self):
        return PEGS[self.extra_.peg_kind]

    @property
    def peg_limit_ticks(self):
        return told_price(self.extra_.peg_limit_ticks)

    @property
    def expire_ns(self):
        return self.extra_.expire_ns

    @property
    def is_elected(self):
        return bool(self.extra_.is_elected)

    def __repr__(self):
        return (
            f"<Order order_id={self.order_id} client_ref={self.client_ref} owner={self.owner}"
            f" instrument={self.instrument} side={self.side.name} price_ticks={self.price_ticks}"
            f" quantity_lots={self.quantity_lots} leaves_lots={self.leaves_lots}>"
        )
