"""What a figure depends on beside the code it times; it is part of every JSON line that a benchmark prints."""

import functools
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def surroundings() -> dict[str, Any]:
    """Commit, date, and the machine: processor, cores this process may use, system, Python, scheduling."""
    return {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "scheduling": scheduling(),
    }


def commit() -> str:
    """Abbreviated, with -dirty when files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu() -> str:
    """The processor's name, as the kernel has it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def scheduling() -> str:
    """`normal, nice 0`, or the real-time class and its priority: at normal priority a wake-up may wait for a tick."""
    if not hasattr(os, "sched_getscheduler"):
        return f"nice {os.nice(0)}"
    names = {
        os.SCHED_FIFO: "fifo",
        os.SCHED_RR: "round robin",
        os.SCHED_BATCH: "batch",
        os.SCHED_IDLE: "idle",
    }
    policy = os.sched_getscheduler(0)
    if policy in {os.SCHED_FIFO, os.SCHED_RR}:
        return f"{names[policy]}, priority {os.sched_getparam(0).sched_priority}"
    return f"{names.get(policy, 'normal')}, nice {os.nice(0)}"
