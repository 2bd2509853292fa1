#!/usr/bin/env bash
# Compares flowmatch serve with FastAPI and PyTorch under load, in alternating pairs, and prints the table
# of docs/serving.md. PYTHON needs: pip install torch fastapi uvicorn.
# Usage: scripts/serving.sh PYTHON [-seconds N] [-pairs N] [-clients N] [-threads N]
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/serving.sh PYTHON [-seconds N] [-pairs N] [-clients N] [-threads N]" >&2; exit 2; }
python=$1
shift
cd "$(dirname "$0")/.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
go build -o "$temp/flowmatch" ./cmd/flowmatch
go build -o "$temp/serving" ./cmd/flowmatch/internal/serving
"$temp/serving" -bin "$temp/flowmatch" -python "$python" "$@"
