#!/usr/bin/env python3
"""Lines of our sources that the unit tests run, per folder and per file below 95 %. usage: scripts/cover.py BUILD/cover"""
import collections
import os
import re
import subprocess
import sys

FILE = re.compile(r"File '([^']+\.c)'\nLines executed:([\d.]+)% of (\d+)")
FLOOR = 95.0


def measured(build):
    """path -> (lines run, lines); a file in several programs counts once, for they link the same object."""
    found = {}
    for folder, _, names in os.walk(os.path.join(build, "obj")):
        data = [os.path.join(folder, n) for n in names if n.endswith(".gcda")]
        if not data:
            continue
        out = subprocess.run(["gcov", "-n", *data], capture_output=True, text=True, check=True).stdout
        for path, percent, lines in FILE.findall(out):
            if not path.startswith(("/", "tests/", "build")):
                found[path] = (round(float(percent) * int(lines) / 100), int(lines))
    return found


def main():
    found = measured(sys.argv[1])
    folders = collections.defaultdict(lambda: [0, 0])
    for path, (run, lines) in sorted(found.items()):
        total = folders[os.path.dirname(path)]
        total[0] += run
        total[1] += lines
        if 100 * run < FLOOR * lines:
            print(f"{path:40} {100 * run / lines:6.1f} %  {lines - run} of {lines} lines not run")
    print()
    for folder, (run, lines) in sorted(folders.items()):
        print(f"{folder:40} {100 * run / lines:6.1f} %  of {lines} lines")
    return 0 if found else 1


sys.exit(main())
