#!/usr/bin/env bash
# What policy adds to the scan of a tree: medians of `scan --only secrets` and of `scan`, in turn within each round, and their ratio.
# Usage: benches/policy.sh [-n ROUNDS] [-t THREADS] DIRECTORY...   Ours is target/release/keysweep or $KEYSWEEP; writes nothing.
set -euo pipefail
rounds=5 threads=2
while getopts n:t: option; do
  case $option in
    n) rounds=$OPTARG ;;
    t) threads=$OPTARG ;;
    *) sed -n '2,3p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ours="${KEYSWEEP:-$here/target/release/keysweep}"
[ -x "$ours" ] || { echo "no program at $ours: build it (cargo build --release), or name one in KEYSWEEP" >&2; exit 2; }
scratch="$(mktemp -d)"; trap 'rm -rf "$scratch"' EXIT
run() {
  local code=0
  /usr/bin/time -f '%e' -a -o "$scratch/$1" "$ours" scan --quiet --threads "$threads" "${@:3}" --output "json=$scratch/report" "$2" >/dev/null 2>&1 || code=$?
  # Findings (1) and gaps (3) are results; GNU time tells of them in lines of their own.
  case $code in 0 | 1 | 3) ;; *) echo "FAILED with $code: $2" >&2; exit 1 ;; esac
}
median() { grep -E '^[0-9.]+$' "$scratch/$1" | sort -n | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}'; }
for directory in "$@"; do
  rm -f "$scratch/secrets" "$scratch/both"
  run warm "$directory"
  for ((round = 0; round < rounds; round++)); do
    run secrets "$directory" --only secrets
    run both "$directory"
  done
  awk -v a="$(median secrets)" -v b="$(median both)" -v d="$directory" -v n="$(find "$directory" -type f | wc -l)" \
    'BEGIN {printf "%s: %d files, secrets %.2f s, with policy %.2f s, %.2f times\n", d, n, a, b, (a > 0 ? b / a : 0)}'
done
