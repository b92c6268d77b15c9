#!/usr/bin/env bash
# Times keysweep and the peers that are installed on the whole history of repositories given by path, one after another in
# the same run, and prints wall time, CPU time, peak memory and the ratio to ours. Fetches nothing; runs every tool without a
# network. Usage: benches/peers.sh [-n RUNS] REPOSITORY...
# Peers are found on PATH (gitleaks, betterleaks, kingfisher) or under $PEERS (a directory that is searched for them).
set -euo pipefail
runs=3
if [ "${1:-}" = -n ]; then runs=$2; shift 2; fi
[ $# -gt 0 ] || { sed -n '2,5p' "$0"; exit 2; }
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ours="${KEYSWEEP:-$here/target/release/keysweep}"
find_peer() {
  command -v "$1" && return
  if [ -n "${PEERS:-}" ]; then find "$PEERS" -type f -name "$1" -perm -u+x -size +1M 2>/dev/null | head -n 1; fi
}
# A namespace without a network, where the system allows one.
offline=(); if unshare -n true 2>/dev/null; then offline=(unshare -n); fi
scratch="$(mktemp -d)"; trap 'rm -rf "$scratch"' EXIT

measure() { # name, command...
  local name=$1; shift
  local best="" line
  for _ in $(seq "$runs"); do
    "${offline[@]}" /usr/bin/time -o "$scratch/time" -f '%e %U %S %M' "$@" >"$scratch/out" 2>"$scratch/err" || true
    line=$(tail -n 1 "$scratch/time")
    echo "$line" >>"$scratch/$name.all"
  done
  sort -n "$scratch/$name.all" | awk -v name="$name" '{ w[NR]=$1; c[NR]=$2+$3; if ($4>m) m=$4 }
    END { k=int((NR+1)/2); printf "%s %.2f %.2f %d\n", name, w[k], c[k], m/1024 }' >>"$scratch/table"
  rm -f "$scratch/$name.all"
}

for repository in "$@"; do
  : >"$scratch/table"
  measure keysweep "$ours" scan --history --quiet --threads 2 --output "sarif=$scratch/ours.sarif" "$repository"
  if gl=$(find_peer gitleaks) && [ -n "$gl" ]; then
    measure gitleaks "$gl" git --no-banner --report-format json --report-path "$scratch/gl.json" "$repository"
  fi
  if bl=$(find_peer betterleaks) && [ -n "$bl" ]; then
    measure betterleaks "$bl" git "$repository" -o "$scratch/bl.json"
  fi
  if kf=$(find_peer kingfisher) && [ -n "$kf" ]; then
    common=(scan "$repository" --no-validate --no-update-check --jobs 2 --format json --output "$scratch/kf.json")
    measure kingfisher "$kf" "${common[@]}"
    measure kingfisher-turbo "$kf" "${common[@]}" --turbo
  fi
  echo "== $repository (median of $runs)"
  awk 'NR==1 { ours=$2 } { printf "%-18s wall %8.2f s   cpu %8.2f s   peak %6d MB   %6.2fx ours\n", $1, $2, $3, $4, $2/ours }' "$scratch/table"
done
