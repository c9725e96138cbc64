"""What Python is told of the books: prices, levels, orders, as objects and arrays of their own.

Holds nothing; a Doorway that is in use raises RuntimeError.
"""

from cpython.number cimport PyNumber_Index as index
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from engine.ladder cimport Ladder, ladder_after, level_at, price_of
from engine.places cimport EMPTY, extra_of, has_extra, instrument_of as instrument_of_order, price_of_order
from engine.queue cimport find_id
from engine.report cimport Order, order_object
from engine.state cimport Books, Instrument, order_at
from engine.store cimport Extra, Level
from engine.store cimport Order as OrderRecord
from engine.trails cimport stop_of

import numpy as np

from engine.records import DEPTH

cdef object frombuffer = np.frombuffer

cdef struct Depth:              # DEPTH of records.py
    int64_t price_ticks
    int64_t quantity_lots
    uint32_t orders
    uint32_t reserved

cdef const Instrument* instrument_of(Doorway machine, object number) except NULL:
    machine.check()
    number = index(number)
    if not 0 <= number < machine.books.instrument_count:
        raise ValueError(f"instrument {number} is not defined; there are {machine.books.instrument_count}")
    return &machine.books.instruments[<uint32_t>number]

cdef object side_best(const Ladder* ladder, uint32_t side):
    return price_of(ladder.best_key, side) if ladder.best else None

cdef object side_depth(const Books* books, const Ladder* ladder, uint32_t side, Py_ssize_t n):
    cdef Py_ssize_t count = 0
    cdef uint32_t number = ladder.best
    cdef const Level* level
    cdef bytearray image
    cdef Depth* rows
    while number and count < n:
        count += 1
        number = ladder_after(ladder, &books.nodes, level_at(&books.nodes, number).key)
    if count == 0:
        return np.empty(0, DEPTH)
    image = bytearray(count * sizeof(Depth))
    rows = <Depth*><char*>image
    number = ladder.best
    for i in range(count):
        level = level_at(&books.nodes, number)
        rows[i].price_ticks = price_of(level.key, side)
        rows[i].quantity_lots = (
            INT64_MAX if level.total_high or level.total_low > <uint64_t>INT64_MAX else <int64_t>level.total_low
        )
        rows[i].orders = level.orders
        number = ladder_after(ladder, &books.nodes, level.key)
    return frombuffer(image, DEPTH)

cdef uint32_t live_slot(Doorway machine, object order_id) except? 0:
    machine.check()
    order_id = index(order_id)
    if not 0 < order_id <= machine.books.last_order_id:
        return 0
    return find_id(&machine.books, <uint64_t>order_id)

cdef Order order_at_slot(Doorway machine, uint32_t slot):
    cdef const OrderRecord* order = order_at(&machine.books, slot)
    cdef const Extra* extra = extra_of(&machine.books, order) if has_extra(order) else NULL
    return order_object(
        order, extra, instrument_of_order(&machine.books, order), price_of_order(&machine.books, order),
        EMPTY if extra == NULL else stop_of(&machine.books, order, extra),
    )
