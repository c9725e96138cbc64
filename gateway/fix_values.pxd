# cython: cdivision=True
# The text of FIX values: parse it, write it. No state, no allocation, no GIL.
#
# Readers take (value, length) without the separator, never look past `length`,
# and return False when the text is not a value of that type.
# Writers put text at `out` and return the end of it. They store in whole words:
# `out` needs SLACK bytes more than the text. Nothing is terminated.
#
# cdivision: every divisor here is a non-zero constant, every dividend unsigned.

from libc.stdint cimport (int8_t, int64_t, uint8_t, uint32_t, uint64_t, INT64_MAX, INT64_MIN,
                          UINT64_MAX)
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    static inline uint64_t fix_separators(const uint8_t *data) {
        const __m128i soh = _mm_set1_epi8(1);
        uint64_t mask = 0;
        for (int i = 0; i < 4; i++) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * i));
            mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, soh)) << (16 * i);
        }
        return mask;
    }
    #else
    static inline uint64_t fix_separators(const uint8_t *data) {
        const uint64_t low = 0x7F7F7F7F7F7F7F7F;
        uint64_t mask = 0, word;
        for (int i = 0; i < 8; i++) {
            memcpy(&word, data + 8 * i, 8);
            word ^= 0x0101010101010101;
            word = ~(((word & low) + low) | word | low);    /* 0x80 where the byte was SOH */
            mask |= (((word >> 7) * 0x0102040810204080) >> 56) << (8 * i);
        }
        return mask;
    }
    #endif
    """
    int __builtin_ctzll(unsigned long long word) nogil
    uint64_t separators_in_64 "fix_separators"(const uint8_t* data) nogil   # a bit for each of 64 bytes

cdef enum:
    SOH = 1                 # the separator of fields
    SLACK = 24              # bytes a writer may touch past the end of its text
    MAX_FRACTION = 18       # decimal places a decimal may have

cdef inline int64_t EMPTY_TIME() noexcept nogil:
    """An absent time."""
    return INT64_MIN

# ---------------------------------------------------------------- words of eight bytes

cdef inline uint64_t load_word(const uint8_t* data) noexcept nogil:
    """Eight bytes as they lie in memory (the first one lowest), at any alignment."""
    cdef uint64_t word
    memcpy(&word, data, 8)
    return word


cdef inline uint64_t find_byte(uint64_t word, uint64_t repeated) noexcept nogil:
    """Non-zero when a byte of `word` is the one repeated in `repeated`; ctz // 8 is the first such."""
    cdef uint64_t difference = word ^ repeated
    return (difference - <uint64_t>0x0101010101010101) & ~difference & <uint64_t>0x8080808080808080


cdef inline bint eight_digits(uint64_t word) noexcept nogil:
    """True when all eight bytes are '0' .. '9'."""
    return ((word & <uint64_t>0xF0F0F0F0F0F0F0F0)
            | (((word + <uint64_t>0x0606060606060606) & <uint64_t>0xF0F0F0F0F0F0F0F0) >> 4)
            ) == <uint64_t>0x3333333333333333


cdef inline uint64_t parse_eight_digits(uint64_t word) noexcept nogil:
    """The number of eight digits, most significant first in memory; three multiplications (D. Lemire, 2018).
    """
    word = ((word & <uint64_t>0x0F0F0F0F0F0F0F0F) * 2561) >> 8
    word = ((word & <uint64_t>0x00FF00FF00FF00FF) * 6553601) >> 16
    return ((word & <uint64_t>0x0000FFFF0000FFFF) * <uint64_t>42949672960001) >> 32


cdef inline uint8_t checksum(const uint8_t* data, size_t length) noexcept nogil:
    """CheckSum (10): the sum of the bytes modulo 256. Compiles to sixteen bytes an instruction."""
    cdef uint8_t total = 0
    cdef size_t i
    for i in range(length):
        total = <uint8_t>(total + data[i])
    return total

# ---------------------------------------------------------------- reading

cdef inline bint parse_uint(const uint8_t* value, size_t length, uint64_t* number) noexcept nogil:
    """Digits only, leading zeros allowed; False when empty, not digits or above UINT64_MAX."""
    cdef uint64_t total = 0, digit
    cdef size_t i
    if length == 0:
        return False
    for i in range(length):
        digit = <uint64_t>value[i] - 48
        if digit > 9:
            return False
        if i >= 19 and (total > UINT64_MAX / 10 or total * 10 > UINT64_MAX - digit):
            return False
        total = total * 10 + digit
    number[0] = total
    return True


