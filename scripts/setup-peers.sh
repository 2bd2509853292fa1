#!/usr/bin/env bash
# Makes a Python environment in DIR with the libraries that flowmatch bench
# --peers DIR/bin/python compares with. Needs python3 with venv, and a C++
# compiler for torch.compile.
# Usage: scripts/setup-peers.sh DIR
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/setup-peers.sh DIR" >&2; exit 2; }
python3 -m venv "$1"
"$1/bin/pip" install --quiet torch torchdiffeq jax optax diffrax numpy scipy POT
for peer in "$(dirname "$0")"/../bench/peers/with_*.py; do
	"$1/bin/python" "$peer" 2 </dev/null # its versions and cases
done
