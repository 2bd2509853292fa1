#!/usr/bin/env bash
# Sets up training on many machines: installs Open MPI where there is none (Debian, Ubuntu; as
# root), and builds ./flowmatch-mpi with it. On a cluster load its own Open MPI first, as
# by `module load openmpi`. More tags, such as xla, are arguments.
# Usage: scripts/setup-mpi.sh [TAG...]
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v mpicc > /dev/null || ! command -v mpirun > /dev/null; then
  command -v apt-get > /dev/null || { echo "there is no mpicc and no apt-get: install Open MPI, then run this again" >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openmpi-bin libopenmpi-dev gcc libc6-dev pkg-config
fi
tags=mpi
for tag in "$@"; do tags=$tags,$tag; done
CGO_ENABLED=1 go build -tags "$tags" -o flowmatch-mpi ./cmd/flowmatch
./flowmatch-mpi version
