# What subscribers are told of books: the whole of what they asked for (W), or what a log entry has changed (X).

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.machine cimport Machine
from engine.types cimport Report
from gateway.feed_topics cimport FeedTopics, Scale
from gateway.session cimport Session, Sessions
from gateway.status_updates cimport StatusUpdates
from gateway.subscriptions cimport MAX_DEPTH, Subscription, Subscriptions
from gateway.text_body cimport TextBody

cdef enum UpdateAction:         # MDUpdateAction (279), a FIX character
    NEW = 48
    CHANGE = 49
    DELETE = 50

cdef struct Level:              # 24 bytes, all of them meant when two are compared
    int64_t price_ticks
    int64_t quantity_lots       # saturated
    uint64_t orders

cdef struct Side:               # the best levels of one side of a book, best first
    uint32_t count
    Level levels[MAX_DEPTH]

cdef enum AuctionEntryKind:     # entries of MDEntryType 4, 5 and A
    OPENED = 0                  # the last auction of any phase but the closing auction
    WOULD_OPEN = 1              # what it would come to now
    CLOSED_AT = 2               # the same of the closing auction
    WOULD_CLOSE = 3
    SURPLUS = 4                 # of buyers at the price that an auction would come to; lots below 0: of sellers
    AUCTION_ENTRIES = 5

cdef struct AuctionEntry:       # 32 bytes, all of them meant when two are compared; zeros: there is none
    int64_t price_ticks
    int64_t lots
    int64_t time_ns
    uint64_t is_there

cdef struct Watched:            # an instrument
    Side* told                  # bids and offers as they were at the end of the last entry; NULL: nobody is subscribed
    AuctionEntry told_auctions[AUCTION_ENTRIES]     # the same, when somebody is subscribed to them
    uint32_t first_trade        # of this entry; 0 = none
    uint32_t last_trade
    bint touched                # by this entry
    int64_t last_price_ticks    # of its last trade, subscribers or not: state, from rules 2 on
    int64_t last_lots           # 0: there was none
    int64_t last_ns

cdef struct Trade:
    int64_t price_ticks
    int64_t quantity_lots
    uint64_t trade_id
    uint32_t next               # of the same instrument in this entry
    bint is_void                # it was a trade until now

cdef struct Part:               # of the entries that were written: what fits into one message
    size_t begin
    uint32_t entries


@cython.final
cdef class BookUpdates:
    cdef Machine machine
    cdef Sessions sessions
    cdef Subscriptions subscriptions
    cdef StatusUpdates statuses     # hears of the same
    cdef FeedTopics feed        # what a tick and a lot are worth, and auctions
    cdef Watched* watched       # by instrument
    cdef uint32_t watched_room
    # of the current entry
    cdef uint32_t* touched      # instruments, in the order in which they were touched first; room for all
    cdef uint32_t touched_count
    cdef Trade* trades          # from 1 on
    cdef uint32_t trade_count
    cdef uint32_t trade_room
    # of the instrument that is being told
    cdef Side now[2]
    cdef AuctionEntry auctions[AUCTION_ENTRIES]
    cdef TextBody entries
    cdef Part* parts            # of `entries`
    cdef uint32_t part_count
    cdef uint32_t part_room
    cdef uint64_t written       # whose entries those are: depth, types and kind; 0 = nobody's
    cdef TextBody message

    # Reports of the engine, in order: books and trades that somebody is subscribed to are told when the entry ends, and
    # by `statuses` phases.
    cdef int note(self, const Report* reports, size_t count) except -1 nogil
    # A trade of an earlier input is void.
    cdef int bust(self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots) except -1 nogil
    # Of every trade, whether somebody is subscribed to the instrument or not.
    cdef int set_last_trade(self, uint32_t instrument, int64_t price_ticks, int64_t lots,
                            int64_t time_ns) except -1 nogil
    # A subscription that is told the whole when the entry ends.
    cdef int begin(self, const Subscription* given) except -1 nogil
    cdef int end_entry(self) except -1 nogil
    # The book as it is now.
    cdef int show(self, Session* s, const Subscription* asked) except -1 nogil
    # The subscriptions of a snapshot: they were told the books as they are.
    cdef int resume(self) except -1 nogil

    cdef int _reserve(self, uint32_t instrument) except -1 nogil
    cdef int _touch(self, uint32_t instrument) except -1 nogil
    cdef int _touch_table(self, uint32_t table) except -1 nogil
    cdef int _trade(self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots,
                    bint is_void) except -1 nogil
    cdef void _read(self, Side* side, uint32_t instrument, int which, uint32_t depth) noexcept nogil
    cdef int _read_book(self, uint32_t instrument) except -1 nogil
    cdef int _read_auctions(self, uint32_t instrument) except -1 nogil
    cdef bint _auctions_changed(self, const Watched* watched, uint8_t types) noexcept nogil
    cdef int _keep(self, Watched* watched) except -1 nogil
    cdef int _tell(self, const Watched* watched, Subscription* s) except -1 nogil
    cdef bint _changed(self, const Watched* watched, const Subscription* s) noexcept nogil
    cdef int _tell_whole(self, Session* to, const Subscription* s) except -1 nogil
    cdef int _tell_changes(self, Session* to, const Watched* watched, const Subscription* s) except -1 nogil
    cdef int _send(self, Session* to, const char* msg_type, const Part* part, size_t end) except -1 nogil
    cdef void _forget(self) noexcept nogil
    cdef int _begin_part(self) except -1 nogil
    cdef int _begin_change(self, uint8_t action, uint8_t type) except -1 nogil
    cdef int _write_price(self, const Level* level, const Scale* scale) except -1 nogil
    cdef int _write_size(self, const Level* level, const Scale* scale) except -1 nogil
    cdef int _write_time(self, int64_t time_ns) except -1 nogil
    cdef int _write_last_trade(self, const Watched* watched, const Scale* scale) except -1 nogil
    cdef int _write_trades(self, const Watched* watched, const Scale* scale) except -1 nogil
    cdef int _write_auction(self, int kind, const AuctionEntry* entry, const Scale* scale) except -1 nogil
    cdef int _write_auction_changes(self, const Watched* watched, uint8_t types, const Scale* scale) except -1 nogil
    cdef int _write_changes(self, const Side* old, int which, uint32_t depth, const Scale* scale) except -1 nogil
    cdef int _write_change(self, UpdateAction action, int which, const Level* level, uint32_t position,
                           const Scale* scale) except -1 nogil
