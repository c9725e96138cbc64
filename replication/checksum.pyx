"""CRC32C of bytes in memory. No I/O. Holds the address of the function that google_crc32c has loaded, if it has one."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from posix.dlfcn cimport RTLD_NOW, dlopen, dlsym

import importlib

import google_crc32c

cdef extern from "<dlfcn.h>" nogil:
    int RTLD_NOLOAD

ctypedef uint32_t (*Extend)(uint32_t crc, const uint8_t* data, size_t size) noexcept nogil

cdef Extend extend = NULL


cdef void* loaded():
    # crc32c_extend of the library that the extension module is linked to; NULL: google_crc32c works in Python here.
    cdef void* module
    cdef bytes path
    if google_crc32c.implementation != "c":
        return NULL
    path = importlib.import_module("google_crc32c._crc32c").__file__.encode()
    module = dlopen(path, RTLD_NOW | RTLD_NOLOAD)
    return NULL if module == NULL else dlsym(module, "crc32c_extend")


extend = <Extend> loaded()


cdef uint32_t crc32c(const void* data, size_t size) except? 0 nogil:
    if extend != NULL:
        return extend(0, <const uint8_t*> data, size)
    with gil:
        return google_crc32c.value(PyBytes_FromStringAndSize(<const char*> data, size))     # it takes bytes only
