#!/usr/bin/env bash
# Checks and times the xla backend on a GPU beside PyTorch, and the native engine by threads, in under eight
# minutes and without a network. Needs Python with PyTorch, and for cuda with JAX's CUDA plugin.
# FLOWMATCH is the program with XLA, built elsewhere:
#   CGO_ENABLED=1 go build -trimpath -tags xla -ldflags='-s -w' -o flowmatch-xla ./cmd/flowmatch
# Results go to OUT: gpu.md and gpu.json. With --device cpu, XLA's CPU plugin (scripts/setup-xla.sh) and tiny
# sizes rehearse the same on a machine without a GPU.
# Usage: scripts/gpu-bench.sh [--device cuda|cpu] FLOWMATCH OUT
set -euo pipefail
device=cuda
if [ "${1:-}" = --device ]; then
	device=${2:-}
	shift 2
fi
case $#$device in
2cuda | 2cpu) ;;
*)
	sed -n 's/^# Usage: /usage: /p' "$0" >&2
	exit 2
	;;
esac
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" -B scripts/gpu-bench.py "$device" "$program" "$out"
