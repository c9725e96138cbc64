# What Python is told of the books: see answers.pyx.

from libc.stdint cimport uint32_t

from engine.doorway cimport Doorway
from engine.ladder cimport Ladder
from engine.report cimport Order
from engine.state cimport Books, Instrument

# Raises ValueError when it is not defined.
cdef const Instrument* instrument_of(Doorway machine, object number) except NULL
# None: the side is empty.
cdef object side_best(const Ladder* ladder, uint32_t side)
# The best levels of a side, at most n, as an array of DEPTH.
cdef object side_depth(const Books* books, const Ladder* ladder, uint32_t side, Py_ssize_t n)
# 0 = no live order has this id.
cdef uint32_t live_slot(Doorway machine, object order_id) except? 0
cdef Order order_at_slot(Doorway machine, uint32_t slot)
