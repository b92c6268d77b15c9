#!/usr/bin/env bash
# Shows how time and memory of a history scan grow: over a quarter, a half and all of what HEAD of a repository leads to. Each part
# is packed by git into a temporary repository, as a clone of it would be, and removed at the end; the repository is only read.
# Usage: benches/growth.sh [-n ROUNDS] [-t THREADS] [-k DIRECTORY] [-f] REPOSITORY...
# -k keeps the parts in a directory, and takes them from there if they are there; -f has git look for deltas anew (slow). The
# program is target/release/keysweep or $KEYSWEEP. The parts take turns within each round; medians are printed. `packed` is what
# is new, compressed; `bytes` is what all versions hold; the last columns are wall time for a MB of each, against the whole's.
set -euo pipefail
rounds=3 threads=2 keep="" fresh=()
usage() { sed -n '2,8p' "$0" >&2; exit 2; }
while getopts n:t:k:f option; do
  case $option in
    n) rounds=$OPTARG ;;
    t) threads=$OPTARG ;;
    k) keep=$(realpath "$OPTARG") ;;
    f) fresh=(--no-reuse-delta) ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ours="${KEYSWEEP:-$here/target/release/keysweep}"
[ -x "$ours" ] || { echo "no program at $ours: build it (cargo build --release), or name one in KEYSWEEP" >&2; exit 2; }
ours="$(realpath "$ours")"
scratch="$(mktemp -d)"; trap 'rm -rf "$scratch"' EXIT
unset KEYSWEEP_CONFIG
parts=(1/4 1/2 1/1)

# Finds the first commit on the way of first parents that has at least so many commits behind it, itself included.
cut_at() { # repository, number
  local low=0 high middle chain
  mapfile -t chain < <(git -C "$1" rev-list --first-parent --reverse HEAD)
  high=$((${#chain[@]} - 1))
  while [ "$low" -lt "$high" ]; do
    middle=$(((low + high) / 2))
    if [ "$(git -C "$1" rev-list --count "${chain[$middle]}")" -ge "$2" ]; then high=$middle; else low=$((middle + 1)); fi
  done
  echo "${chain[$low]}"
}

make_part() { # repository, commit, where
  git init -q --bare "$3.new"
  git -C "$1" pack-objects -q --revs --delta-base-offset --threads="$threads" --stdout "${fresh[@]}" <<<"$2" |
    git -C "$3.new" index-pack --stdin >/dev/null
  git -C "$3.new" update-ref refs/heads/main "$2"
  git -C "$3.new" symbolic-ref HEAD refs/heads/main
  mv "$3.new" "$3"
}

once() { # part's directory, its file of figures
  local TIMEFORMAT='%3R %3U %3S' code=0 wall user kernel
  {
    time /usr/bin/time -q -o "$scratch/peak" -f %M "$ours" scan --history --quiet --threads "$threads" \
      --output "json=$scratch/report" "$1" >"$scratch/out" 2>"$scratch/err" </dev/null || code=$?
  } 2>"$scratch/time"
  if [ "$code" != 0 ] && [ "$code" != 1 ]; then
    echo "exit $code on $1: $(head -n 1 "$scratch/err")" >&2
    [ "$code" = 3 ] || exit 1
  fi
  read -r wall user kernel <"$scratch/time"
  echo "$wall $(awk -v user="$user" -v kernel="$kernel" 'BEGIN { printf "%.3f", user + kernel }') $(tail -n 1 "$scratch/peak")" >>"$2"
}

number() { sed -n "s/^ *\"$1\": \([0-9]*\),\{0,1\}$/\1/p;/\"skipped\"/q" "$scratch/report" | head -n 1; }
median() { cut -d ' ' -f "$2" "$1" | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

for repository in "$@"; do
  repository=$(cd "$repository" && pwd)
  total=$(git -C "$repository" rev-list --count HEAD)
  home="${keep:-$scratch/parts}/$(tr / + <<<"${repository#/}")"; mkdir -p "$home"
  rm -f "$scratch"/figures.* "$scratch"/facts.*
  for part in "${parts[@]}"; do
    where="$home/${part/\//-}${fresh:+-fresh}.git"
    [ -d "$where" ] || make_part "$repository" "$(cut_at "$repository" $((total * ${part%/*} / ${part#*/})))" "$where"
    once "$where" "$scratch/warm"
    packed=$(git -C "$where" count-objects -v | sed -n 's/^size-pack: //p')
    echo "$(git -C "$where" rev-list --count HEAD) $(number blobs) $((packed * 1024)) $(number bytes)" >"$scratch/facts.${part/\//-}"
  done
  for _ in $(seq "$rounds"); do
    for part in "${parts[@]}"; do
      once "$home/${part/\//-}${fresh:+-fresh}.git" "$scratch/figures.${part/\//-}"
    done
  done
  echo "== $repository, $threads threads, median of $rounds"
  for part in "${parts[@]}"; do
    file="$scratch/figures.${part/\//-}"
    echo "$part $(cat "$scratch/facts.${part/\//-}") $(median "$file" 1) $(median "$file" 2) $(median "$file" 3)"
  done | awk '{ line[NR] = $0 } END {
    split(line[NR], all, " ")
    for (n = 1; n <= NR; n++) {
      split(line[n], f, " ")
      printf "%-4s commits %7d  blobs %7d  packed %7.1f MB  bytes %8.1f MB  wall %7.3f s  cpu %7.3f s  peak %6.1f MB  per packed MB %5.2fx  per MB %5.2fx\n",
        f[1], f[2], f[3], f[4] / 1e6, f[5] / 1e6, f[6], f[7], f[8] * 1024 / 1e6,
        (f[6] / f[4]) / (all[6] / all[4]), (f[6] / f[5]) / (all[6] / all[5])
    }
  }'
done
