#!/usr/bin/python3
"""Orders to kill points (common/rt/killpoint.h): the file that every process of a service maps.

usage: killpoints.py FILE show
       killpoints.py FILE clear
       killpoints.py FILE PROGRAM POINT die|hang|slow [nth=N] [times=N] [ms=N]
The service is one of `make kill`, started with KILL_POINTS=FILE; `PROGRAM --kill-points` lists the points.
"""
import mmap
import os
import struct
import sys
import time

ORDER = struct.Struct("=40s40sIIIIIIQ")  # struct killpoint_order
SLOTS = 16  # KILLPOINT_ORDERS_MAX
HOWS = ("off", "die", "hang", "slow")
HOW_AT = 80  # offset of how: written last


class Orders:
    def __init__(self, path):
        with open(path, "ab+") as f:
            f.truncate(SLOTS * ORDER.size)
            self.map = mmap.mmap(f.fileno(), SLOTS * ORDER.size)

    def read(self, slot):
        """(program, point, how, nth, times, ms, passed, done, when) of a slot."""
        program, point, how, *rest = ORDER.unpack_from(self.map, slot * ORDER.size)
        return program.rstrip(b"\0").decode(), point.rstrip(b"\0").decode(), HOWS[how], *rest

    def give(self, program, point, how, nth=1, times=1, ms=0):
        """An order in a free place; returns its slot."""
        slot = next(s for s in range(SLOTS) if self.read(s)[2] == "off")
        ORDER.pack_into(self.map, slot * ORDER.size, program.encode(), point.encode(), 0, nth, times, ms, 0, 0, 0)
        struct.pack_into("=I", self.map, slot * ORDER.size + HOW_AT, HOWS.index(how))
        return slot

    def take_back(self, slot):
        struct.pack_into("=I", self.map, slot * ORDER.size + HOW_AT, 0)

    def clear(self):
        for slot in range(SLOTS):
            self.take_back(slot)

    def done(self, slot):
        """How many times it was carried out."""
        return self.read(slot)[7]

    def show(self):
        for slot in range(SLOTS):
            program, point, how, nth, times, ms, passed, done, when = self.read(slot)
            if how != "off":
                at = time.strftime(", last at %H:%M:%S", time.localtime(when / 1000)) if done else ""
                print(f"{program} {point} {how} nth={nth} times={times} ms={ms}: passed {passed}, carried out {done}{at}")


def main(argv):
    if len(argv) < 2 or (argv[1] not in ("show", "clear") and (len(argv) < 4 or argv[3] not in HOWS[1:])):
        print(__doc__, file=sys.stderr)
        return 2
    orders = Orders(os.path.abspath(argv[0]))
    if argv[1] in ("show", "clear"):
        getattr(orders, argv[1])()
    else:
        orders.give(*argv[1:4], **{k: int(v) for k, v in (a.split("=") for a in argv[4:])})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
