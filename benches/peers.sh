#!/usr/bin/env bash
# Times keysweep and the peers that are installed, in turn within each round of the same run, and prints the medians of wall time,
# CPU time and peak memory, the ratio to ours, and the versions. Fetches nothing; runs every tool without a network and with an
# empty home. Usage: benches/peers.sh [-m MODE] [-n ROUNDS] [-t THREADS] [-r A..B] PATH...
#   -m history  the whole history of repositories (default)      -m tree    directories, beside ripgrep for a word that is nowhere
#   -m range    the last 50 commits of HEAD, or those of -r      -m staged  what is staged in repositories with a work tree
# Peers are found on PATH (gitleaks, betterleaks, kingfisher, rg) or under $PEERS (a directory that is searched for programs);
# ours is target/release/keysweep or $KEYSWEEP. $DECODE, a built `decode` bench, is timed beside us in mode history.
# A first round that does not count warms the file cache and tells whether each tool does its work: one that does not is shown
# as FAILED. Peak memory is that of the largest process of a tool. The row `nothing` is what measuring itself takes.
set -euo pipefail
# All of it in a namespace without a network, where the system allows one.
if [ -z "${PEERS_OFFLINE:-}" ]; then
  export PEERS_OFFLINE=1
  if unshare -n true 2>/dev/null; then exec unshare -n "${BASH_SOURCE[0]}" "$@"; fi
  echo "no network namespace here: the tools could reach the network" >&2
fi
usage() { sed -n '2,10p' "$0" >&2; exit 2; }
mode=history rounds=3 threads=2 range=""
while getopts m:n:t:r: option; do
  case $option in
    m) mode=$OPTARG ;;
    n) rounds=$OPTARG ;;
    t) threads=$OPTARG ;;
    r) range=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage
[[ $mode =~ ^(history|tree|range|staged)$ ]] || usage
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ours="${KEYSWEEP:-$here/target/release/keysweep}"
[ -x "$ours" ] || { echo "no program at $ours: build it (cargo build --release), or name one in KEYSWEEP" >&2; exit 2; }
ours="$(realpath "$ours")"
scratch="$(mktemp -d)"; trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/home"
# Git refuses repositories of other users unless it is told not to.
printf '[safe]\n\tdirectory = *\n' >"$scratch/home/.gitconfig"

find_peer() { # name: prints the program; small files are other packages' start scripts
  if [ -n "${PEERS:-}" ]; then find "$(realpath "$PEERS")" -type f -name "$1" -perm -u+x -size +1M 2>/dev/null | head -n 1 | grep . && return; fi
  command -v "$1" || true
}
declare -A program=([keysweep]="$ours" [decode-only]="${DECODE:+$(realpath "$DECODE")}" [nothing]="$(type -P true)")
for name in gitleaks betterleaks kingfisher rg; do program[$name]=$(find_peer "$name"); done
program[kingfisher --turbo]=${program[kingfisher]}

