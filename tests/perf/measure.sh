#!/usr/bin/env bash
# Measures whole processes on a generated repository of 10,000 files (about 70 MB) and prints ratios to peers of the
# same minute. Figures are in docs/reference/performance.md. Not part of continuous integration.
#
#     tests/perf/measure.sh            needs: cargo build --release, git, python3, ripgrep, hyperfine
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
countersign=${COUNTERSIGN:-$project/target/release/countersign}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export COUNTERSIGN_DATA_DIR=$work/data GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

mkdir "$work/repo" && cd "$work/repo"
git init -q -b main
python3 - <<'PY'
import os, random
random.seed(1)  # the same tree every time
words = ("alpha beta gamma delta order route price quantity client account settle ledger session handler request "
         "response value index buffer token config parse write read").split()
for i in range(10_000):
    folder = f"src/m{i // 100:03d}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/f{i}.py", "w") as f:
        for _ in range(random.randint(40, 200)):
            indent = "    " * random.randint(0, 3)
            line = " ".join(random.choice(words) for _ in range(random.randint(3, 10)))
            f.write(f"{indent}{line} = {random.randint(0, 99999)}\n")
PY
git add -A
git -c user.name=perf -c user.email=perf@example.test commit -q -m tree

echo '== scan of the whole tree against ripgrep looking for one literal (aim: at most 4)'
hyperfine -i -N --warmup 3 --runs 20 --export-json "$work/scan.json" \
    "$countersign scan . --no-progress" 'rg -c zqzqzq .'
echo '== run with nothing changed since the last one (aim: under 300 ms)'
"$countersign" run >/dev/null || true
hyperfine -i -N --warmup 2 --runs 20 --export-json "$work/run.json" "$countersign run"

python3 - "$work" <<'PY'
import json, sys
scan = json.load(open(sys.argv[1] + "/scan.json"))["results"]
run = json.load(open(sys.argv[1] + "/run.json"))["results"][0]
print(f"scan / ripgrep, medians: {scan[0]['median'] / scan[1]['median']:.2f}")
print(f"unchanged run, median:   {run['median'] * 1000:.0f} ms")
PY
