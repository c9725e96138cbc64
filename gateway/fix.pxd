# FIX tag=value messages <-> the records of gateway/records.pxd: the names of the codec, found here together.
#
#   frame    one whole message in a stream of bytes             gateway/fix_frame.pxd
#   scan     a framed message -> Input record                   gateway/fix_scan.pxd
#   encode   Egress record -> message                           gateway/fix_build.pxd
#   parse_*, write_*, checksum, next_field: single values       gateway/fix_values.pxd
#
# None has state, needs the GIL or can raise. scan judges bytes only, by the
# tables of gateway/fix_rules.pxd.

from gateway.fix_build cimport *
from gateway.fix_frame cimport *
from gateway.fix_scan cimport *
from gateway.fix_values cimport *
