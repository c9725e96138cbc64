# The trades that can still be busted: the newest ones, in a ring. A part of the state from rules 3 on.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    REMEMBERED_TRADES = 65536   # a power of two; trade ids are given out in turn, so that each has its place

cdef struct TradeSide:          # 32 bytes
    uint64_t order_id
    uint64_t exec_id            # of the fill that was reported
    uint32_t session
    uint32_t slot               # of the order, while that has this order_id
    uint8_t side                # FIX character
    uint8_t reserved[7]

cdef struct PastTrade:          # 104 bytes
    uint64_t trade_id           # 0 = nothing here
    int64_t price_ticks
    int64_t lots
    int64_t time_ns
    uint32_t instrument
    uint32_t is_busted
    TradeSide taker
    TradeSide maker

cdef class TradeMemory:
    cdef PastTrade* ring
    cdef uint64_t newest        # trade id; 0 = none

    cdef PastTrade* next(self, uint64_t trade_id) except NULL nogil     # the place of a new trade, zeroed
    cdef PastTrade* find(self, uint64_t trade_id) noexcept nogil        # NULL: never made, or too long ago
    cdef uint64_t oldest(self) noexcept nogil                           # that is remembered; newest + 1: none is