# What each tool runs is set here: `command`; its report, which must be there afterwards, is $report if not empty.
command_of() { # tool, path
  local path=$2 file="$scratch/report"
  report=$file; command=("${program[$1]}")
  case $1/$mode in
    keysweep/history) command+=(scan --history --quiet --threads "$threads" --output "sarif=$file" "$path") ;;
    keysweep/range) command+=(scan --range "$range" --quiet --threads "$threads" --output "sarif=$file" "$path") ;;
    keysweep/tree) command+=(scan --quiet --threads "$threads" --output "sarif=$file" "$path") ;;
    # As a hook runs it: inside the repository.
    keysweep/staged) command+=(scan --staged --quiet --threads "$threads" --output "json=$file") ;;
    gitleaks/*)
      # Leaks have an exit code of their own, so that a fault is not taken for them.
      local common=(--no-banner --exit-code 42 --report-format json --report-path "$file")
      case $mode in
        history) command+=(git "${common[@]}" "$path") ;;
        range) command+=(git "${common[@]}" --log-opts="$range" "$path") ;;
        tree) command+=(dir "${common[@]}" "$path") ;;
        staged) command+=(git "${common[@]}" --pre-commit --staged .) ;;
      esac ;;
    betterleaks/*)
      local common=(--no-banner --exit-code=42 --output "$file.json")
      report=$file.json
      case $mode in
        history) command+=(git "${common[@]}" "$path") ;;
        range) command+=(git "${common[@]}" --log-opts="$range" "$path") ;;
        tree) command+=(filesystem "${common[@]}" "$path") ;;
        staged) command+=(git "${common[@]}" --staged .) ;;
      esac ;;
    kingfisher*/*)
      local common=(--no-validate --no-update-check --jobs "$threads" --format json --output "$file")
      if [ "$1" != kingfisher ]; then common+=(--turbo); fi
      case $mode in
        history) command+=(scan "$path" "${common[@]}") ;;
        range) command+=(scan "$path" "${common[@]}" --since-commit "${range%%..*}" --branch "${range##*..}") ;;
        tree) command+=(scan "$path" "${common[@]}" --git-history none) ;;
        staged) command+=(scan . "${common[@]}" --staged) ;;
      esac ;;
    # Everything is read, as by us; two halves, so that this script does not hold the word.
    rg/*) report=""; command+=(--no-config -uuu --threads "$threads" --fixed-strings --quiet "Nowhere""ToBeFound7q" "$path") ;;
    decode-only/*) report=""; command+=(--rounds 1 --threads "$threads" "$path") ;;
    nothing/*) report="" ;;
  esac
}

# Tells whether an exit code is a tool's for "done", with or without findings; sets `note` to a reservation.
is_done() { # tool, code
  note=""
  case $1/$2 in
    keysweep/3) note="incomplete" ;;
    */0 | keysweep/1 | gitleaks/42 | betterleaks/42 | kingfisher*/200 | kingfisher*/205 | rg/1) ;;
    *) return 1 ;;
  esac
}

once() { # tool, path: runs it and sets `fault`, `note`, `found`, `wall`, `cpu` (seconds) and `peak` (KiB)
  local code=0 TIMEFORMAT='%3R %3U %3S' user kernel
  command_of "$1" "$2"
  rm -f "$scratch"/report* "$scratch/peak"
  {
    time /usr/bin/time -q -o "$scratch/peak" -f %M "${command[@]}" >"$scratch/out" 2>"$scratch/err" </dev/null || code=$?
  } 2>"$scratch/time"
  read -r wall user kernel <"$scratch/time"
  cpu=$(awk -v user="$user" -v kernel="$kernel" 'BEGIN { printf "%.3f", user + kernel }')
  peak=$(tail -n 1 "$scratch/peak" 2>/dev/null || echo 0)
  found=""
  if [ -n "$report" ] && [ -s "$report" ]; then
    found="$(grep -oE '"(rule_id|RuleID|ruleId|rule)" *:' "$report" | wc -l || true) found"
  fi
  fault=""
  if ! is_done "$1" "$code"; then
    fault="exit $code: $(grep . "$scratch/err" "$scratch/out" -h | tail -n 1 | cut -c 1-120 || true)"
  elif [ -n "$report" ] && [ ! -s "$report" ]; then
    fault="exit $code and no report"
  elif [[ $1 =~ ^(gitleaks|betterleaks)$ ]] && grep -qE '(^| )(ERR|FTL) ' "$scratch/err"; then
    fault="exit $code: $(grep -m 1 -E '(^| )(ERR|FTL) ' "$scratch/err" | cut -c 1-120)"
  fi
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

row() { # tool: its line of the table
  local name=$1 file="$scratch/all.$1" walls cpus peaks least
  walls=$(cut -d ' ' -f 1 "$file" | median); cpus=$(cut -d ' ' -f 2 "$file" | median)
  peaks=$(cut -d ' ' -f 3 "$file" | median); least=$(cut -d ' ' -f 1 "$file" | sort -n | head -n 1)
  [ -n "$base" ] || base=$walls
  awk -v name="$name" -v wall="$walls" -v least="$least" -v cpu="$cpus" -v peak="$peaks" -v base="$base" -v note="${notes[$name]:-}" \
    'BEGIN { printf "%-20s wall %9.3f s (least %9.3f)   cpu %9.3f s   peak %7.1f MB   %7.2fx ours   %s\n",
             name, wall, least, cpu, peak * 1024 / 1e6, wall / base, note }'
}

