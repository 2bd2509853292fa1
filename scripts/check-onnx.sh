#!/usr/bin/env bash
# Checks ONNX files against other programs. Needs python3 with venv.
#   scripts/check-onnx.sh RUN [RUN ...]
# exports runs and checks the files by ONNX's checker, and their numbers, at batches
# of 1, 3 and 64, by onnxruntime beside ours; those of samplers in 2 to 32 steps.
#   scripts/check-onnx.sh --torchvision
# exports Inception and others from PyTorch and checks what we make of them.
# ONNX_VENV names the folder of the Python environment, which is made if need be.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/check-onnx.sh RUN [RUN ...] | --torchvision" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
venv=${ONNX_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/flowmatch/onnx-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
need() { # modules, which pip calls the same
	(IFS=,; "$venv/bin/python" -c "import $*") 2>/dev/null || "$venv/bin/pip" install --quiet "$@"
}
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
if [ "$1" = --torchvision ]; then
	need onnx torch torchvision
	"$venv/bin/python" "$here/export-torchvision.py" "$temp" 2>/dev/null
	cd "$here/.." && FLOWMATCH_ONNX_PEERS=$temp go test ./nn -run TestNetworksOfPyTorch -count=1 -v
	exit
fi
need onnx onnxruntime
(cd "$here/.." && go build -o "$temp/flowmatch" ./cmd/flowmatch)
for run in "$@"; do
	# The velocity, the network as it is, the average velocity; whole samplers, of 2 to 32 steps.
	for how in "" --raw --average "--sampler euler" "--sampler midpoint --shift 3"; do
		"$temp/flowmatch" export "$run" $how --out "$temp/field.onnx" --check 64 >/dev/null 2>"$temp/error" || {
			[ "$how" = --average ] && grep -q "export it without --average" "$temp/error" && continue # this run has none
			cat "$temp/error" >&2
			exit 1
		}
		echo "$run ${how:-velocity}"
		"$venv/bin/python" "$here/check-onnx.py" "$temp/field.onnx" "$temp/field.check"
		rm -r "$temp/field.check"
	done
done
