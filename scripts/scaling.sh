#!/usr/bin/env bash
# Measures what ranks gain: one process of one core, one of two, and two ranks of one core, on the same batch. Prints
# docs/scaling.md, with a model of larger jobs, for a quiet machine. Needs ./flowmatch-mpi (scripts/setup-mpi.sh), Go,
# two cores and python3. The networks are those of bench/scaling.
# Usage: scripts/scaling.sh [STEPS] > docs/scaling.md
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${1:-60}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMPI_MCA_hwloc_base_binding_policy=none
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
every="log_every: $steps, val_every: 0, checkpoint_every: 0"
cat > "$out/perceptron.yaml" <<YAML
data: {name: moons, test: 100}
net: {hidden: [512, 512, 512, 512, 512]}
train: {steps: $steps, batch: 4096, $every}
YAML
python3 - "$out/images" <<'PY'
import os, struct, sys
os.makedirs(sys.argv[1])
with open(sys.argv[1] + "/images-idx3-ubyte", "wb") as f:
    f.write(struct.pack(">4i", 0x803, 640, 28, 28) + bytes((i * i // 7) % 256 for i in range(640 * 784)))
PY
cat > "$out/unet.yaml" <<YAML
data: {path: $out/images/images-idx3-ubyte, val: 64}
net: {unet: {channels: 32}}
train: {steps: $steps, batch: 64, $every}
YAML
for net in perceptron unet; do
  GOMAXPROCS=1 taskset -c 0 ./flowmatch-mpi train "$out/$net.yaml" --out "$out/$net-1" --json --quiet > "$out/$net-one.json"
  GOMAXPROCS=2 ./flowmatch-mpi train "$out/$net.yaml" --out "$out/$net-2" --json --quiet > "$out/$net-two.json"
  GOMAXPROCS=1 mpirun -np 2 ./flowmatch-mpi train "$out/$net.yaml" --out "$out/$net-r" --json --quiet > "$out/$net-ranks.json"
done
go run ./bench/scaling -measured "$out"
