#!/usr/bin/env bash
# A build on several nodes of a Slurm cluster: `sbatch deploy/slurm.sh`. Ray's head starts on the first
# node and the build beside it, Ray's workers on the others. Five minutes before the time limit the build
# is stopped (exit code 143) and the job is queued again, which goes on where it stopped.

# SET the size of the job; the nodes are alike, and each has the GPUs that deploy/build.yaml asks for.
#SBATCH --nodes=4
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --job-name=webbody
#SBATCH --output=webbody-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:TERM@300

set -euo pipefail

# SET where these lie, on a disk that all nodes share; or give them: `OUT=/shared/two sbatch deploy/slurm.sh`.
ENVIRONMENT=${ENVIRONMENT:-/shared/webbody/env}
SETTINGS=${SETTINGS:-/shared/webbody/build.yaml}
MANIFEST=${MANIFEST:-/shared/list.parquet}
OUT=${OUT:-/shared/build}

# shellcheck source=/dev/null
source "$ENVIRONMENT/bin/activate"

# Steps of a job do not inherit its CPUs by themselves.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
# Other users reach the ports of these nodes: only who has the token may use this Ray.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

build=
time_is_up=
stop() {
    trap '' TERM
    time_is_up=yes
    if [[ -n $build ]]; then
        kill -TERM "$build"
    fi
}
trap stop TERM

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes%%$'\n'*}
ips=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address)
ip=${ips%% *}
address=$ip:$((20000 + SLURM_JOB_ID % 10000))
# Only descriptions of shards pass through Ray's memory.
node=(--block "--num-cpus=$SLURM_CPUS_PER_TASK" "--num-gpus=${SLURM_GPUS_ON_NODE:-0}"
    --object-store-memory=1000000000 --disable-usage-stats)

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head "--node-ip-address=$ip" "--port=${address##*:}" \
    "--temp-dir=/tmp/ray-$SLURM_JOB_ID" --include-dashboard=false "${node[@]}" &
ray_head=$!
until ray status --address "$address" >/dev/null 2>&1; do
    if ! kill -0 "$ray_head" 2>/dev/null; then
        echo "Ray's head has not started on $head; its own messages are above." >&2
        exit 1
    fi
    sleep 2
done
others=$((SLURM_JOB_NUM_NODES - 1))
if ((others > 0)); then
    srun --nodes="$others" --ntasks="$others" --exclude="$head" \
        ray start --address="$address" "${node[@]}" &
fi

code=143
if [[ -z $time_is_up ]]; then
    webbody build --preset webbody4m --config "$SETTINGS" --manifest "$MANIFEST" --out "$OUT" \
        --ray-address "$address" &
    build=$!
    code=0
    wait "$build" || code=$?
    if [[ -n $time_is_up ]]; then # the signal ended the waiting, not yet the build
        code=0
        wait "$build" || code=$?
    fi
fi
if [[ -n $time_is_up && $code == 143 ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
# Slurm ends what the job has started, Ray among it.
exit "$code"
