#!/usr/bin/env bash
# Installs what the benchmarks compare Arawn with, each into an environment of its own, at pinned releases.
# Benchmarks look there for rivals and leave out those that are missing. `PYTHON` is the interpreter that runs Arawn:
# those in Python get the same one.
#
#     benchmarks/rivals.sh [DIRECTORY]        default: $BENCH_RIVALS, else ~/.cache/arawn-rivals
set -euo pipefail
python=${PYTHON:-python3}
place=${1:-${BENCH_RIVALS:-$HOME/.cache/arawn-rivals}}
mkdir -p "$place"

in_python() { # NAME REQUIREMENT
    "$python" -m venv "$place/$1"
    "$place/$1/bin/python" -m pip install -q "$2"
}

in_python tensorzero tensorzero==2026.6.0
in_python litellm 'litellm[proxy]==1.91.1' # exactly: other releases had been tampered with
if command -v npm >/dev/null; then
    npm install --silent --ignore-scripts --prefix "$place/portkey" @portkey-ai/gateway@1.15.2
else
    echo "no npm here: Portkey's gateway is left out" >&2
fi
# These run in the same process as the benchmarks (`http_server`, `ask`), so they go where Arawn is installed.
"$python" -m pip install -q hypercorn==0.18.0 'pykka>=4.0'
echo "rivals are in $place"
