"""Directories of worker programs for upgrades: copies of the ones that are tested, and ones that go wrong."""
import os
import shutil
import sys

from harness import WORKERS, binary

# Each says of itself what the real one says: only whoever starts it finds out.
HONEST = """#!/bin/sh
case "$*" in *--version*) exec {real} "$@";; esac
{then}
"""

EXITS = "exit 3"
HANGS = "exec sleep 1000"

# Says Hello as a worker of another age, and then nothing.
ALIEN = """#!{python} -I
import os, socket, struct, sys, time
if "--version" in sys.argv:
    os.execv({real!r}, [{real!r}, "--version"])
fd = int(sys.argv[sys.argv.index("--conf-fd") + 1])
text = os.read(fd, 1 << 20).decode(errors="replace")
settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
run = settings["SIP_SIGNALING_SERVICE_RUNTIME_DIR"].strip('"')
def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
hello = (b"\\x08" + varint({proc}) + b"\\x19" + os.urandom(8) + b"\\x28" + varint(9) + b"\\x30" + varint(os.getpid())
         + b"\\x40" + varint(9))
batch = struct.pack("<HHHHI", 0x5350, 9, 1, 0, len(hello)) + hello
s = socket.socket(socket.AF_UNIX)
s.connect(run + "/plane/sup-{name}0")
s.sendall(struct.pack(">I", len(batch)) + batch)
time.sleep(1000)
"""

PROC = {"sip-edge": 2, "call-actor": 3, "orchestrator": 4, "publisher": 5}  # plane.proto


def programs(directory, of=None, **bad):
    """A directory with all workers, copied from the directory `of`, or from the one that is tested.

    bad: what stands in a worker's place (sip_edge=EXITS), or the directory it is taken from
    """
    os.makedirs(directory, mode=0o755)
    for name in WORKERS:
        real = os.path.join(of, name) if of else binary(name)
        path = os.path.join(directory, name)
        instead = bad.get(name.replace("-", "_"))
        if instead is None or os.path.isdir(instead):
            shutil.copy(os.path.join(instead or "", name) if instead else real, path)
        else:
            text = instead if instead == ALIEN else HONEST
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.format(real=real, then=instead, python=sys.executable, name=name, proc=PROC[name]))
        os.chmod(path, 0o755)
    return directory
