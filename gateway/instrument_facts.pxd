# What can be seen of an instrument, for people and programs.

from libc.stdint cimport int64_t, uint32_t

from engine.state cimport Books
from gateway.executions cimport Instrument

# until_ns: the earliest end of its phase; 0 = when told. schedule: its name, "" = it follows none.
cdef dict facts_of(const Books* books, const Instrument* one, uint32_t number, int64_t until_ns, str schedule)
