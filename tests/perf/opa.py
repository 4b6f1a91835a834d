#!/usr/bin/env python3
"""Compares our engine with OPA itself, in speed and in answers. Needs the wheel `opa-golib-python-bindings`, which holds OPA as a library:

    pip download --no-deps --python-version 3.14 --implementation py --abi none \
        --platform manylinux_2_34_x86_64 opa-golib-python-bindings -d DIR && unzip -d DIR/w DIR/*.whl
    cargo build --release -p countersign-policy --example evaluate
    python3 tests/perf/opa.py DIR/w time
    python3 tests/perf/opa.py DIR/w compare 10000

`time` tells ratios of the same run: a gate over facts of 3 KB, and a plan of 100,000 resources. `compare` makes policies and
inputs from a seed and insists that both engines say the same.
"""
import json, os, random, resource, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
EVALUATE = os.path.join(TARGET, "release", "examples", "evaluate")

PLAN = """package plan

deny contains msg if {
	some r in input.resource_changes
	r.type == "aws_s3_bucket"
	r.change.after.acl == "public-read"
	msg := sprintf("%s is public", [r.address])
}

deny contains msg if {
	some r in input.resource_changes
	r.type == "aws_db_instance"
	not r.change.after.storage_encrypted
	msg := sprintf("%s is not encrypted", [r.address])
}

deny contains msg if {
	some r in input.resource_changes
	r.type == "aws_security_group"
	some rule in r.change.after.ingress
	rule.cidr == "0.0.0.0/0"
	rule.port == 22
	msg := sprintf("%s lets anybody in", [r.address])
}

deny contains msg if {
	some r in input.resource_changes
	not r.change.after.tags.owner
	msg := sprintf("%s has no owner", [r.address])
}
"""


def engine(wheel, modules):
    sys.path.insert(0, wheel)
    from opa_bindings.engine import OpaEngine
    made = OpaEngine()
    for path, text in modules.items():
        made.add_policy(path, text)
    return made


def ask(made, query, text):
    """JSON in, JSON text out, by the library's own call: no Python object is built of the input."""
    from opa_bindings import _native  # noqa: F401
    import ctypes
    lib = made._lib
    # It wants the path below `data`.
    pointer = lib.OpaEvalDocument(made._handle, query.removeprefix("data.").encode(), text, 0, 0)
    try:
        return ctypes.string_at(pointer)
    finally:
        lib.OpaFreeString(pointer)


def policies(dir):
    out = {}
    for at, _, names in os.walk(dir):
        for name in names:
            if name.endswith(".rego") and not name.endswith("_test.rego"):
                path = os.path.join(at, name)
                out[os.path.relpath(path, dir)] = open(path).read()
    return out


def plan(n):
    kinds = ["aws_s3_bucket", "aws_db_instance", "aws_security_group", "aws_instance"]
    changes = []
    for i in range(n):
        after = {"acl": "public-read" if i % 50 == 0 else "private", "storage_encrypted": i % 7 != 0, "tags": {"owner": "x"} if i % 11 else {},
                 "ingress": [{"cidr": "10.0.0.0/8", "port": 443}] + ([{"cidr": "0.0.0.0/0", "port": 22}] if i % 90 == 0 else [])}
        changes.append({"address": f"module.m{i % 10}.r{i}", "type": kinds[i % 4], "change": {"actions": ["create"], "after": after}})
    return {"resource_changes": changes}


