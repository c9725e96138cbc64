# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; instruments are those of the engine's reports and of subscriptions, and
# _reserve() makes the room for them. Divisors are increments (>= 1).
"""Market data by FIX: what the books that sessions are subscribed to were at the end of each log entry.

Holds the last trade of each instrument; of one with subscribers the levels that they were told last, and what the
current entry has touched. Between two entries all but the last trades follows from the subscriptions and the books.
Nothing is told inside an
entry, so what comes out does not depend on where steps are cut. Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport INT64_MAX
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from engine.state cimport market_of
from engine.types cimport (
    ADVANCED, BUY, CHANGED, CLOSING_AUCTION, EMPTY_PRICE, MASS_CANCELLED, REJECTED, TICK, TRADE,
)
from gateway.feed_topics cimport Auctions, Indication, saturated
from gateway.fix_values cimport write_timestamp
from gateway.subscriptions cimport (
    AUCTIONS, BIDS, CLOSING, IMBALANCE, MARKET_DATA, OF_INSTRUMENT, OPENING, TRADES,
)

cdef enum:
    LONG = 32768            # bytes of entries, after which what has changed goes on in another message
    DATE = 8                # bytes of a timestamp's date; its time follows behind a '-'
    TIME = 12
    MORE_BUYERS = 80        # TradeCondition (277), FIX characters
    MORE_SELLERS = 81
    OF_THE_SESSION = 49     # OpenCloseSettlFlag (286)
    THEORETICAL = 53

cdef Side NOTHING           # zeros: an empty side


cdef inline const Side* told_of(const Watched* watched, int which) noexcept nogil:
    return &watched.told[which] if watched.told != NULL else &NOTHING


cdef inline bint is_better(int which, int64_t price, int64_t other) noexcept nogil:
    return price > other if which == BUY else price < other


cdef inline uint32_t within(const Side* side, uint32_t depth) noexcept nogil:
    return side.count if side.count < depth else depth


cdef inline uint8_t type_of(int kind) noexcept nogil:
    return OPENING if kind <= WOULD_OPEN else CLOSING if kind <= WOULD_CLOSE else IMBALANCE


cdef inline uint8_t character_of(int kind) noexcept nogil:
    # MDEntryType
    return c'4' if kind <= WOULD_OPEN else c'5' if kind <= WOULD_CLOSE else c'A'


cdef inline int64_t quantity_of(int64_t lots, const Scale* scale) noexcept nogil:
    return INT64_MAX if lots > INT64_MAX // scale.quantity_increment else lots * scale.quantity_increment


cdef void* grown(void* memory, size_t size) except NULL nogil:
    cdef void* bigger = realloc(memory, size)
    if bigger == NULL:
        with gil:
            raise MemoryError("no memory for what subscribers are told")
    return bigger


cdef class BookUpdates:
    def __cinit__(self, Machine machine not None, Sessions sessions not None, FeedTopics feed not None,
                  StatusUpdates statuses not None) -> None:
        self.machine = machine
        self.sessions = sessions
        self.statuses = statuses
        self.subscriptions = sessions.subscriptions
        self.feed = feed
        self.entries = TextBody()
        self.message = TextBody()

    def __dealloc__(self) -> None:
        cdef uint32_t i
        for i in range(self.watched_room):
            free(self.watched[i].told)
        free(self.watched)
        free(self.touched)
        free(self.trades)
        free(self.parts)

    # ------------------------------------------------------------ within an entry

    cdef int _reserve(self, uint32_t instrument) except -1 nogil:
        cdef uint32_t room = self.watched_room if self.watched_room else 16
        if instrument < self.watched_room:
            return 0
        while room <= instrument:
            room *= 2
        self.watched = <Watched*> grown(self.watched, room * sizeof(Watched))
        memset(self.watched + self.watched_room, 0, (room - self.watched_room) * sizeof(Watched))
        self.watched_room = room
        self.touched = <uint32_t*> grown(self.touched, room * sizeof(uint32_t))
        return 0

    cdef int _touch(self, uint32_t instrument) except -1 nogil:
        self._reserve(instrument)
        if not self.watched[instrument].touched:
            self.watched[instrument].touched = True
            self.touched[self.touched_count] = instrument
            self.touched_count += 1
        return 0

    cdef int note(self, const Report* reports, size_t count) except -1 nogil:
        cdef size_t i
        for i in range(count):
            if reports[i].kind == REJECTED or reports[i].kind == ADVANCED or reports[i].kind == MASS_CANCELLED:
                continue
            if reports[i].kind == CHANGED and reports[i].command_kind == TICK:
                self._touch_table(reports[i].instrument)
            elif self.subscriptions.first_of(reports[i].instrument):
                self._touch(reports[i].instrument)
                if reports[i].kind == TRADE:
                    self._trade(reports[i].instrument, reports[i].trade_id, reports[i].last_price_ticks,
                                reports[i].last_lots, False)
        return self.statuses.note(reports, count)

    cdef int bust(self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots) except -1 nogil:
        if not self.subscriptions.first_of(instrument):
            return 0
        self._touch(instrument)
        return self._trade(instrument, trade_id, price_ticks, lots, True)

    cdef int _touch_table(self, uint32_t table) except -1 nogil:
        # Other increments may make another price of an auction to come.
        cdef uint32_t instrument
        for instrument in range(self.machine.books.instrument_count):
            if market_of(&self.machine.books, instrument).tick_table == table and (
                    self.subscriptions.first_of(instrument)):
                self._touch(instrument)
        return 0

    cdef int set_last_trade(self, uint32_t instrument, int64_t price_ticks, int64_t lots,
                            int64_t time_ns) except -1 nogil:
        cdef Watched* watched
        self._reserve(instrument)
        watched = &self.watched[instrument]
        watched.last_price_ticks = price_ticks
        watched.last_lots = lots
        watched.last_ns = time_ns
        return 0

    cdef int _trade(self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots,
                    bint is_void) except -1 nogil:
        cdef Watched* watched = &self.watched[instrument]
        cdef Trade* trade
        if self.trade_count + 1 >= self.trade_room:
            self.trade_room = 2 * self.trade_room if self.trade_room else 64
            self.trades = <Trade*> grown(self.trades, self.trade_room * sizeof(Trade))
        self.trade_count += 1
        trade = &self.trades[self.trade_count]
        trade.price_ticks = price_ticks
        trade.quantity_lots = lots
        trade.trade_id = trade_id
        trade.is_void = is_void
        trade.next = 0
        if watched.last_trade:
            self.trades[watched.last_trade].next = self.trade_count
        else:
            watched.first_trade = self.trade_count
        watched.last_trade = self.trade_count
        return 0

    cdef int begin(self, const Subscription* given) except -1 nogil:
        self.subscriptions.add(given)
        return self._touch(given.instrument)

    # ------------------------------------------------------------ the end of an entry

    cdef int end_entry(self) except -1 nogil:
        cdef uint32_t i, slot, kept = 0
        cdef Watched* watched
        for i in range(self.touched_count):
            if self.machine.is_half_done(self.touched[i]):      # it is told when that is done
                self.touched[kept] = self.touched[i]
                kept += 1
                continue
            watched = &self.watched[self.touched[i]]
            slot = self._read_book(self.touched[i])
            self.written = 0
            while slot:
                if self.subscriptions.slots[slot].kind == MARKET_DATA:
                    self._tell(watched, &self.subscriptions.slots[slot])
                slot = self.subscriptions.slots[slot].next[<int> OF_INSTRUMENT]
            self._keep(watched)
            watched.first_trade = watched.last_trade = 0
            watched.touched = False
        self.touched_count = kept
        if kept == 0:
            self.trade_count = 0
        return 0

    cdef int resume(self) except -1 nogil:
        cdef uint32_t instrument
        for instrument in range(self.machine.books.instrument_count):
            if self._read_book(instrument):
                self._reserve(instrument)
                self._keep(&self.watched[instrument])
        return 0

    cdef int _read_book(self, uint32_t instrument) except -1 nogil:
        # As deep as its subscribers want it. Returns the first of them; 0: it has none any more.
        cdef uint32_t first = self.subscriptions.first_of(instrument), slot = first, depth = 0
        cdef uint8_t types = 0
        while slot:
            depth = max(depth, self.subscriptions.slots[slot].depth)
            types |= self.subscriptions.slots[slot].types
            slot = self.subscriptions.slots[slot].next[<int> OF_INSTRUMENT]
        self._read(&self.now[0], instrument, 0, depth)
        self._read(&self.now[1], instrument, 1, depth)
        if types & AUCTIONS:
            self._read_auctions(instrument)
        return first

    cdef int _read_auctions(self, uint32_t instrument) except -1 nogil:
        # O(levels) while orders are collected, once after anything has happened.
        cdef const Auctions* known = &self.feed.instruments[instrument].auctions
        cdef const Indication* coming = self.feed.indication(self.machine, instrument)
        cdef AuctionEntry* entry
        cdef int i
        memset(self.auctions, 0, sizeof(self.auctions))
        for i in range(2):
            if known.prices[i].lots:
                entry = &self.auctions[<int> OPENED if i == 0 else <int> CLOSED_AT]
                entry.price_ticks = known.prices[i].price_ticks
                entry.lots = known.prices[i].lots
                entry.time_ns = known.prices[i].time_ns
                entry.is_there = 1
        if coming.lots:
            i = market_of(&self.machine.books, instrument).phase == CLOSING_AUCTION
            entry = &self.auctions[<int> WOULD_CLOSE if i else <int> WOULD_OPEN]
            entry.price_ticks = coming.price_ticks
            entry.lots = coming.lots
            entry.is_there = 1
        if coming.surplus_lots:
            entry = &self.auctions[<int> SURPLUS]
            entry.price_ticks = coming.price_ticks
            entry.lots = coming.surplus_lots
            entry.is_there = 1
        return 0

    cdef void _read(self, Side* side, uint32_t instrument, int which, uint32_t depth) noexcept nogil:
        cdef Level* level = side.levels
        cdef int64_t price = EMPTY_PRICE(), high = 0
        cdef uint64_t low = 0
        side.count = 0
        while side.count < depth and self.machine.next_level(instrument, which, price, &price):
            level.price_ticks = price
            level.orders = self.machine.level(instrument, which, price, &low, &high)
            level.quantity_lots = saturated(low, high)
            side.count += 1
            level += 1

    cdef int _keep(self, Watched* watched) except -1 nogil:
        cdef int which
        memcpy(watched.told_auctions, self.auctions, sizeof(self.auctions))
        if self.now[0].count + self.now[1].count == 0:      # nobody is subscribed, or the book is empty
            free(watched.told)
            watched.told = NULL
            return 0
        if watched.told == NULL:
            watched.told = <Side*> grown(NULL, 2 * sizeof(Side))
        for which in range(2):
            watched.told[which].count = self.now[which].count
            memcpy(watched.told[which].levels, self.now[which].levels, self.now[which].count * sizeof(Level))
        return 0

    cdef int _tell(self, const Watched* watched, Subscription* s) except -1 nogil:
        cdef Session* to = self.sessions.by_id(s.session)
        if s.fresh:
            s.fresh = False
            return self._tell_whole(to, s)
        if not s.refresh:
            return self._tell_changes(to, watched, s)
        return self._tell_whole(to, s) if self._changed(watched, s) else 0

    cdef bint _changed(self, const Watched* watched, const Subscription* s) noexcept nogil:
        cdef const Side* old
        cdef uint32_t count
        cdef int which
        if s.types & TRADES and watched.first_trade:
            return True
        for which in range(2):
            old = told_of(watched, which)
            count = within(old, s.depth)
            if s.types & BIDS << which and (
                    count != within(&self.now[which], s.depth)
                    or memcmp(old.levels, self.now[which].levels, count * sizeof(Level)) != 0):
                return True
        return self._auctions_changed(watched, s.types)

    cdef bint _auctions_changed(self, const Watched* watched, uint8_t types) noexcept nogil:
        cdef int kind
        for kind in range(AUCTION_ENTRIES):
            if types & type_of(kind) and memcmp(
                    &watched.told_auctions[kind], &self.auctions[kind], sizeof(AuctionEntry)) != 0:
                return True
        return False

    cdef int show(self, Session* s, const Subscription* asked) except -1 nogil:
        cdef int which
        self._reserve(asked.instrument)
        for which in range(2):
            self._read(&self.now[which], asked.instrument, which, asked.depth)
        if asked.types & AUCTIONS:
            self._read_auctions(asked.instrument)
        self.written = 0
        return self._tell_whole(s, asked)

    # ------------------------------------------------------------ messages

    cdef int _tell_whole(self, Session* to, const Subscription* s) except -1 nogil:
        # MarketDataSnapshotFullRefresh
        cdef const Scale* scale = &self.feed.instruments[s.instrument].scale
        cdef uint64_t key = <uint64_t> s.depth << 8 | s.types << 1 | 1
        cdef uint32_t place
        cdef int which
        if self.written != key:
            self._forget()
            self._begin_part()      # NoMDEntries (268) is 0 of an empty book
            for which in range(2):
                for place in range(within(&self.now[which], s.depth) if s.types & BIDS << which else 0):
                    self.parts[0].entries += 1
                    self.entries.character(269, c'0' + which)
                    self._write_price(&self.now[which].levels[place], scale)
                    self._write_size(&self.now[which].levels[place], scale)
                    if s.depth > 1:
                        self.entries.number(290, place + 1)
            if s.types & TRADES and self.watched[s.instrument].last_lots:
                self._write_last_trade(&self.watched[s.instrument], scale)
            for which in range(AUCTION_ENTRIES):
                if s.types & type_of(which) and self.auctions[which].is_there:
                    self.parts[0].entries += 1
                    self.entries.character(269, character_of(which))
                    self._write_auction(which, &self.auctions[which], scale)
            self.written = key
        self.message.clear()
        self.message.text(262, s.id, s.id_length)
        self.message.text(55, scale.symbol, scale.symbol_length)
        return self._send(to, b"W", &self.parts[0], self.entries.size)

    cdef int _tell_changes(self, Session* to, const Watched* watched, const Subscription* s) except -1 nogil:
        # MarketDataIncrementalRefresh, as many as it takes; none when nothing has changed.
        cdef const Scale* scale = &self.feed.instruments[s.instrument].scale
        cdef uint64_t key = <uint64_t> s.depth << 8 | s.types << 1
        cdef uint32_t i
        cdef int which
        if self.written != key:
            self._forget()
            if s.types & TRADES:
                self._write_trades(watched, scale)
            for which in range(2):
                if s.types & BIDS << which:
                    self._write_changes(told_of(watched, which), which, s.depth, scale)
            self._write_auction_changes(watched, s.types, scale)
            self.written = key
        for i in range(self.part_count):
            self.message.clear()
            self.message.text(262, s.id, s.id_length)
            self._send(to, b"X", &self.parts[i],
                       self.parts[i + 1].begin if i + 1 < self.part_count else self.entries.size)
        return 0

    cdef int _send(self, Session* to, const char* msg_type, const Part* part, size_t end) except -1 nogil:
        self.message.number(268, part.entries)
        self.message.fields(self.entries.data + part.begin, end - part.begin)
        self.message.number(20001, self.sessions.input_number)
        self.sessions.text(to, <const uint8_t*> msg_type, 1, self.message.data, self.message.size)
        return 0

    # ------------------------------------------------------------ their entries

    cdef void _forget(self) noexcept nogil:
        self.entries.clear()
        self.part_count = 0

    cdef int _begin_part(self) except -1 nogil:
        if self.part_count == self.part_room:
            self.part_room = 2 * self.part_room if self.part_room else 16
            self.parts = <Part*> grown(self.parts, self.part_room * sizeof(Part))
        self.parts[self.part_count].begin = self.entries.size
        self.parts[self.part_count].entries = 0
        self.part_count += 1
        return 0

    cdef int _begin_change(self, uint8_t action, uint8_t type) except -1 nogil:
        if self.part_count == 0 or self.entries.size - self.parts[self.part_count - 1].begin > LONG:
            self._begin_part()
        self.parts[self.part_count - 1].entries += 1
        self.entries.character(279, action)
        return self.entries.character(269, type)

    cdef int _write_price(self, const Level* level, const Scale* scale) except -1 nogil:
        return self.entries.decimal(270, level.price_ticks * scale.price_increment, scale.price_exponent)

    cdef int _write_size(self, const Level* level, const Scale* scale) except -1 nogil:
        self.entries.decimal(271, quantity_of(level.quantity_lots, scale), scale.quantity_exponent)
        return self.entries.number(346, level.orders)

    cdef int _write_time(self, int64_t time_ns) except -1 nogil:
        cdef uint8_t time[48]
        write_timestamp(time, time_ns)
        self.entries.text(272, time, DATE)
        return self.entries.text(273, time + DATE + 1, TIME)

    cdef int _write_last_trade(self, const Watched* watched, const Scale* scale) except -1 nogil:
        self.parts[0].entries += 1
        self.entries.character(269, c'2')
        self.entries.decimal(270, watched.last_price_ticks * scale.price_increment, scale.price_exponent)
        self.entries.decimal(271, quantity_of(watched.last_lots, scale), scale.quantity_exponent)
        return self._write_time(watched.last_ns)

    cdef int _write_trades(self, const Watched* watched, const Scale* scale) except -1 nogil:
        cdef const Trade* trade
        cdef uint32_t number = watched.first_trade
        while number:
            trade = &self.trades[number]
            self._begin_change(DELETE if trade.is_void else NEW, c'2')
            self.entries.number(278, trade.trade_id)
            self.entries.text(55, scale.symbol, scale.symbol_length)
            self.entries.decimal(270, trade.price_ticks * scale.price_increment, scale.price_exponent)
            self.entries.decimal(271, quantity_of(trade.quantity_lots, scale), scale.quantity_exponent)
            self._write_time(self.sessions.now_ns)
            number = trade.next
        return 0

    cdef int _write_auction_changes(self, const Watched* watched, uint8_t types, const Scale* scale) except -1 nogil:
        cdef const AuctionEntry* old
        cdef const AuctionEntry* now
        cdef int kind
        for kind in range(AUCTION_ENTRIES):
            old, now = &watched.told_auctions[kind], &self.auctions[kind]
            if not types & type_of(kind) or memcmp(old, now, sizeof(AuctionEntry)) == 0:
                continue
            self._begin_change(DELETE if not now.is_there else CHANGE if old.is_there else NEW, character_of(kind))
            self.entries.text(55, scale.symbol, scale.symbol_length)
            self._write_auction(kind, now if now.is_there else old, scale)
        return 0

    cdef int _write_auction(self, int kind, const AuctionEntry* entry, const Scale* scale) except -1 nogil:
        cdef int64_t lots = entry.lots if entry.lots >= 0 else -entry.lots
        self.entries.decimal(270, entry.price_ticks * scale.price_increment, scale.price_exponent)
        self.entries.decimal(271, quantity_of(lots, scale), scale.quantity_exponent)
        if kind == SURPLUS:
            return self.entries.character(277, MORE_BUYERS if entry.lots > 0 else MORE_SELLERS)
        if kind == OPENED or kind == CLOSED_AT:
            self._write_time(entry.time_ns)
            return self.entries.character(286, OF_THE_SESSION)
        return self.entries.character(286, THEORETICAL)

    cdef int _write_changes(self, const Side* old, int which, uint32_t depth, const Scale* scale) except -1 nogil:
        # Levels that went, then those that came or changed, each best first: nobody has to hold more than the depth. A
        # place counts what is there once the entries before are done.
        cdef const Side* now = &self.now[which]
        cdef uint32_t old_count = within(old, depth), now_count = within(now, depth), place = 0, left = 0, at
        for at in range(old_count):
            while place < now_count and is_better(which, now.levels[place].price_ticks, old.levels[at].price_ticks):
                place += 1
            if place < now_count and now.levels[place].price_ticks == old.levels[at].price_ticks:
                left += 1
            else:
                self._write_change(DELETE, which, &old.levels[at], left + 1 if depth > 1 else 0, scale)
        at = 0
        for place in range(now_count):
            while at < old_count and is_better(which, old.levels[at].price_ticks, now.levels[place].price_ticks):
                at += 1
            if at == old_count or old.levels[at].price_ticks != now.levels[place].price_ticks:
                self._write_change(NEW, which, &now.levels[place], place + 1 if depth > 1 else 0, scale)
            elif memcmp(&old.levels[at], &now.levels[place], sizeof(Level)) != 0:
                self._write_change(CHANGE, which, &now.levels[place], place + 1 if depth > 1 else 0, scale)
        return 0

    cdef int _write_change(self, UpdateAction action, int which, const Level* level, uint32_t position,
                           const Scale* scale) except -1 nogil:
        self._begin_change(action, c'0' + which)
        self.entries.text(55, scale.symbol, scale.symbol_length)
        self._write_price(level, scale)
        if action != DELETE:
            self._write_size(level, scale)
        return self.entries.number(290, position) if position else 0
