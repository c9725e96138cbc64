# Reports and orders as Python objects; report.pyi has their fields.

from engine.types cimport Report as ReportRecord
from engine.store cimport Extra, Order as OrderRecord

cdef class Report:
    cdef ReportRecord record_       # the object's own copy

cdef class Order:
    cdef OrderRecord record_
    cdef Extra extra_               # of a plain limit order: what it would be
    cdef unsigned int instrument_
    cdef long long price_

cdef Report report_object(const ReportRecord* record)
# extra: NULL for a plain order.
cdef Order order_object(
    const OrderRecord* record, const Extra* extra, unsigned int instrument, long long price_ticks,
    long long stop_price_ticks,
)
