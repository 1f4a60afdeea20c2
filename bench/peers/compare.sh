#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Allreduce of 2 ranks over shared memory and over TCP: Tutti beside Open MPI, run in turns so that both meet the same machine.
# usage: compare.sh <build folder> [rounds, default 5] [further flags of the programs, default -b 8 -e 64M -f 4]
# Prints the median over the rounds of the out-of-place time, and Open MPI's time over Tutti's: above 1, Tutti is faster.
set -euo pipefail

build=${1:?usage: compare.sh <build folder> [rounds] [flags...]}
rounds=${2:-5}
shift $(($# < 2 ? $# : 2))
flags=("$@")
[ ${#flags[@]} -gt 0 ] || flags=(-b 8 -e 64M -f 4)

tutti=$build/bench/all_reduce_perf
mpi=$build/bench/mpi_all_reduce
for program in "$tutti" "$mpi"; do
  [ -x "$program" ] || { echo "compare.sh: $program is not built" >&2; exit 2; }
done

launch=(mpirun -n 2)
[ "$(id -u)" -ne 0 ] || launch+=(--allow-run-as-root)
[ "$(nproc)" -ge 2 ] || launch+=(--oversubscribe)
over_tcp=(--mca btl tcp,self --mca btl_tcp_if_include lo)

samples=$(mktemp)
trap 'rm -f "$samples"' EXIT

# sample <name> <command...>: appends "name size time" for each row.
sample() {
  local name=$1
  shift
  "$@" | awk -v name="$name" '$1 ~ /^[0-9]+$/ { print name, $1, $6 }' >> "$samples"
}

# table <title>: medians of the samples by size.
table() {
  echo "# Allreduce, float sum, 2 ranks over $1; median of $rounds rounds, microseconds"
  printf '# %10s  %10s  %10s  %10s  %12s  %12s\n' size tutti 'tutti -z 1' 'Open MPI' 'MPI/tutti' 'MPI/tutti -z'
  sort -k2,2n -k1,1 -k3,3g "$samples" | awk '
    function close_group() { if (key != "") median[size, name] = values[int((n + 1) / 2)] }
    { if ($2 " " $1 != key) { close_group(); key = $2 " " $1; name = $1; if ($2 != size) sizes[++size_count] = $2; size = $2; n = 0 }
      values[++n] = $3 }
    END { close_group()
      for (i = 1; i <= size_count; ++i) { s = sizes[i]; a = median[s, "tutti"]; b = median[s, "tutti_z"]; m = median[s, "mpi"]
        printf "%12d  %10.2f  %10.2f  %10.2f  %12.2f  %12.2f\n", s, a, b, m, m / a, m / b } }'
  : > "$samples"
}

for ((round = 0; round < rounds; ++round)); do
  sample tutti "${launch[@]}" -x TUTTI_TRANSPORTS=shm "$tutti" "${flags[@]}"
  sample mpi "${launch[@]}" "$mpi" "${flags[@]}"
  sample tutti_z "${launch[@]}" -x TUTTI_TRANSPORTS=shm "$tutti" "${flags[@]}" -z 1
done
table "shared memory"

for ((round = 0; round < rounds; ++round)); do
  sample tutti "${launch[@]}" -x TUTTI_TRANSPORTS=tcp "$tutti" "${flags[@]}"
  sample mpi "${launch[@]}" "${over_tcp[@]}" "$mpi" "${flags[@]}"
  sample tutti_z "${launch[@]}" -x TUTTI_TRANSPORTS=tcp "$tutti" "${flags[@]}" -z 1
done
table "TCP on loopback"
