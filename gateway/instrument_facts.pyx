# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: instruments have numbers that were given out, and rows of tick tables end with 0.
"""What can be seen of an instrument: what it is doing, its terms and protections, under the names that a configuration
has for them. Decimals; None = none. Holds no state.
"""

from decimal import Decimal

from libc.stdint cimport INT64_MAX, INT64_MIN

from engine.state cimport Instrument as Terms, Market, market_of
from engine.store cimport Increment
from gateway.operation_fields cimport phase_name

from gateway.inputs import described


cdef dict facts_of(const Books* books, const Instrument* one, uint32_t number, int64_t until_ns, str schedule):
    cdef const Terms* terms = &books.instruments[number]
    cdef const Market* market = market_of(books, number)
    symbol = one.symbol[:one.symbol_length].decode()
    found = {
        "number": number,
        **described(symbol, one.price_increment, one.price_exponent, one.quantity_increment, one.quantity_exponent,
                    terms.lot_lots, terms.min_lots, terms.max_lots, terms.low_ticks, terms.high_ticks,
                    terms.protection_ticks),
        "phase": phase_name(market.phase).decode(),
        "phase_end_ns": until_ns if until_ns and not market.is_delisted else None,
        "next_phase": phase_name(market.next_phase).decode() if market.until_ns and not market.is_delisted else None,
        "delisted": bool(market.is_delisted),
        "schedule": schedule,
    }
    tick, step = found["price_increment"], found["quantity_increment"]
    found["last_price"] = None if terms.last_ticks == INT64_MIN else terms.last_ticks * tick
    found.update(_rules_of(books, market, tick, step))
    found.update(_protections_of(market, terms.market != 0, tick, step))
    return found


cdef dict _rules_of(const Books* books, const Market* market, object tick, object step):
    return {
        "tick_table": market.tick_table or None,
        "ticks": _ticks_of(books, market.tick_table, tick),
        "algorithm": "pro-rata" if market.algorithm else "price-time",
        "top_order": bool(market.top_order),
        "pro_rata_minimum": market.pro_rata_minimum_lots * step,
        "stop_trigger": "opposite-best" if market.trigger else "last-trade",
    }


cdef dict _protections_of(const Market* market, bint is_there, object tick, object step):
    # An instrument without a Market has none.
    def distance(int64_t ticks):
        return ticks * tick if is_there and ticks >= 0 else None

    most = market.max_notional
    return {
        "reference_price": market.reference_ticks * tick if is_there and market.reference_ticks != INT64_MIN else None,
        "static_band": distance(market.static_ticks),
        "dynamic_band": distance(market.dynamic_ticks),
        "price_distance": distance(market.distance_ticks),
        "max_notional": most * tick * step if is_there and 0 <= most < INT64_MAX else None,
        "breaker_percent": Decimal(market.breaker_bp) / 100 if market.breaker_bp else None,
        "breaker_halt_seconds": _seconds(market.halt_ns) if market.breaker_bp else None,
        "breaker_auction_seconds": _seconds(market.auction_ns) if market.breaker_bp else None,
    }


def _seconds(time_ns: int) -> Decimal:
    # Of whole milliseconds.
    return Decimal(time_ns // 1000000) / 1000


cdef list _ticks_of(const Books* books, uint32_t table, object tick):
    # As a configuration has them: "0.01", then "FROM:TICK".
    cdef const Increment* rows = <const Increment*> books.increments.records
    cdef uint32_t at = (<const uint32_t*> books.tables.records)[table] if table else 0
    found = []
    while at:
        size = f"{rows[at].tick_ticks * tick:f}"
        found.append(size if not found else f"{rows[at].from_ticks * tick:f}:{size}")
        at = rows[at].next
    return found
