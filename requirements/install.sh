#!/bin/sh
# Makes .venv and fills it with what one lock pins: `sh requirements/install.sh embedded|test|api|worker|client`.
# Needs a Python >= 3.11 and a package index; brings uv along (pinned in build.txt) where the machine has none.
set -eu
extra=$1
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

# A name on PATH may be a shim that cannot run, so each is asked.
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is no Python >= 3.11 ($("$PYTHON" --version 2>&1 || true))"
        echo "$PYTHON"; return
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        if new_enough "$name"; then command -v "$name"; return; fi
    done
    fail "Retort needs Python >= 3.11; found only: $(python3 --version 2>&1 || echo none). Install one, or name it: make setup PYTHON=/path/to/python3.12"
}

make_venv() {
    python=$(find_python)
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        uv venv --quiet --python "$python" .venv
        uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements/build.txt
    elif "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv
        "$python" -m pip --python .venv/bin/python install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
    else
        fail "$python has neither venv nor pip (on Debian: apt-get install python3-venv)"
    fi
}

if [ -e .venv/bin/python ] && ! new_enough .venv/bin/python; then
    fail ".venv holds no Python >= 3.11; remove it (make clean) and try again"
fi
# A venv that an interrupted run left without its tools is made anew.
[ -x .venv/bin/uv ] && .venv/bin/uv --version >/dev/null 2>&1 || { rm -rf .venv; make_venv; }

.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements/build.txt -r "requirements/$extra.txt"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . --editable ./client
touch ".venv/.$extra"
# The test lock holds everything that the embedded lock holds.
[ "$extra" != test ] || touch .venv/.embedded
echo "setup: .venv is ready ($extra, $(.venv/bin/python --version))"
