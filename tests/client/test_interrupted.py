"""Ctrl-C before a command has begun: it ends quietly."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.client.running import ENVIRONMENT

SLOW = 'print("importing", flush=True); import time; time.sleep(60)\n'


def test_ctrl_c_while_the_command_line_is_imported(tmp_path: Path) -> None:
    (tmp_path / "rich_click.py").write_text(SLOW)
    ended = subprocess.Popen(
        [sys.executable, "-c", "from gateway.entry import main; main()", "status"],
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ended.stdout is not None
    assert ended.stdout.readline() == "importing\n"
    ended.send_signal(signal.SIGINT)
    _, errors = ended.communicate(timeout=30)
    assert (ended.returncode, errors) == (130, "")