# Chooses the least first-parent ancestor with 50 commits behind it.
last_commits() { # path
  local n=0 count=0
  while [ "$count" -lt 50 ] && git -C "$1" rev-parse -q --verify "HEAD~$((n + 1))" >/dev/null; do
    n=$((n + 1)); count=$(git -C "$1" rev-list --count "HEAD~$n..HEAD")
  done
  echo "$(git -C "$1" rev-parse "HEAD~$n")..$(git -C "$1" rev-parse HEAD)"
}

tools=(keysweep)
if [ "$mode" = history ]; then tools+=(decode-only); fi
tools+=(gitleaks betterleaks kingfisher "kingfisher --turbo")
if [ "$mode" = tree ]; then tools+=(rg); fi
tools+=(nothing)

compare() { # path, what to call it
  local tool usable=()
  declare -gA notes=()
  rm -f "$scratch"/all.*
  echo "== $mode of $2, $threads threads, median of $rounds"
  for tool in "${tools[@]}"; do
    [ -n "${program[$tool]}" ] || continue
    once "$tool" "$1"
    notes[$tool]="$found${note:+, $note}"
    if [ -n "$fault" ]; then printf '%-20s FAILED (%s)\n' "$tool" "$fault"; else usable+=("$tool"); fi
  done
  for _ in $(seq "$rounds"); do
    for tool in "${usable[@]}"; do
      once "$tool" "$1"
      if [ -n "$fault" ]; then notes[$tool]="FAILED in a round ($fault)"; fi
      echo "$wall $cpu $peak" >>"$scratch/all.$tool"
    done
  done
  base=""
  # Without a figure of ours there is nothing to compare with.
  if [ ! -e "$scratch/all.keysweep" ]; then echo "keysweep did not run: no ratios" >&2; status=1; return; fi
  for tool in "${usable[@]}"; do row "$tool"; done
}

version() { "$@" 2>/dev/null </dev/null | head -n 1 || true; }

sed -n 's/^model name[[:space:]]*: /cpu: /p' /proc/cpuinfo 2>/dev/null | head -n 1 || true
echo "cores: $(nproc 2>/dev/null || echo unknown); load: $(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || echo unknown)"
checkout="checkout $(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)"
echo "keysweep: $(version "$ours" --version), $([ -z "${KEYSWEEP:-}" ] && echo "$checkout" || echo "given by KEYSWEEP: $ours")"
for name in gitleaks betterleaks kingfisher rg; do
  [ -n "${program[$name]}" ] || continue
  flag=--version; if [ "$name" = gitleaks ]; then flag=version; fi
  echo "$name: $(version "${program[$name]}" $flag)"
done
echo "git: $(git --version)"
export HOME="$scratch/home" GOMAXPROCS="$threads"; unset KEYSWEEP_CONFIG
status=0 from=$PWD
for path in "$@"; do
  path=$(cd "$path" && pwd); directory=$scratch; label=$path
  case $mode in
    range)
      chosen=$range; [ -n "$range" ] || range=$(last_commits "$path")
      label="$range ($(git -C "$path" rev-list --count "$range") commits) in $path" ;;
    # Kingfisher writes a commit of what is staged: all tools get a copy.
    staged) cp -a "$path" "$scratch/copy"; directory=$scratch/copy ;;
  esac
  cd "$directory"; compare "$path" "$label"; cd "$from"
  if [ "$mode" = range ]; then range=$chosen; fi
  rm -rf "$scratch/copy"
done
exit $status
