#!/usr/bin/env bash
# Runs the Python of docs/guide/pytorch.md on a run of examples/moons.yaml, and compares its
# velocity with the program's. Needs python3 with venv; ONNX_VENV names the folder of the
# Python environment, which is made if need be.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${ONNX_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/flowmatch/onnx-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c "import numpy, safetensors, torch" 2>/dev/null ||
	"$venv/bin/pip" install --quiet numpy safetensors torch
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
(cd "$here/.." && go build -o "$temp/flowmatch" ./cmd/flowmatch)
"$temp/flowmatch" train "$here/../examples/moons.yaml" --out "$temp/runs/moons" --set train.steps=50 --quiet >/dev/null
"$temp/flowmatch" export "$temp/runs/moons" --out "$temp/moons.onnx" --check 64 >/dev/null
awk '/^```python/ { inside = 1; next } /^```/ { inside = 0 } inside' "$here/../docs/guide/pytorch.md" >"$temp/page.py"
cat >>"$temp/page.py" <<'PY'

import numpy
x, t, want = (torch.from_numpy(numpy.load(f"moons.check/{name}.npy")).float() for name in ("x", "t", "output"))
with torch.no_grad():
    error, size = (velocity(x, t) - want).abs().max().item(), want.abs().max().item()
print(f"docs/guide/pytorch.md: difference {error:.2e}, of velocities up to {size:.3g}")
assert error <= 1e-5 * size
PY
cd "$temp" && "$venv/bin/python" page.py