cdef inline bint is_printable(const uint8_t* value, size_t length) noexcept nogil:
    """Printable ASCII, ' ' to '~', only. Eight bytes at every byte of the value are readable."""
    cdef uint64_t word, low
    cdef size_t i
    for i in range(0, length, 8):
        word = load_word(value + i)
        if length - i < 8:      # what lies behind the value counts as spaces
            word = (word & ((<uint64_t>1 << (8 * (length - i))) - 1)
                    | <uint64_t>0x2020202020202020 << (8 * (length - i)))
        low = word & <uint64_t>0x7F7F7F7F7F7F7F7F
        # highest bit of a byte: set in `word` from 128 on, clear in the first sum below 32, set in the second at 127
        if ((word | ~(low + <uint64_t>0x6060606060606060) | (low + <uint64_t>0x0101010101010101))
                & <uint64_t>0x8080808080808080):
            return False
    return True


cdef inline bint parse_short_uint(const uint8_t* value, size_t length, uint64_t* number) noexcept nogil:
    """parse_uint of a value with at least eight readable bytes before its end: no loop up to eight digits."""
    cdef uint64_t word
    cdef size_t junk
    if length > 8 or length == 0:
        return parse_uint(value, length, number)
    junk = 8 * (8 - length)
    word = load_word(value + length - 8) >> junk << junk
    if junk:
        word |= <uint64_t>0x3030303030303030 >> (64 - junk)
    if not eight_digits(word):
        return False
    number[0] = parse_eight_digits(word)
    return True


cdef inline bint parse_short_decimal(const uint8_t* value, size_t length, int64_t* mantissa,
                                     int8_t* exponent) noexcept nogil:
    """parse_decimal of a value with at least eight readable bytes before its end: no loop up to eight
    characters.
    """
    cdef uint64_t word, hit, below
    cdef size_t junk, place
    if length > 8 or length < 2:
        return parse_decimal(value, length, mantissa, exponent)
    junk = 8 * (8 - length)
    word = load_word(value + length - 8) >> junk << junk
    if junk:
        word |= <uint64_t>0x3030303030303030 >> (64 - junk)
    hit = find_byte(word, <uint64_t>0x2E2E2E2E2E2E2E2E)
    place = 7
    if hit:     # close the gap: what stands before the point moves onto it
        place = <size_t>(__builtin_ctzll(hit) >> 3)
        below = word & ((<uint64_t>1 << (8 * place)) - 1)
        word = (word ^ below) & ~(<uint64_t>0xFF << (8 * place)) | below << 8 | 48
    if not eight_digits(word):
        return parse_decimal(value, length, mantissa, exponent)
    mantissa[0] = <int64_t>parse_eight_digits(word)
    exponent[0] = <int8_t>place - 7
    return True


cdef inline bint parse_int(const uint8_t* value, size_t length, int64_t* number) noexcept nogil:
    """An optional '-' and digits, between -INT64_MAX and INT64_MAX."""
    cdef uint64_t magnitude
    cdef bint negative = length > 0 and value[0] == 45
    if not parse_uint(value + negative, length - negative, &magnitude) or magnitude > <uint64_t>INT64_MAX:
        return False
    number[0] = -<int64_t>magnitude if negative else <int64_t>magnitude
    return True


cdef inline bint parse_decimal(const uint8_t* value, size_t length, int64_t* mantissa,
                               int8_t* exponent) noexcept nogil:
    """An optional '-', digits with at most one point: mantissa * 10**exponent, -18 <= exponent <= 0, exact.

    Zeros that do not change the value are kept ("101.50" is 10150, -2) unless the mantissa or the exponent
    would not hold them. False when not a number, or when it cannot be held exactly.
    """
    cdef uint64_t total = 0, digit
    cdef size_t i, start = 0, digits = 0, fraction = 0
    cdef bint point = False, negative = False
    if length > 0 and value[0] == 45:
        negative = True
        start = 1
    for i in range(start, length):
        digit = <uint64_t>value[i] - 48
        if digit > 9:
            if value[i] != 46 or point:
                return False
            point = True
            continue
        digits += 1
        fraction += point
        total = total * 10 + digit      # exact while digits <= 18
    if digits == 0:
        return False
    if digits > 18:
        return parse_long_decimal(value, start, length, negative, mantissa, exponent)
    mantissa[0] = -<int64_t>total if negative else <int64_t>total
    exponent[0] = -<int8_t>fraction
    return True


