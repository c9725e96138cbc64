"""The threads that compare passwords."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOK = """
import os, threading
from gateway.gatekeeper import be_patient

def look():
    be_patient()
    print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))

thread = threading.Thread(target=look)
thread.start()
thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("steps", [0, 5, 100])
def test_they_come_after_the_loop_whatever_its_priority(steps: int, realtime: bool) -> None:
    def prepare() -> None:
        os.nice(steps)
        if realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    try:
        done = subprocess.run(
            [sys.executable, "-c", LOOK],
            preexec_fn=prepare,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    except subprocess.SubprocessError as error:
        if not realtime:
            raise
        pytest.skip(f"real-time priority is not permitted here: {error}")
    (theirs, policy), (own, loops) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert theirs == min(own + 10, 19)
    assert policy == os.SCHED_OTHER
    assert loops == (os.SCHED_RR if realtime else os.SCHED_OTHER)
