#!/usr/bin/env bash
# Makes a Python environment in DIR with the libraries that flowmatch bench and
# flowmatch experiment peers, sbi-peers, tables or tokens, with --peers DIR/bin/python, compare with. Needs
# python3 with venv, and a C++ compiler for torch.compile.
# Usage: scripts/setup-peers.sh DIR
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/setup-peers.sh DIR" >&2; exit 2; }
python3 -m venv "$1"
"$1/bin/pip" install --quiet torch torchdiffeq onnx onnxscript onnxruntime jax optax diffrax numpy scipy POT safetensors tqdm \
	torchcfm==1.0.7 flow-matching==1.0.10 sbi==0.27.0 \
	ForestDiffusion==1.0.6 ctgan==0.12.1 scikit-learn==1.9.1 # as in experiment/peers.go
for peer in "$(dirname "$0")"/../{bench,experiment}/peers/with_*.py; do
	"$1/bin/python" -B "$peer" 2 </dev/null # what it has, and its cases
done