cdef inline bint parse_long_decimal(const uint8_t* value, size_t start, size_t length, bint negative,
                                    int64_t* mantissa, int8_t* exponent) noexcept nogil:
    """parse_decimal of more than 18 digits, known to be digits with at most one point: drops idle zeros
    first.
    """
    cdef uint64_t total = 0, digit
    cdef size_t i, fraction = 0
    cdef bint point = False
    for i in range(start, length):
        point = point or value[i] == 46
    if point:
        while value[length - 1] == 48:
            length -= 1
    point = False
    for i in range(start, length):
        if value[i] == 46:
            point = True
            continue
        digit = value[i] - 48
        if total > <uint64_t>INT64_MAX / 10 or total * 10 > <uint64_t>INT64_MAX - digit:
            return False
        total = total * 10 + digit
        fraction += point
    if fraction > MAX_FRACTION:
        return False
    mantissa[0] = -<int64_t>total if negative else <int64_t>total
    exponent[0] = -<int8_t>fraction
    return True


cdef inline int64_t days_from_civil(uint32_t year, uint32_t month, uint32_t day) noexcept nogil:
    """Days since 1970-01-01 of a date from year 1 on (H. Hinnant, chrono-compatible low-level date
    algorithms).
    """
    cdef uint32_t y = year - (month <= 2)
    cdef uint32_t era = y / 400
    cdef uint32_t year_of_era = y - era * 400
    cdef uint32_t day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) / 5 + day - 1
    cdef uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
    return <int64_t>era * 146097 + <int64_t>day_of_era - 719468


cdef inline bint parse_date(const uint8_t* value, int64_t* days) noexcept nogil:
    """Eight bytes YYYYMMDD of the years 1970 to 2261 (what int64 nanoseconds hold): days since 1970-01-01."""
    cdef uint64_t word = load_word(value)
    cdef uint32_t number, year, month, day, last
    if not eight_digits(word):
        return False
    number = <uint32_t>parse_eight_digits(word)
    year = number / 10000
    month = number / 100 - year * 100
    day = number - number / 100 * 100
    if year < 1970 or year > 2261 or month < 1 or month > 12 or day < 1:
        return False
    if month == 2:
        last = 29 if year & 3 == 0 and (year - year / 100 * 100 != 0 or year - year / 400 * 400 == 0) else 28
    else:
        last = 30 + ((month + (month >> 3)) & 1)
    if day > last:
        return False
    days[0] = days_from_civil(year, month, day)
    return True


cdef inline bint parse_time_of_day(const uint8_t* value, size_t length, int64_t* time_ns) noexcept nogil:
    """HH:MM:SS with an optional point and 1 to 9 digits; SS = 60 is a leap second and counts as the next
    second.
    """
    cdef uint64_t word
    cdef uint64_t number, hour, minute, second, fraction = 0, digit
    cdef size_t i
    if length < 8:
        return False
    word = load_word(value)
    if word & <uint64_t>0x0000FF0000FF0000 != <uint64_t>0x00003A00003A0000:
        return False
    word ^= <uint64_t>0x00000A00000A0000        # ':' becomes '0'
    if not eight_digits(word):
        return False
    number = parse_eight_digits(word)
    hour = number / 1000000
    minute = number / 1000 - hour * 1000
    second = number - number / 1000 * 1000
    if hour > 23 or minute > 59 or second > 60:
        return False
    if length > 8:
        if value[8] != 46 or length == 9 or length > 18:
            return False
        if length == 12:            # milliseconds: eight digits with the seconds and the point before them
            word = (load_word(value + 4) >> 40 << 40) | <uint64_t>0x3030303030
            if not eight_digits(word):
                return False
            fraction = parse_eight_digits(word) * 1000000
        for i in range(9, 18 if length != 12 else 9):
            digit = 0
            if i < length:
                digit = <uint64_t>value[i] - 48
                if digit > 9:
                    return False
            fraction = fraction * 10 + digit
    time_ns[0] = <int64_t>((hour * 3600 + minute * 60 + second) * 1000000000 + fraction)
    return True


