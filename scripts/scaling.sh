#!/usr/bin/env bash
# Measures what ranks gain: one process of one core, one of two, and two ranks of one core, on the same batch. Prints a
# table in Markdown, for a quiet machine. Needs ./flowmatch-mpi (scripts/setup-mpi.sh), two cores and python3.
# Usage: scripts/scaling.sh [STEPS]
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
python3 - "$out" <<'PY'
import json, sys
print("| network | weights | one core, ms a step | two cores | two ranks of a core | efficiency of two ranks | "
      "MB a step and rank | ms in sums |\n" + "| --- " * 8 + "|")
for net in "perceptron", "unet":
    one, two, ranks = (json.load(open(f"{sys.argv[1]}/{net}-{k}.json")) for k in ("one", "two", "ranks"))
    ms = [1e3 * r["seconds"] / r["steps"] for r in (one, two, ranks)]
    sums = ranks["ranks"]
    print(f"| {net} | {one['parameters']} | {ms[0]:.1f} | {ms[1]:.1f} | {ms[2]:.1f} | {ms[0] / 2 / ms[2]:.2f} | "
          f"{sums['bytes_per_step'] / 1e6:.2f} | {1e3 * sums['seconds_per_step']:.1f} |")
PY