def child(arguments):
    """Runs a child and returns its output, CPU seconds and largest resident size in MiB."""
    with tempfile.TemporaryFile() as out:
        begun = subprocess.Popen(arguments, stdout=out)
        _, status, used = os.wait4(begun.pid, 0)
        if status != 0:
            sys.exit(f"{arguments[0]} ended with {status}")
        out.seek(0)
        return out.read().decode(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def opa_side(wheel, dir, query, path, n):
    made = engine(wheel, policies(dir))
    text = open(path, "rb").read()
    for _ in range(n):
        start = time.perf_counter_ns()
        said = ask(made, query, text)
        print(time.perf_counter_ns() - start)
        if b'"error"' in said[:40]:
            sys.exit(said[:400])


def percentile(times, p):
    return sorted(times)[min(len(times) - 1, int(len(times) * p / 100))]


def measure(wheel):
    with tempfile.TemporaryDirectory() as work:
        facts = os.path.join(ROOT, "crates/policy/examples/facts.json")
        plans = os.path.join(work, "plan")
        os.mkdir(plans)
        open(os.path.join(plans, "plan.rego"), "w").write(PLAN)
        large, small = os.path.join(work, "large.json"), os.path.join(work, "small.json")
        json.dump(plan(100_000), open(large, "w"))
        json.dump(plan(1), open(small, "w"))
        gates = os.path.join(ROOT, "policies")
        for name, dir, query, path, n in [
            ("gates, %d B of facts" % os.path.getsize(facts), gates, "data.countersign.gates", facts, 2000),
            ("plan of 100,000", plans, "data.plan.deny", large, 3),
        ]:
            ours, our_cpu, our_mib = child([EVALUATE, "time", dir, query, path, str(n)])
            theirs, their_cpu, their_mib = child([sys.executable, __file__, wheel, "opa", dir, query, path, str(n)])
            ours, theirs = ([int(t) / 1000 for t in text.split()] for text in (ours, theirs))
            print(f"{name}: p50 {statistics.median(ours):,.0f} us, p99 {percentile(ours, 99):,.0f} us; "
                  f"OPA p50 {statistics.median(theirs):,.0f} us, p99 {percentile(theirs, 99):,.0f} us; "
                  f"ratio {statistics.median(ours) / statistics.median(theirs):.2f}")
            print(f"  CPU {our_cpu:.2f} s, OPA {their_cpu:.2f} s, ratio {our_cpu / their_cpu:.2f}; "
                  f"memory {our_mib:.0f} MiB, OPA {their_mib:.0f} MiB, ratio {our_mib / their_mib:.2f}")


class Maker:
    """Policies and inputs at random, inside what both engines define: no order, no clock, no floats."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def document(self, depth=3):
        r = self.r
        kinds = ["n", "s", "b", "z"] + (["l", "o", "o"] if depth else [])
        kind = r.choice(kinds)
        if kind == "n": return r.randint(-5, 20)
        if kind == "s": return r.choice(["a", "b", "ab", "", "x-y", "Ä", "10.0.0.1", "a/b.c"])
        if kind == "b": return r.random() < 0.5
        if kind == "z": return None
        if kind == "l": return [self.document(depth - 1) for _ in range(r.randint(0, 4))]
        return {r.choice("abcd"): self.document(depth - 1) for _ in range(r.randint(0, 4))}

    def term(self, names, depth=2):
        r = self.r
        kind = r.choice(["ref", "ref", "lit", "name"] + (["call", "arith", "compr", "template"] if depth else []))
        if kind == "name" and names: return r.choice(names)
        if kind == "ref" or kind == "name": return "input." + ".".join(r.choice("abcd") for _ in range(r.randint(1, 3)))
        if kind == "lit": return json.dumps(self.document(1), ensure_ascii=False)
        if kind == "call":
            name, args = r.choice([("count", 1), ("lower", 1), ("upper", 1), ("concat", 2), ("split", 2), ("contains", 2), ("startswith", 2),
                                   ("abs", 1), ("max", 1), ("min", 1), ("sum", 1), ("sort", 1), ("array.concat", 2), ("object.get", 3),
                                   ("object.keys", 1), ("is_string", 1), ("is_object", 1), ("type_name", 1), ("json.marshal", 1), ("trim", 2),
                                   ("replace", 3), ("strings.reverse", 1), ("array.reverse", 1), ("object.union", 2), ("array.flatten", 1)])
            return f"{name}({', '.join(self.term(names, depth - 1) for _ in range(args))})"
        if kind == "arith": return f"({self.term(names, depth - 1)} {r.choice('+-*')} {self.term(names, depth - 1)})"
        if kind == "template": return '$"<{' + self.term(names, 0) + '}>"'
        v = f"c{r.randint(0, 999)}"
        return "%s%s | some %s in %s; %s%s" % (
            *r.choice([("[", v), ("{", v)]), v, self.term(names, 0), self.condition(names + [v], 0), "CLOSE")

    def condition(self, names, depth=1):
        r = self.r
        kind = r.choice(["cmp", "cmp", "in", "truth", "not"] if depth else ["cmp", "truth"])
        if kind == "cmp": return f"{self.term(names, depth)} {r.choice(['==', '!=', '<', '>='])} {self.term(names, depth)}"
        if kind == "in": return f"{self.term(names, 0)} in {self.term(names, 0)}"
        if kind == "truth": return self.term(names, depth)
        return f"not {self.term(names, 0)}"

    def policy(self):
        r = self.r
        rules = []
        for i in range(r.randint(1, 4)):
            body, names = [], []
            for _ in range(r.randint(1, 4)):
                if r.random() < 0.4:
                    v = f"v{len(names)}"
                    body.append(r.choice([f"some {v} in {self.term(names, 0)}", f"{v} := {self.term(names)}", f"some {v}, _ in {self.term(names, 0)}"]))
                    names.append(v)
                else:
                    body.append(self.condition(names))
            head = r.choice([f"p{i} := {self.term(names)}", f"p{i} contains {self.term(names, 1)}", f"p{i}"])
            rules.append(head + " if {\n\t" + "\n\t".join(body) + "\n}")
            if r.random() < 0.2 and ":=" in head: rules.append(f"default p{i} := {r.choice(['false', '0', '[]'])}")
        text = "package t\n\n" + "\n\n".join(rules) + "\n"
        # A comprehension is closed as it was opened.
        out, open_ = [], []
        for piece in text.split("CLOSE"):
            out.append(piece)
        return close(text)


def close(text):
    out, stack = [], []
    i = 0
    while i < len(text):
        if text.startswith("CLOSE", i):
            out.append("]" if stack and stack.pop() == "[" else "}")
            i += 5
            continue
        c = text[i]
        if c in "[{": stack.append(c)
        elif c in "]}" and stack: stack.pop()
        out.append(c)
        i += 1
    return "".join(out)


def compare(wheel, n, seed=1):
    cases = []
    for i in range(n):
        maker = Maker(seed * 1_000_003 + i)
        cases.append({"modules": {"t.rego": maker.policy()}, "query": "data.t", "input": maker.document(4)})
    lines = "".join(json.dumps(c) + "\n" for c in cases)
    ours = subprocess.run([EVALUATE, "compare"], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    both = answered = differ = stricter = typed = 0
    for case, line in zip(cases, ours):
        mine = json.loads(line)
        try:
            made = engine(wheel, case["modules"])
            said = json.loads(ask(made, "data.t", json.dumps(case["input"]).encode()))
            made.close()
        except Exception as e:
            said = {"error": str(e)}
        theirs = said["result"][0]["expressions"][0]["value"] if said.get("result") else None
        if "rego_type_error" in json.dumps(said.get("error")):
            # OPA checks kinds before it evaluates; here a call on the wrong kind is undefined, or an error in a gate.
            typed += 1
            continue
        if said.get("error") or "error" in mine:
            if bool(said.get("error")) == ("error" in mine): both += 1
            # The library ends in an error where OPA's own default, and ours here, is undefined.
            elif "eval_type_error" in json.dumps(said): typed += 1
            elif said.get("error"): differ += 1; show(case, mine, said)
            # An error of ours where OPA answers is told, and is no wrong answer.
            else: stricter += 1
            continue
        if normal(mine.get("value")) == normal(theirs): answered += 1
        else: differ += 1; show(case, mine, said)
    print(f"{n} policies: {answered} with the same answer, {both} errors of both, {stricter} that only we refuse, "
          f"{typed} that OPA refuses for the kinds of their values, {differ} different")
    sys.exit(1 if differ else 0)


def normal(value):
    """Sets come as lists of an order of their own."""
    if isinstance(value, list): return sorted((normal(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if isinstance(value, dict): return {k: normal(v) for k, v in value.items()}
    return value


def show(case, mine, theirs):
    print("---\n" + case["modules"]["t.rego"], "input", json.dumps(case["input"]), "\nours", json.dumps(mine)[:300], "\nOPA ", json.dumps(theirs)[:300], sep="")


if __name__ == "__main__":
    wheel, verb, *rest = sys.argv[1:]
    if verb == "time": measure(wheel)
    elif verb == "opa": opa_side(wheel, *rest[:3], int(rest[3]))
    elif verb == "compare": compare(wheel, int(rest[0]), *map(int, rest[1:]))
    else: sys.exit(__doc__)
