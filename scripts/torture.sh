#!/usr/bin/env bash
# Does to the program what users, machines and strangers do, and prints what it tried and
# found: docs/reliability.md says what. About ten minutes; with --short one, as CI runs it.
# Usage: scripts/torture.sh [--short] [--seed N] [--only CAMPAIGN]
set -euo pipefail
cd "$(dirname "$0")/.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
go build -o "$temp/flowmatch" ./cmd/flowmatch
go build -o "$temp/torture" ./cmd/flowmatch/internal/torture
TMPDIR=$temp "$temp/torture" -bin "$temp/flowmatch" "$@"
