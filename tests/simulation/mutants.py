"""Copies of the product with something deliberately wrong in its compiled parts, built apart, to be lived by the same
simulation: what the checkers do not find there they would not find in an honest mistake either."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = """\
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup
name = sys.argv[1]
source = [name.replace(".", "/") + ".pyx"]
extension = Extension(name, source, extra_compile_args=["-O0", "-fwrapv", "-fno-strict-aliasing", "-march=native"],
                      libraries=["dl"])
setup(script_args=["build_ext", "--inplace"],
      ext_modules=cythonize([extension], compiler_directives={"language_level": 3}))
"""
LIVE = """\
import sys
from simulate import finding
print(finding(range(*map(int, sys.argv[1:]))))
"""


class Mutant(NamedTuple):
    what: str
    module: str
    replaced: tuple[tuple[str, str], ...]  # text and what stands there instead; it must be there once
    found: str  # what is said to be wrong
    first: int = 5000  # a seed that finds it, until lives are other ones; then one after it does ...
    seeds: int = 40  # ... and this is about three times as many as it takes from anywhere


EPOCH = "if s == NULL or not s.connected or s.epoch != head.epoch:"
BY_SEQUENCE_NUMBER = (  # whatever the gateway numbered
    ("if gateway.lost or head.gateway_number != gateway.last_number + 1:", "if gateway.lost:"),
    ("gateway.last_number += 1", "gateway.last_number = max(gateway.last_number, head.gateway_number)"),
)
ANOTHER_REPORT = "by the slow engine it is another report"
OUT_OF_TURN = r"input \d+ of incarnation \d+ took effect out of its turn"
SEEN = "m.fields.msg_seq_num < s.inbound and m.fields.msg_type != MSG_LOGON"

MUTANTS = (
    Mutant(
        "no epoch check",
        "gateway.state_machine",
        ((EPOCH, "if s == NULL or not s.connected:"),),
        found=r"took effect in epoch \d+|it never sends a number twice, and was told so",
        first=5008,
        seeds=80,
    ),
    Mutant(
        "dedupe by MsgSeqNum only",
        "gateway.state_machine",
        (*BY_SEQUENCE_NUMBER, (EPOCH, f"{EPOCH[:-1]} or {SEEN}:")),
        found=OUT_OF_TURN,
        seeds=20,
    ),
    Mutant(
        "stale re-proposals after a reset of the numbers",
        "gateway.state_machine",
        (*BY_SEQUENCE_NUMBER, (EPOCH, f"if s == NULL or not s.connected or {SEEN}:")),
        found=OUT_OF_TURN,
        seeds=20,
    ),
    Mutant(
        "mass cancel in table order",
        "gateway.mass_requests",
        (
            ("            slot = o.next\n            if self._wanted(o):\n                self.machine.choose",
             "            slot = o.previous\n            if self._wanted(o):\n                self.machine.choose"),
            ("        self.job.cursor = s.open_first\n        self.job.total",
             "        self.job.cursor = s.open_last if kind == GRACE_CANCEL else s.open_first\n        self.job.total"),
        ),
        found=ANOTHER_REPORT,
        seeds=10,
    ),
    Mutant(
        "what is due happens after the inputs of its entry",
        "gateway.state_machine",
        (("elif self.engine_is_late:", "elif self.engine_is_late and self.cursor == self.end:"),),
        found=ANOTHER_REPORT,
        seeds=10,
    ),
    Mutant(
        "a restored replica does not know when orders expire",
        "engine.snapshot_reader",
        (("timer_set(books, slot, more.expire_ns)", "extra.expire_ns = more.expire_ns"),),
        found=r"the state at entry \d+ is another one|another state than its log leads to|message \d+ came",
        seeds=30,
    ),
)  # fmt: skip


def build(mutant: Mutant, directory: Path) -> None:
    """A tree that imports the mutant's module instead of the product's."""
    for package in ("engine", "replication", "gateway"):
        shutil.copytree(
            ROOT / package, directory / package, ignore=shutil.ignore_patterns("*.c", "__pycache__")
        )
    shutil.copytree(
        Path(__file__).parent, directory / "simulation", ignore=shutil.ignore_patterns("__pycache__")
    )
    source = directory / (mutant.module.replace(".", "/") + ".pyx")
    text = source.read_text()
    for old, new in mutant.replaced:
        assert text.count(old) == 1, f"{source.name} does not hold {old!r} once"
        text = text.replace(old, new)
    source.write_text(text)
    for built in source.parent.glob(source.stem + ".*.so"):
        built.unlink()
    subprocess.run(
        [sys.executable, "-c", BUILD, mutant.module],
        cwd=directory,
        env=os.environ | {"LD_PRELOAD": ""},  # a sanitizer's libraries are not for the compiler
        check=True,
        capture_output=True,
    )


def found_by(directory: Path, seeds: range) -> str:
    """What is wrong in the first of these lives there in which anything is."""
    lives = subprocess.run(
        [sys.executable, "-c", LIVE, str(seeds.start), str(seeds.stop)],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": f"{directory}{os.pathsep}{directory / 'simulation'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return (lives.stdout + lives.stderr).strip()
