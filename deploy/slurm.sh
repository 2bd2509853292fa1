#!/usr/bin/env bash
# A training on four machines by Slurm, one rank on each with all its cores:
#
#   sbatch deploy/slurm.sh run.yaml runs/big
#
# Slurm sends SIGTERM two minutes before the time is over: the training saves, and the job starts anew.
#SBATCH --job-name=flowmatch
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
module load openmpi 2> /dev/null || true
export GOMAXPROCS=$SLURM_CPUS_PER_TASK
code=0
srun --mpi=pmix --kill-on-bad-exit=1 ./flowmatch-mpi train "$1" --out "$2" --resume || code=$?
if [ "$code" -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
