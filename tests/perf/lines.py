#!/usr/bin/env python3
"""Recall and precision over lines, on labelled files that somebody else made.

    countersign scan DIR --format json > out.json
    tests/perf/lines.py out.json labels.csv

labels.csv: `path,line,label` with the label `secret`, `not` or `doubtful`; paths are below DIR. Lines without a label are
`not`. A finding within one line of a `secret` counts for it; doubtful lines count for nothing.
"""
import collections
import csv
import json
import sys

report, labels = sys.argv[1:3]
known = collections.defaultdict(dict)
for row in csv.reader(open(labels)):
    if len(row) == 3 and row[1].isdigit():
        known[row[0]].setdefault(int(row[1]), row[2])
found = collections.defaultdict(set)
for finding in json.load(open(report))["findings"]:
    found[finding["path"]].add(finding["line"])

totals = collections.defaultdict(collections.Counter)
for path, lines in known.items():
    secret = {n for n, label in lines.items() if label == "secret"}
    near = {n + d for n in secret for d in (-1, 0, 1)}
    hit = {n for n in secret if {n - 1, n, n + 1} & found[path]}
    wrong = {n for n in found[path] if n not in near and lines.get(n) != "doubtful"}
    for group in (path.split("/")[0], "all"):
        totals[group].update(tp=len(hit), fn=len(secret - hit), fp=len(wrong))
for group in sorted(totals, key=lambda g: (g == "all", g)):
    tp, fn, fp = (totals[group][k] for k in ("tp", "fn", "fp"))
    recall, precision = tp / max(1, tp + fn), tp / max(1, tp + fp)
    f1 = 2 * recall * precision / max(1e-9, recall + precision)
    print(f"{group:24} recall {recall:.2f} ({tp} of {tp + fn})  precision {precision:.2f} ({fp} wrong)  F1 {f1:.2f}")
