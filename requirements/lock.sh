#!/bin/sh
# Writes requirements/*.txt from pyproject.toml and client/pyproject.toml, with hashes and without an index. test.txt is solved first and constrains the rest,
# so that one version of a package serves all. Arguments go to the first solve (--upgrade).
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv

compile() {
    lock=$1; shift
    case $lock in
        client) set -- client/pyproject.toml "$@" ;;
        # A worker host runs the engine as its child process.
        worker) set -- pyproject.toml --extra worker --extra engine "$@" ;;
        *) set -- pyproject.toml --extra "$lock" "$@" ;;
    esac
    # The client is installed from its folder, as the service is: a lock holds what both need from elsewhere.
    "$uv" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --generate-hashes \
        --no-emit-package retort --custom-compile-command "make lock" "$@" --output-file "requirements/$lock.txt"
}

compile test "$@"
for lock in embedded api worker client build; do
    rm -f "requirements/$lock.txt"
    compile "$lock" --constraint requirements/test.txt
done
