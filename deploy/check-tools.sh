#!/bin/sh
# Says which Debian packages are missing, in one line that installs them.
python=${1:-python3}
missing=""
for tool in git make gcc; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
"$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
[ -f "$include/Python.h" ] || missing="$missing python3-dev"
if [ -n "$missing" ]; then
    echo "Missing:$missing. On Debian or Ubuntu run:"
    echo "    sudo apt-get install --yes$missing"
    exit 1
fi
