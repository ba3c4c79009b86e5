#!/bin/sh
# Make the locks anew from pyproject.toml: `deploy/lock.sh` keeps what it can, `deploy/lock.sh --upgrade` takes the newest.
# Needs uv. The files hold hashes of every platform's wheels and no index, so they install from wherever pip looks.
set -eu
cd "$(dirname "$0")/.."

lock() {
    target=$1
    shift
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --only-binary :all: --quiet \
        --no-emit-index-url --no-emit-find-links --custom-compile-command deploy/lock.sh --output-file "$target" "$@"
}

lock deploy/requirements/runtime.txt --extra embedded "$@"
# The tests run with exactly what a user runs with, and more.
lock deploy/requirements/test.txt --extra embedded --extra dev --constraints deploy/requirements/runtime.txt "$@"
