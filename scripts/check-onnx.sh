#!/usr/bin/env bash
# Checks what flowmatch export writes: the file by ONNX's checker, and its numbers,
# at batches of 1, 3 and 64, by onnxruntime beside ours. Needs python3 with venv.
# Usage: scripts/check-onnx.sh RUN [RUN ...]
# ONNX_VENV names the folder of the Python environment.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/check-onnx.sh RUN [RUN ...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
venv=${ONNX_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/flowmatch/onnx-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import onnx, onnxruntime' 2>/dev/null || "$venv/bin/pip" install --quiet onnx onnxruntime
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
(cd "$here/.." && go build -o "$temp/flowmatch" ./cmd/flowmatch)
for run in "$@"; do
	for how in --raw --average; do
		"$temp/flowmatch" export "$run" "$how" --out "$temp/field.onnx" --check 64 >/dev/null 2>"$temp/error" || {
			[ "$how" = --average ] && grep -q "no second time" "$temp/error" && continue # this run has none
			cat "$temp/error" >&2
			exit 1
		}
		echo "$run $how"
		"$venv/bin/python" "$here/check-onnx.py" "$temp/field.onnx" "$temp/field.check"
		rm -r "$temp/field.check"
	done
done
