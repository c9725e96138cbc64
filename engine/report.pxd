# Reports and orders as Python objects; report.pyi has their fields.

from engine.types cimport Report as ReportRecord
from engine.store cimport Order as OrderRecord

cdef class Report:
    cdef ReportRecord record_       # the object's own copy

cdef class Order:
    cdef OrderRecord record_
    cdef unsigned int instrument_
    cdef long long price_

cdef Report report_object(const ReportRecord* record)
cdef Order order_object(const OrderRecord* record, unsigned int instrument, long long price_ticks)
