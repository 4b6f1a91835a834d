#!/usr/bin/env bash
# How fast recorded decisions are computed again, and whether they come out the same: N commits, each judged, then
# `replay --all`. Every commit follows the first one, as branches do: where nothing is ever deployed, a release would grow by
# every commit, and a decision's facts with it.
#
#     cargo build --release
#     tests/perf/replay.sh [N]        (default 1000; 10000 takes about half an hour, nearly all of it to make them)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
n=${1:-1000}
countersign=${CARGO_TARGET_DIR:-$PWD/target}/release/countersign
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home COUNTERSIGN_DATA_DIR=$work/data GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
mkdir -p "$HOME" "$work/repo"
cd "$work/repo"
git init -q -b main
git config user.name A
git config user.email a@example.com
echo first >README
git add -A
git commit -q -m first
first=$(git rev-parse HEAD)
begun=$(date +%s)
for ((i = 0; i < n; i++)); do
    echo "$i" >"file$((i % 10))"
    git add -A
    git update-ref --no-deref HEAD "$(git commit-tree -p "$first" -m "change $i" "$(git write-tree)")"
    code=0
    "$countersign" run >/dev/null 2>&1 || code=$?
    # Nobody is enrolled: a decision that waits or is denied is a decision.
    [[ $code == 10 || $code == 11 ]] || { echo "run ended with $code" >&2; exit 1; }
done
echo "$n decisions made in $(($(date +%s) - begun)) s"
begun=$(date +%s%N)
"$countersign" replay --all
echo "replayed in $((($(date +%s%N) - begun) / 1000000)) ms"
