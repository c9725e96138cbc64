"""Builds the compiled modules: every .pyx of the three packages is one extension, and of tests/fuzz with sanitizers."""

import os
import platform
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
# The server is Linux only; the engine alone also builds elsewhere.
PACKAGES = ["engine", "replication", "gateway"] if sys.platform == "linux" else ["engine"]

# -fwrapv: signed arithmetic wraps, so that results do not depend on what an optimiser assumes.
COMPILE = [os.environ.get("QUORUMBOOK_OPTIMISE", "-O3"), "-fwrapv", "-fno-strict-aliasing"]
if platform.machine() == "x86_64":
    COMPILE.append("-march=x86-64-v2")  # popcount and SSE4.2: every x86-64 server since 2009
LINK: list[str] = []
if sanitizers := os.environ.get("QUORUMBOOK_SANITIZE"):  # e.g. address,undefined
    COMPILE += [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    COMPILE += ["-fno-omit-frame-pointer", "-g", "-O1"]
    COMPILE.append("-fno-wrapv")  # with -fwrapv no overflow is a finding
    # A libubsan of its own in each module: a shared one and libasan take each other's symbols, and findings get lost.
    LINK += [f"-fsanitize={sanitizers}", "-static-libubsan", "-Wl,--exclude-libs,ALL"]
# tests/fuzz/coverage.c is told of every branch in these.
COVERED = {"gateway.fix_frame", "gateway.fix_rules", "gateway.fix_scan"} if sanitizers else set[str]()


def extensions() -> list[Extension]:
    """One extension a .pyx, named package.module, in a stable order."""
    folders = [*PACKAGES, "tests/fuzz"] if sanitizers else PACKAGES
    sources = [path.relative_to(ROOT) for folder in folders for path in sorted((ROOT / folder).glob("*.pyx"))]
    modules = [(".".join(path.with_suffix("").parts), str(path)) for path in sources]
    return [
        Extension(
            name,
            [path],
            extra_compile_args=COMPILE + ["-fsanitize-coverage=trace-pc"] * (name in COVERED),
            extra_link_args=LINK,
            libraries=["dl"] if sys.platform == "linux" else [],
        )
        for name, path in modules
    ]


setup(
    options={"build_ext": {"parallel": 2}},  # modules compiled at a time
    ext_modules=cythonize(
        extensions(),
        compiler_directives={
            "language_level": 3,
            "embedsignature": True,
            "freethreading_compatible": False,
        },
        emit_linenums=bool(sanitizers),  # findings name lines of the .pyx
        nthreads=int(os.environ.get("QUORUMBOOK_BUILD_JOBS", "0")),
    ),
)
