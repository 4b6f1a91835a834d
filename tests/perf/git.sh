#!/usr/bin/env bash
# Measures the staged path and the history path on a generated repository: 2,600 commits, 7,000 contents. Prints the
# least and the 95th percentile of each, and ratios to git itself, alternating with it. Figures are in
# docs/reference/performance.md. Not part of continuous integration.
#
#     tests/perf/git.sh                needs: cargo build --release, git, python3
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
export COUNTERSIGN=${COUNTERSIGN:-$project/target/release/countersign}
export ROUNDS=${ROUNDS:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export COUNTERSIGN_DATA_DIR=$work/data GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

git init -q -b main "$work/repo" && cd "$work/repo"
python3 - <<'PY' | git fast-import --quiet
import random, sys
random.seed(1)  # the same history every time
out = sys.stdout.buffer
words = ("alpha beta gamma delta order route price quantity client account settle ledger session handler request "
         "response value index buffer token config parse write read").split()
line = lambda: (" " * 4 * random.randint(0, 3) + " ".join(random.choices(words, k=random.randint(3, 10)))
                + f" = {random.randint(0, 99999)}")
files = {}
for n in range(2600):
    changed = {}
    for _ in range(random.choice([1, 1, 2, 3, 5])):
        if len(files) < 300 or random.random() < 0.05:
            path = f"src/m{len(files) // 20:02d}/f{len(files)}.py"
            files[path] = [line() for _ in range(random.randint(40, 800))]
        else:
            path = random.choice(list(files))
            text, at = files[path], random.randrange(len(files[path]))
            text[at:at + random.randint(0, 5)] = [line() for _ in range(random.randint(1, 12))]
        changed[path] = "\n".join(files[path]).encode() + b"\n"
    out.write(b"commit refs/heads/main\ncommitter P <p@example.test> %d +0000\ndata 1\nx\n" % (1700000000 + n * 600))
    for path, text in changed.items():
        out.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(text), text))
PY
git reset -q --hard
git repack -q -a -d

python3 - "$work" <<'PY'
import os, random, subprocess, sys, time
random.seed(2)
work, cs, rounds = sys.argv[1], os.environ["COUNTERSIGN"], int(os.environ["ROUNDS"])

def once(command):
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode in (0, 10), (command, done.returncode)
    return (time.perf_counter() - begin) * 1000

def compare(what, ours, peer, rounds=rounds, before=lambda: None):
    a, b = [], []
    for _ in range(rounds):
        before()
        a.append(once(ours))
        b.append(once(peer))
    a.sort(); b.sort()
    p95 = lambda list: list[min(len(list) - 1, int(len(list) * 0.95))]
    print(f"{what}: least {a[0]:.1f} ms, p95 {p95(a):.1f} ms; {' '.join(peer[:4])}: least {b[0]:.1f} ms, p95 {p95(b):.1f} ms; "
          f"ratio {a[0] / b[0]:.2f}")

print("commits", subprocess.check_output(["git", "rev-list", "--count", "--all"], text=True).strip(),
      "objects", subprocess.check_output(["git", "count-objects", "-v"], text=True).split("in-pack: ")[1].split()[0])
compare("start-up", [cs, "--version"], ["git", "--version"])

names = subprocess.check_output(["git", "ls-files"], text=True).split()
for name in random.sample(names, 20):
    text = open(name).read().split("\n")
    at = random.randrange(len(text))
    text[at:at] = [f"    added = value {random.random()}" for _ in range(40)]
    open(name, "w").write("\n".join(text))
subprocess.run(["git", "add", "-A"], check=True)
compare("staged, 20 files", [cs, "scan", "--staged"], ["git", "diff", "--cached"])
subprocess.run(["git", "reset", "-q", "--hard"], check=True)

forget = lambda: subprocess.run(["rm", "-rf", work + "/data"], check=True)
compare("history, cold", [cs, "scan", "--history", "--no-progress"], ["git", "log", "-p", "--all"], max(5, rounds // 4), forget)
compare("history, warm", [cs, "scan", "--history", "--no-progress"], ["git", "log", "-p", "--all"], max(5, rounds // 4))

for what, before in (("cold", forget), ("warm", lambda: None)):
    before()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1); os.dup2(null, 2)
        os.execv(cs, [cs, "scan", "--history", "--no-progress"])
    # Not what wait4 says: that is the most of the process and of those that it started.
    most = 0
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        try:
            lines = dict(l.split(":", 1) for l in open(f"/proc/{child}/status") if l.startswith("VmHWM"))
            most = max(most, int(lines.get("VmHWM", "0 kB").split()[0]))
        except (OSError, ValueError):
            pass
        time.sleep(0.001)
    print(f"history, {what}: resident memory at its peak {most / 1024:.1f} MB, its git processes not included")
PY
