# Command records of what Python asks for: see asking.pyx.

from cpython.number cimport PyNumber_Index as index  # Cython alone cuts an id of 1.5 to 1
from libc.stdint cimport uint8_t
from libc.string cimport memset

from engine.state cimport Books
from engine.types cimport Command

cdef inline int name_order(Command* command, uint8_t kind, order_id, owner, client_ref) except -1:
    """A command about an order, and nothing else in it yet."""
    memset(command, 0, sizeof(Command))
    command.kind = kind
    command.order_id = index(order_id)
    command.owner = index(owner)
    command.client_ref = 0 if client_ref is None else index(client_ref)
    return 0

# The terms of an instrument. limits: lot, least and most quantity, lowest and highest price, protection.
cdef int take_terms(
    Command* command, uint8_t kind, object instrument, tuple limits, object algorithm, bint top_order,
    object pro_rata_minimum, object trigger, object tick_table,
) except -1
# Terms of `submit` that a plain order has not.
cdef int add_terms(Command* command, dict given) except -1
# What the order that a replace names has now; nothing when it is not there.
cdef void take_own_terms(const Books* books, Command* command, bint extended) noexcept