cdef inline bint parse_timestamp(const uint8_t* value, size_t length, int64_t* time_ns) noexcept nogil:
    """UTCTimestamp YYYYMMDD-HH:MM:SS[.s to .sssssssss]: nanoseconds since 1970-01-01 UTC."""
    cdef int64_t days, time_of_day
    if length < 17 or value[8] != 45:
        return False
    if not parse_date(value, &days) or not parse_time_of_day(value + 9, length - 9, &time_of_day):
        return False
    time_ns[0] = days * <int64_t>86400000000000 + time_of_day
    return True

# ---------------------------------------------------------------- writing

cdef inline uint8_t* write_bytes(uint8_t* out, const void* text, size_t length) noexcept nogil:
    """Copies; with a constant length (a tag with its separator) this is one or two stores."""
    memcpy(out, text, length)
    return out + length


cdef inline uint8_t* write_words(uint8_t* out, const uint8_t* text, size_t length) noexcept nogil:
    """write_bytes in whole words: up to seven bytes are read behind the text and written behind the copy."""
    cdef uint64_t word
    cdef size_t i
    for i in range(0, length, 8):
        memcpy(&word, text + i, 8)
        memcpy(out + i, &word, 8)
    return out + length


cdef inline uint64_t digits_of(uint32_t number) noexcept nogil:
    """Eight decimal digits of a number below 10**8, one a byte (0 to 9), the most significant first in
    memory.
    """
    cdef uint64_t high = number / 10000
    cdef uint64_t halves = high | (<uint64_t>(number - high * 10000) << 32)
    cdef uint64_t hundreds = ((halves * 10486) >> 20) & <uint64_t>0x0000007F0000007F
    cdef uint64_t pairs = ((halves - 100 * hundreds) << 16) + hundreds
    cdef uint64_t tens = ((pairs * 103) >> 10) & <uint64_t>0x000F000F000F000F
    return tens + ((pairs - 10 * tens) << 8)


cdef inline uint8_t* write_eight_digits(uint8_t* out, uint32_t number) noexcept nogil:
    """A number below 10**8 with leading zeros."""
    cdef uint64_t text = digits_of(number) | <uint64_t>0x3030303030303030
    memcpy(out, &text, 8)
    return out + 8


cdef inline uint8_t* write_uint(uint8_t* out, uint64_t number) noexcept nogil:
    """At most 20 digits, no leading zeros."""
    cdef uint64_t upper
    if number >= 100000000:
        upper = number / 100000000
        if upper >= 100000000:
            out = write_uint_below_16_digits(out, upper)
        else:
            out = write_short_uint(out, <uint32_t>upper)
        return write_eight_digits(out, <uint32_t>(number - upper * 100000000))
    return write_short_uint(out, <uint32_t>number)


cdef inline uint8_t* write_short_uint(uint8_t* out, uint32_t number) noexcept nogil:
    """write_uint of a number below 10**8."""
    cdef uint64_t text = digits_of(number)
    # The guard bit stands in the last byte: the number zero keeps one digit.
    cdef int zeros = __builtin_ctzll(text | (<uint64_t>1 << 56)) >> 3
    text = (text | <uint64_t>0x3030303030303030) >> (8 * zeros)
    memcpy(out, &text, 8)
    return out + 8 - zeros


cdef inline uint8_t* write_uint_below_16_digits(uint8_t* out, uint64_t number) noexcept nogil:
    """write_uint of 10**8 .. 10**16 - 1."""
    cdef uint64_t upper = number / 100000000
    out = write_short_uint(out, <uint32_t>upper)
    return write_eight_digits(out, <uint32_t>(number - upper * 100000000))


cdef inline uint8_t* write_decimal(uint8_t* out, int64_t mantissa, int exponent) noexcept nogil:
    """Exactly mantissa * 10**exponent with -exponent digits after the point: 10150, -2 is "101.50".

    At most 22 + abs(exponent) bytes.
    """
    cdef uint64_t magnitude = <uint64_t>mantissa
    cdef uint8_t text[32]
    cdef size_t digits, fraction
    cdef uint64_t tail
    if mantissa < 0:
        magnitude = 0 - magnitude
        out[0] = 45
        out += 1
    if exponent >= 0:
        out = write_uint(out, magnitude)
        if exponent > 0 and mantissa != 0:
            memset(out, 48, <size_t>exponent)
            out += exponent
        return out
    fraction = <size_t>-exponent
    digits = <size_t>(write_uint(text, magnitude) - text)
    if digits > fraction:
        memcpy(out, text, 24)
        out += digits - fraction
        if fraction <= 8:
            tail = load_word(text + digits - fraction)
            memcpy(out + 1, &tail, 8)
        else:
            memcpy(out + 1, text + digits - fraction, fraction)
        out[0] = 46
        return out + 1 + fraction
    out[0] = 48
    out[1] = 46
    memset(out + 2, 48, fraction - digits)
    memcpy(out + 2 + fraction - digits, text, digits)
    return out + 2 + fraction


