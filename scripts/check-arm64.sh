#!/usr/bin/env bash
# Runs what is written for arm64 in an emulator: the tests of the kernels, with all instructions
# that are written as words disassembled, and a short training at each level, whose losses must
# agree. On an arm64 none of this is needed: go test does it.
# It says nothing of speed: an emulator has none.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in qemu-aarch64-static aarch64-linux-gnu-objdump; do
  command -v "$tool" > /dev/null && continue
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends qemu-user-static binutils-aarch64-linux-gnu
done
dir=$(mktemp -d)
tests=
trap 'test -z "$tests" || kill "$tests" || true; rm -rf "$dir"' EXIT

go test ./engine/native/kernel/gen/...
export GOOS=linux GOARCH=arm64 CGO_ENABLED=0
go vet ./engine/native/kernel
go test -c -o "$dir/kernel.test" ./engine/native/kernel
(cd engine/native/kernel && exec qemu-aarch64-static "$dir/kernel.test" -test.short -test.run '/^neon$') & tests=$!
go build -o "$dir/flowmatch" ./cmd/flowmatch
fm() { qemu-aarch64-static "$dir/flowmatch" "$@"; }
fm doctor | grep -q 'with neon kernels' || { fm doctor; exit 1; }
cat > "$dir/run.yaml" <<'YAML'
seed: 1
data: {name: moons, test: 500}
net: {hidden: [32, 32]}
train: {steps: 100, log_every: 50, val_every: 100}
YAML
# A training's validation loss after its last step.
loss() { sed -n 's/.*"val_loss":\([0-9.]*\).*/\1/p' "$dir/$1/metrics.jsonl" | tail -1; }
for run in neon again portable; do
  level=$run
  test $run = again && level=neon
  FLOWMATCH_CPU=$level fm train "$dir/run.yaml" --out "$dir/$run" > /dev/null 2> "$dir/log" || { cat "$dir/log"; exit 1; }
  echo "$run: validation loss $(loss $run)"
done
test "$(loss neon)" = "$(loss again)" || { echo "two trainings at the level neon differ" >&2; exit 1; }
wait $tests
tests=
awk -v a="$(loss neon)" -v b="$(loss portable)" 'BEGIN { d = a - b; exit !(a > 0 && d * d < 1e-8 * b * b) }' ||
  { echo "neon and portable differ by more than one part in 10000" >&2; exit 1; }
