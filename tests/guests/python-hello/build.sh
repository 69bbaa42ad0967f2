#!/usr/bin/env bash
# Builds target/guests/python-hello.wasm from app.py with componentize-py, in a virtual environment of its own
# (target/py-venv). Does nothing when nothing changed. Needs python3 with venv, cargo, and both package registries
# on the first run.
#
#   tests/guests/python-hello/build.sh
#
# The WIT of wasi:http is not kept here: it is taken from the crate `wasip2`, which the lock file of modules/ pins.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
venv="$root/target/py-venv"
wasm="$root/target/guests/python-hello.wasm"
stamp="$root/target/guests/python-hello.stamp"
python=${PYTHON:-python3}

fail() {
    echo "python-hello: $1" >&2
    exit 1
}

# What the result depends on. The entry in the lock file stands for the WIT.
[[ -f $root/modules/Cargo.lock ]] || fail "modules/Cargo.lock is missing; any cargo build in modules/ writes it"
inputs=$({
    cat "$here/app.py" "$here/requirements.txt" "$here/build.sh"
    grep -A 3 '^name = "wasip2"$' "$root/modules/Cargo.lock"
} | cksum) || fail "modules/Cargo.lock has no package wasip2, whose WIT this guest is built against"
if [[ -f $wasm && -f $stamp && $(cat "$stamp") == "$inputs" ]]; then
    echo "python-hello: up to date"
    exit 0
fi

command -v "$python" >/dev/null || fail "$python not found; install Python 3.10 or later, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is older than Python 3.10"

mkdir -p "$root/target/guests"
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    "$python" -m venv --clear "$venv" || fail "cannot make a virtual environment (on Debian: apt install python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" \
        || fail "pip could not install $(tr '\n' ' ' <"$here/requirements.txt")"
    # Last, so that an interrupted installation is done again.
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

# `cargo metadata` also fetches what is not there yet.
wit=$(cargo metadata --format-version 1 --locked --manifest-path "$root/modules/Cargo.toml" | "$python" -c '
import json, pathlib, sys
found = [p for p in json.load(sys.stdin)["packages"] if p["name"] == "wasip2"]
if not found:
    sys.exit("no package wasip2 in the lock file")
print(pathlib.Path(max(found, key=lambda p: p["version"])["manifest_path"]).parent / "wit")
') || fail "cannot find the sources of the crate wasip2"
[[ -f $wit/deps/http.wit ]] || fail "the crate wasip2 has no wit/deps/http.wit any more; look in $wit"

# From a copy, because Python leaves its caches beside what it imports; and into a file of its own first, because a
# half-written component must never be found under its name.
mkdir -p "$venv/app"
cp "$here/app.py" "$venv/app/app.py"
"$venv/bin/componentize-py" --quiet -d "$wit" -w wasi:http/proxy \
    componentize --python-path "$venv/app" --output "$wasm.new" app || fail "componentize-py failed"
mv "$wasm.new" "$wasm"
echo "$inputs" >"$stamp"
echo "python-hello: built $(du -h "$wasm" | cut -f1) target/guests/python-hello.wasm"
