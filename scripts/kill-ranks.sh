#!/usr/bin/env bash
# Kills ranks of a training at random moments, resumes it after each, and compares what it comes to with a
# training that nobody killed. A moment comes after the start: mpirun of Open MPI 4.1 itself may hang where a rank is
# killed while it connects, with all ranks gone. Needs ./flowmatch-mpi (scripts/setup-mpi.sh) and Linux.
# Usage: scripts/kill-ranks.sh [KILLS [RANKS]]
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-50} ranks=${2:-2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none GOMAXPROCS=1
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
cat > "$out/run.yaml" <<'YAML'
seed: 1
data: {name: moons, val: 100, test: 100}
net: {hidden: [16, 16]}
train: {steps: 1000000, batch: 32, schedule: constant, log_every: 10, val_every: 50, checkpoint_every: 10}
eval: {solver: euler, steps: 10}
YAML
train=(./flowmatch-mpi train "$out/run.yaml" --quiet --resume)
steps() { sed -n 's/.*"step":\([0-9]*\).*/\1/p' "$out/killed/metrics.jsonl" 2> /dev/null | tail -1; }

slowest=0 unnamed=0
for ((k = 1; k <= kills; k++)); do
  touch "$out/begun"
  mpirun -np "$ranks" "${train[@]}" --out "$out/killed" > "$out/log" 2>&1 & job=$!
  for _ in $(seq 3000); do # until the ranks have met
    [ "$out/killed/run.yaml" -nt "$out/begun" ] && break
    sleep 0.01
  done
  sleep "$((RANDOM % 3)).$((RANDOM % 900 + 100))"
  pids=()
  for _ in $(seq 500); do
    mapfile -t pids < <(cat "/proc/$job/task/"*/children 2> /dev/null | tr ' ' '\n' | grep .) || true
    [ "${#pids[@]}" -eq "$ranks" ] && break
    sleep 0.01
  done
  [ "${#pids[@]}" -eq "$ranks" ] || { cat "$out/log"; echo "kill $k: ${#pids[@]} ranks run" >&2; exit 1; }
  rank=$((RANDOM % ranks))
  kill -9 "${pids[$rank]}"
  begun=$(date +%s%N)
  code=0; wait "$job" || code=$?
  took=$((($(date +%s%N) - begun) / 1000000))
  [ "$took" -gt "$slowest" ] && slowest=$took
  [ "$code" -ne 0 ] || { echo "kill $k: the job ended without an error" >&2; exit 1; }
  grep -q "rank [0-9]" "$out/log" || unnamed=$((unnamed + 1))
done
reached=$(steps)
total=$((${reached:-0} + 200))
mpirun -np "$ranks" "${train[@]}" --out "$out/killed" --set train.steps=$total > "$out/log" 2>&1 || { cat "$out/log"; exit 1; }
mpirun -np "$ranks" "${train[@]}" --out "$out/whole" --set train.steps=$total > "$out/log" 2>&1 || { cat "$out/log"; exit 1; }
for dir in killed whole; do ./flowmatch-mpi sample "$out/$dir" --n 200 --seed 1 --out "$out/$dir.csv" --quiet > /dev/null; done
cmp "$out/killed.csv" "$out/whole.csv"
echo "$kills kills of $ranks ranks: $unnamed jobs without the name of a rank, the slowest end after $slowest ms;" \
  "$total steps give the samples of a training that nobody killed"
