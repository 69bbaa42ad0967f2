#!/usr/bin/env bash
# Validates an OpenAPI document, and JSON values against the schemas in it, in a virtual environment of its own
# (target/openapi-venv). Needs python3 with venv, and the package registry on the first run.
#
#   tests/openapi/validate.sh DOCUMENT [VALUES]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="$root/target/openapi-venv"
python=${PYTHON:-python3}

fail() {
    echo "openapi: $1" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "$python not found; install Python 3.10 or later, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is older than Python 3.10"

if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    "$python" -m venv --clear "$venv" || fail "cannot make a virtual environment (on Debian: apt install python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" \
        || fail "pip could not install what is in tests/openapi/requirements.txt"
    # Last, so that an interrupted installation is done again.
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

exec "$venv/bin/python" "$here/validate.py" "$@"
