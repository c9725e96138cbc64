#!/bin/sh
# Says which Debian packages are missing, in one line that installs them; or that Python is too old.
python=${1:-python3}
if command -v "$python" >/dev/null 2>&1 && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Quorumbook needs Python 3.11 or later; $python is $("$python" -V 2>&1). Set PYTHON=/path/to/python3.11"
    exit 1
fi
missing=""
for tool in git make gcc; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
[ -f "$include/Python.h" ] || missing="$missing python3-dev"
"$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    echo "Missing:$missing. On Debian or Ubuntu run:"
    echo "    sudo apt-get install --yes$missing"
    exit 1
fi
