#!/usr/bin/env bash
# Sets up the optional xla backend: fetches a PJRT plugin into the user's data
# folder and builds ./flowmatch-xla with it. Needs pip, unzip and a C compiler.
# Usage: scripts/setup-xla.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-cpu}
case $kind in
cpu) wheel=lammps-jax-pjrt-cpu==0.11.2 ;;
cuda) wheel=jax-cuda13-pjrt ;;
*) echo "usage: scripts/setup-xla.sh [cpu|cuda]" >&2; exit 2 ;;
esac
dir=${XDG_DATA_HOME:-$HOME/.local/share}/flowmatch
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
mkdir -p "$dir"
python3 -m pip download --quiet --no-deps --dest "$temp" "$wheel"
unzip -q -o "$temp"/*.whl -d "$temp/wheel"
plugin=$(find "$temp/wheel" -name '*pjrt*plugin*.so' -o -name 'xla_cuda_plugin.so' | head -n 1)
[ -n "$plugin" ] || { echo "no PJRT plugin in $wheel" >&2; exit 1; }
cp "$plugin" "$dir/pjrt_$kind.so.part"
mv "$dir/pjrt_$kind.so.part" "$dir/pjrt_$kind.so"
CGO_ENABLED=1 go build -tags xla -o flowmatch-xla ./cmd/flowmatch
./flowmatch-xla doctor
