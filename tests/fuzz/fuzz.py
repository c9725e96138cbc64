"""Millions of messages that nobody would send: `make fuzz`, or `make fuzz CASES=1000000 SEED=7`.

Each case is a message of fuzz_corpus.py, changed, or an earlier case that took a new way through the scanner, changed
again. Of each must hold: it is framed within its bytes, and in two pieces as in one; the record of one that is framed
is the same when it is scanned again, lies within its room, and is one that a replica takes out of its log. By the
exchange's tables and by those of `fix-echo`. Of every twentieth: an exchange that gets it as the next message of a
session raises nothing, and its answer is a message.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import fuzz_exchange
from fuzz_corpus import corpus
from memory_edge import OWN
from scanner import Disagreement, Fuzzer, ways

from gateway import fix
from gateway.fix44 import FIX44

PIECE = 250_000  # cases of one process, and between two lines
Judge = Callable[[Fuzzer, int, int, int], dict[str, int]]


@dataclass
class Stage:
    """The name, what judges cases first .. first + count - 1 of a seed, whether by the tables of `fix-echo`, and how
    many of the cases."""

    name: str
    judge: Judge
    echo: bool
    share: float


def scan(fuzzer: Fuzzer, seed: int, first: int, count: int) -> dict[str, int]:
    return fuzzer.run(seed, first, count)


def apply(rules: int, echo: bool) -> Judge:
    return lambda *what: fuzz_exchange.judge(*what, rules, echo)


STAGES = (
    Stage("scanner", scan, False, 0.5),
    Stage("scanner for fix-echo", scan, True, 0.5),
    Stage("exchange, rules 1", apply(1, False), False, 0.01),
    Stage("exchange, rules 2", apply(2, False), False, 0.01),
    Stage("exchange, rules 3", apply(3, False), False, 0.02),
    Stage("fix-echo", apply(2, True), True, 0.01),
)


def shown(message: bytes) -> str:
    """A message for people, and as it can be pasted."""
    return f"{message.decode('latin-1').replace(chr(1), '|')}\n  {message!r}"


def work(judge: Judge, fuzzer: Fuzzer, seed: int, first: int, count: int, out: Connection) -> None:
    known = len(fuzzer.corpus)
    try:
        tally = judge(fuzzer, seed, first, count)
        out.send((tally, fuzzer.corpus[known:]))
    except Disagreement as error:
        raise SystemExit(f"\n{error.args[1]}") from None


def judged(judge: Judge, fuzzer: Fuzzer, seed: int, first: int, count: int) -> Counter[str]:
    """How many cases came to what, in a process that may die of one. Ends the program with the message of that."""
    context = get_context("fork")
    mine, its = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(judge, fuzzer, seed, first, count, its))
    child.start()
    its.close()
    try:
        tally, more = mine.recv()
        fuzzer.adopt(more)
        return Counter(tally)
    except EOFError:
        child.join()
        number, message = fuzzer.last()
        raise SystemExit(f"seed {seed}, case {number} (exit {child.exitcode}):\n  {shown(message)}") from None
    finally:
        child.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    fuzzer, began = Fuzzer(corpus(), OWN.encode(), b"A"), time.monotonic()
    print(f"a corpus of {len(fuzzer.corpus):,}", flush=True)
    for stage in STAGES:
        fix.use(FIX44, stage.echo)
        cases, total = round(asked.cases * stage.share), Counter[str]()
        for first in range(0, cases, PIECE):
            total += judged(stage.judge, fuzzer, asked.seed, first, min(PIECE, cases - first))
            counts = ", ".join(f"{count:,} {word}" for word, count in total.items())
            reached = f"{ways():,} ways, a corpus of {len(fuzzer.corpus):,}"
            print(f"{time.monotonic() - began:5.0f} s  {stage.name}: {counts}; {reached}", flush=True)


if __name__ == "__main__":
    main()
