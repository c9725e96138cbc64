# The gateway's part of the canonical state, for state_hash: gateway/DESIGN.md lists the bytes.

from libc.stdint cimport uint32_t

from gateway.drop_copies cimport DropCopies
from gateway.operations cimport Operations
from gateway.orders cimport Orders
from gateway.outbox cimport Outbox
from gateway.session cimport Sessions
from gateway.subscriptions cimport Subscriptions

cdef int write_sessions(Outbox text, Sessions sessions) except -1 nogil
cdef int write_drop_copies(Outbox text, DropCopies drop_copies) except -1 nogil
cdef int write_schedules(Outbox text, Operations operations) except -1 nogil
cdef int write_orders(Outbox text, Sessions sessions, Orders orders) except -1 nogil
cdef int write_past_trades(Outbox text, Orders orders) except -1 nogil
cdef int write_subscriptions(Outbox text, Subscriptions subscriptions, uint32_t rules) except -1 nogil
