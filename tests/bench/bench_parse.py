#!/usr/bin/env python3
"""What the grammar costs, beside the parsers of two packaged libraries: the table of README.md here.

usage: bench_parse.py BENCH_PARSE [--json FILE]

Nanoseconds and allocations come from the program itself; instructions from callgrind, as the difference between many and few
repeats. Fails when another parser is faster, or a step of ours allocates.
"""
import argparse
import json
import re
import shutil
import subprocess
import sys

FEW, MANY = 100, 1100


def instructions(program, step):
    """Instructions of one repeat, or None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    counts = []
    for repeats in (FEW, MANY):
        ran = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--run", step,
                              str(repeats)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        counts.append(int(re.search(r"Collected : (\d+)", ran.stderr).group(1)))
    return (counts[1] - counts[0]) / (MANY - FEW)


def measure(program):
    out = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = []
    for line in out[1:]:
        step, group, parser, ns, allocations = line.split("\t")
        rows.append({"step": step, "group": group, "parser": parser, "ns": float(ns), "allocations": float(allocations),
                     "instructions": instructions(program, step)})
    return out[0], rows


def show(title, rows):
    print(title + "\n")
    print("| step | parser | ns | instructions | allocations |\n|---|---|---:|---:|---:|")
    for r in rows:
        count = "-" if r["instructions"] is None else f"{r['instructions']:,.0f}"
        print(f"| {r['group']} | {r['parser']} | {r['ns']:,.0f} | {count} | {r['allocations']:g} |")


def faults(rows):
    ours = {r["group"]: r for r in rows if r["parser"] == "common/sip"}
    for r in rows:
        mine = ours[r["group"]]
        if r is mine and r["allocations"] > 0:
            yield f"{r['group']}: {r['allocations']} allocations"
        elif r is not mine and r["ns"] <= mine["ns"]:
            yield f"{r['group']}: {r['parser']} is faster"


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("program")
    args.add_argument("--json", metavar="FILE", help="write the rows there as well")
    a = args.parse_args()
    title, rows = measure(a.program)
    show(title, rows)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
    found = list(faults(rows))
    for fault in found:
        print(f"bench_parse: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
