#!/usr/bin/env bash
# Compares the reports of one history that come about in different ways: threads, delta-aware or plain, and whatever -x adds.
# All must be the same byte for byte. Usage: benches/exact.sh [-k DIRECTORY] [-x "[NAME=VALUE...] [FLAG...]"]... REPOSITORY...
# -x adds a way to run, beside the four built-in ones; -k keeps the reports of a repository that differ. Exits with 1 if any
# report or exit code differs, or if a run fails. The program is target/release/keysweep or $KEYSWEEP.
set -euo pipefail
ways=("--threads 8" "--threads 1" "--threads 8 --no-delta" "--threads 1 --no-delta")
keep=""
while getopts k:x: option; do
  case $option in
    k) keep=$OPTARG ;;
    x) ways+=("$OPTARG") ;;
    *) sed -n '2,5p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ours="${KEYSWEEP:-$here/target/release/keysweep}"
[ -x "$ours" ] || { echo "no program at $ours: build it (cargo build --release), or name one in KEYSWEEP" >&2; exit 2; }
scratch="$(mktemp -d)"; trap 'rm -rf "$scratch"' EXIT
# One key for all runs, so that the identities of values are compared too; no configuration of the caller's.
KEYSWEEP_KEY="$(printf '%064d' 1)"; export KEYSWEEP_KEY; unset KEYSWEEP_CONFIG

number() { # key: its first value in the first way's report
  sed -n "s/^ *\"$1\": \([0-9]*\),\{0,1\}$/\1/p;/\"skipped\"/q" "$scratch/0.json" | head -n 1
}

run() { # way, file, repository: sets `code` and `seconds`
  local words settings=() flags=() word began
  read -ra words <<<"$1"
  for word in "${words[@]}"; do
    if [ ${#flags[@]} -eq 0 ] && [[ $word == [A-Za-z_]*=* ]]; then settings+=("$word"); else flags+=("$word"); fi
  done
  code=0
  began=$(date +%s%N)
  env "${settings[@]}" "$ours" scan --history --quiet --output "json=$2.json" --output "jsonl=$2.jsonl" "${flags[@]}" "$3" \
    >"$2.out" 2>"$2.err" || code=$?
  seconds=$(awk -v from="$began" -v to="$(date +%s%N)" 'BEGIN { printf "%.2f", (to - from) / 1e9 }')
}

# Compares one way's report with the first one's and prints a line: sets `wrong`.
judge() { # index, way, repository
  local verdict=equal
  if [ "$code" != 0 ] && [ "$code" != 1 ] && [ "$code" != 3 ]; then
    verdict="FAILED: $(head -n 1 "$scratch/$1.err")"; wrong=1
  elif [ "$1" = 0 ]; then
    first=$code; verdict=first
  elif [ "$code" != "$first" ]; then
    verdict="DIFFERENT: the exit code"; wrong=1
  elif ! cmp -s "$scratch/0.json" "$scratch/$1.json"; then
    verdict="DIFFERENT: $(cmp "$scratch/0.json" "$scratch/$1.json" 2>&1 | sed 's/^.* differ: //' || true)"; wrong=1
  fi
  printf '  %-28s exit %s  %8s s  %s\n' "$2" "$code" "$seconds" "$verdict"
  if [ -n "$keep" ] && [[ $verdict == DIFFERENT* ]]; then
    mkdir -p "$keep"
    cp "$scratch/0.json" "$keep/$(tr / + <<<"${3#/}")-0.json"
    cp "$scratch/$1.json" "$keep/$(tr / + <<<"${3#/}")-$1.json"
  fi
}

failed=0
for repository in "$@"; do
  repository=$(cd "$repository" && pwd)
  wrong=0; first=""
  echo "== $repository"
  for at in "${!ways[@]}"; do
    run "${ways[$at]}" "$scratch/$at" "$repository"
    judge "$at" "${ways[$at]}" "$repository"
  done
  if [ -s "$scratch/0.json" ]; then
    blobs=$(number blobs); objects=${blobs:-0}
    for kind in trees commits tags; do count=$(number "$kind"); objects=$((objects + ${count:-0})); done
    echo "  objects $objects, blobs ${blobs:-0}, bytes $(number bytes), findings $(wc -l <"$scratch/0.jsonl"):" \
      "$(if [ $wrong = 0 ]; then echo all equal; else echo NOT EQUAL; fi)"
  fi
  failed=$((failed | wrong))
  rm -f "$scratch"/*
done
exit "$failed"