cdef inline uint8_t* write_timestamp(uint8_t* out, int64_t time_ns) noexcept nogil:
    """UTCTimestamp in milliseconds (21 bytes), cut towards the past; a time before 1970 is written as 1970.
    """
    cdef uint64_t milliseconds = <uint64_t>time_ns / 1000000 if time_ns > 0 else 0
    cdef uint64_t seconds = milliseconds / 1000
    cdef uint32_t days = <uint32_t>(seconds / 86400)
    cdef uint32_t second = <uint32_t>(seconds - <uint64_t>days * 86400)
    cdef uint32_t minute = second / 60
    cdef uint32_t hour = minute / 60
    cdef uint32_t fraction = <uint32_t>(milliseconds - seconds * 1000)
    # civil_from_days (H. Hinnant)
    cdef uint32_t shifted = days + 719468
    cdef uint32_t era = shifted / 146097
    cdef uint32_t day_of_era = shifted - era * 146097
    cdef uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524
                                 - day_of_era / 146096) / 365
    cdef uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100)
    cdef uint32_t shifted_month = (5 * day_of_year + 2) / 153
    cdef uint32_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1
    cdef uint32_t month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    cdef uint32_t year = year_of_era + era * 400 + (month <= 2)
    write_eight_digits(out, year * 10000 + month * 100 + day)
    out[8] = 45
    # 0HH0MM0SS as digits, with ':' written over the zeros between
    write_eight_digits(out + 9, hour * 1000000 + (minute - hour * 60) * 1000 + (second - minute * 60))
    out[11] = 58
    out[14] = 58
    out[17] = 46
    out[18] = <uint8_t>(48 + fraction / 100)
    out[19] = <uint8_t>(48 + fraction / 10 - fraction / 100 * 10)
    out[20] = <uint8_t>(48 + fraction - fraction / 10 * 10)
    return out + 21


cdef inline uint8_t* write_checksum(uint8_t* out, const uint8_t* message, size_t length) noexcept nogil:
    """The trailer 10=nnn and its separator, over `length` bytes of `message`."""
    cdef uint32_t total = checksum(message, length)
    memcpy(out, b"10=", 3)
    out[3] = <uint8_t>(48 + total / 100)
    out[4] = <uint8_t>(48 + total / 10 - total / 100 * 10)
    out[5] = <uint8_t>(48 + total - total / 10 * 10)
    out[6] = SOH
    return out + 7

# ---------------------------------------------------------------- walking over fields

cdef inline int next_field(const uint8_t* data, size_t size, size_t* position, uint32_t* tag,
                           const uint8_t** value, size_t* length) noexcept nogil:
    """The field at `position`: 1 and it moves past the separator; 0 at the end; -1 when there is no field.

    A field is 1 to 7 digits, '=', any bytes but the separator, the separator. Never reads past `size`.
    Data fields (which may hold separators) are the caller's: it knows their length from the field before.
    """
    cdef size_t i = position[0], start
    cdef uint64_t hit
    cdef uint32_t number = 0, digit
    if i >= size:
        return 0
    start = i
    while i < size and data[i] != 61:
        digit = <uint32_t>data[i] - 48
        if digit > 9 or i - start >= 7:
            return -1
        number = number * 10 + digit
        i += 1
    if i == start or i >= size:
        return -1
    i += 1
    start = i
    while i + 8 <= size:
        hit = find_byte(load_word(data + i), <uint64_t>0x0101010101010101)
        if hit:
            i += <size_t>(__builtin_ctzll(hit) >> 3)
            break
        i += 8
    while i < size and data[i] != SOH:
        i += 1
    if i >= size:
        return -1
    tag[0] = number
    value[0] = data + start
    length[0] = i - start
    position[0] = i + 1
    return 1
