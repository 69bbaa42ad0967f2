#!/usr/bin/env bash
# Makes target/grpc-venv, a virtual environment with the gRPC client of requirements.txt. Does nothing when it is there. Needs
# python3 with venv, and the package registry the first time.
#
#   tests/interop/python/install.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
venv="$root/target/grpc-venv"
python=${PYTHON:-python3}

fail() {
    echo "interop: $1" >&2
    exit 1
}

if cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "interop: up to date"
    exit 0
fi

command -v "$python" >/dev/null || fail "$python not found; install Python 3.10 or later, or set PYTHON"
"$python" -m venv --clear "$venv" || fail "cannot make a virtual environment (on Debian: apt install python3-venv)"
# Wheels only: to build this client takes longer than everything else.
"$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$here/requirements.txt" \
    || fail "pip could not install $(tr '\n' ' ' <"$here/requirements.txt")"
# Last, so that an interrupted installation is done again.
cp "$here/requirements.txt" "$venv/requirements.txt"
echo "interop: installed target/grpc-venv"
