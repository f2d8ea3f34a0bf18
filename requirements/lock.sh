#!/bin/sh
# Writes requirements/*.txt from pyproject.toml, with hashes and without an index. test.txt is solved first and constrains the rest,
# so that one version of a package serves all. Arguments go to the first solve (--upgrade).
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv

compile() {
    extra=$1; shift
    # A worker host runs the engine as its child process.
    [ "$extra" != worker ] || set -- --extra engine "$@"
    "$uv" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --generate-hashes \
        --custom-compile-command "make lock" --extra "$extra" "$@" pyproject.toml --output-file "requirements/$extra.txt"
}

compile test "$@"
for extra in embedded api worker client build; do
    rm -f "requirements/$extra.txt"
    compile "$extra" --constraint requirements/test.txt
done
