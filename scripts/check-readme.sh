#!/usr/bin/env bash
# Runs every snippet of README.md and docs/features.md as it is written there, in order:
# the blocks marked sh, and the yaml block by a training. The Go block is a test
# (example_test.go), and internal/arch checks that the two are the same text.
set -euo pipefail
cd "$(dirname "$0")/.."
made=()
for path in demo runs flowmatch run.yaml; do
  if [ -e "$path" ]; then echo "$path is in the way: move it first" >&2; exit 1; fi
  made+=("$path")
done
trap 'rm -rf "${made[@]}"' EXIT
blocks() { awk -v open="^\`\`\`$1\$" '$0 ~ open { inside = 1; next } /^```/ { inside = 0 } inside' README.md docs/features.md; }
blocks yaml > run.yaml
blocks sh | bash -euxo pipefail
./flowmatch train run.yaml --out runs/readme-yaml --set train.steps=50 --quiet
