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
# The Docker image has what a user has, but for the embedded servers.
lock deploy/requirements/image.txt --constraints deploy/requirements/runtime.txt
# The tests run with exactly what a user runs with, and more.
lock deploy/requirements/test.txt --extra embedded --extra dev --constraints deploy/requirements/runtime.txt "$@"

# The first generation of OpenAI's SDK, which the tests drive from a folder of its own.
uv pip compile tests/sdks/openai-1.in --universal --python-version 3.11 --generate-hashes --only-binary :all: --quiet \
    --no-emit-index-url --no-emit-find-links --custom-compile-command deploy/lock.sh \
    --output-file tests/sdks/openai-1.txt "$@"

# Every platform that the README names has wheels for what it runs. (On Intel Macs the tests' moto has none.)
export MACOSX_DEPLOYMENT_TARGET=14.0
for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin x86_64-apple-darwin; do
    for python in 3.11 3.12 3.13 3.14; do
        uv pip compile deploy/requirements/runtime.txt --no-deps --only-binary :all: --quiet --output-file /dev/null \
            --python-platform "$platform" --python-version "$python"
    done
done
