# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; a place in the ring is a trade id modulo its size.
"""The newest trades, so that an operator can bust one. Runs without the GIL; raises MemoryError."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef class TradeMemory:
    def __dealloc__(self) -> None:
        free(self.ring)

    cdef PastTrade* next(self, uint64_t trade_id) except NULL nogil:
        cdef PastTrade* place
        if self.ring == NULL:
            self.ring = <PastTrade*> calloc(REMEMBERED_TRADES, sizeof(PastTrade))
            if self.ring == NULL:
                with gil:
                    raise MemoryError("no memory for the trades that can be busted")
        place = &self.ring[trade_id & (REMEMBERED_TRADES - 1)]
        memset(place, 0, sizeof(PastTrade))
        place.trade_id = trade_id
        self.newest = trade_id
        return place

    cdef PastTrade* find(self, uint64_t trade_id) noexcept nogil:
        cdef PastTrade* place
        if self.ring == NULL or trade_id == 0:
            return NULL
        place = &self.ring[trade_id & (REMEMBERED_TRADES - 1)]
        return place if place.trade_id == trade_id else NULL

    cdef uint64_t oldest(self) noexcept nogil:
        cdef uint64_t trade_id = self.newest
        while trade_id and self.newest - trade_id < REMEMBERED_TRADES and self.find(trade_id) != NULL:
            trade_id -= 1
        return trade_id + 1
