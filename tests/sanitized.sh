#!/bin/sh
# Runs Python with these arguments in a copy under build/ with AddressSanitizer and UndefinedBehaviorSanitizer in every
# compiled module, the exchanges that it starts included. The modules of .venv stay as they are.
set -eu
cd "$(dirname "$0")/.."
data=${QUORUMBOOK_DATA:-$(dirname "$PWD")/shared/data}
copy=$PWD/build/sanitized
findings=$copy/findings

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z | xargs -0 cp -p --parents -t "$copy"
QUORUMBOOK_SANITIZE=address,undefined QUORUMBOOK_BUILD_JOBS=2 make -C "$copy" build "PYTHON=${PYTHON:-python3}"

# Python's own objects come from malloc, so that a write past one is seen. No leak check: Python itself leaves memory
# at its end. A finding ends the process; it goes to a file, since a test may expect that process to end. libstdc++ is
# loaded early, for what libraries throw; coverage.so is what the covered modules call.
gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$copy/coverage.so" tests/fuzz/coverage.c
mkdir "$findings"
cd "$copy"
export QUORUMBOOK_DATA="$data" PYTHONMALLOC=malloc
export ASAN_OPTIONS="detect_leaks=0:log_path=$findings/address"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$findings/undefined"
preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so.6) $copy/coverage.so"
failed=0
LD_PRELOAD=$preload .venv/bin/python "$@" || failed=1
for finding in "$findings"/*; do
    [ ! -f "$finding" ] || { cat "$finding"; failed=1; }
done
exit "$failed"
