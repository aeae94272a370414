"""Many phones at once: tests/bench/reg_load.c, beside a test."""
import json
import os
import subprocess

import harness


class Load:
    def __init__(self, argv):
        self.process = subprocess.Popen([*harness.WITH_US, *argv], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        harness.stop_process(self.process, 1)
        self.process.stdout.close()

    def finish(self, seconds):
        """What it counted."""
        out, _ = self.process.communicate(timeout=seconds * harness.SLOW)
        return json.loads(out)


def start(port, users, count, rate, query=False, prefix="u"):
    """`count` registrations of users PREFIX0... in turn; query: each asks for its bindings and changes nothing."""
    harness.make("{}/bin/reg_load")
    return Load([harness.binary("reg_load"), "--port", str(port), "--users", str(users), "--count", str(count), "--rate", str(rate),
                 "--prefix", prefix, "--run", f"r{os.urandom(3).hex()}", *(["--query"] if query else [])])
