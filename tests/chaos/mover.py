"""The operator who has calls transferred: over the control socket, under a key, and again until somebody has answered."""
import json
import os
import queue
import socket
import threading
import time
import zlib

ASKED_S = 5
TRIES_S = 30


class Mover(threading.Thread):
    def __init__(self, runtime, targets):
        super().__init__(daemon=True)
        self.path, self.targets = os.path.join(runtime, "control.sock"), targets
        self.todo, self.refused, self.moved = queue.SimpleQueue(), [], 0
        self.start()

    def ask(self, call_id):
        target = self.targets[zlib.crc32(call_id.encode()) % len(self.targets)]  # the same when it is asked again
        request = {"cmd": "transfer", "id": call_id, "uri": target, "key": "chaos-" + call_id}
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(ASKED_S)
            s.connect(self.path)
            s.sendall(json.dumps(request).encode() + b"\n")
            with s.makefile("rb") as f:
                return json.loads(f.readline() or b"null")

    def move(self, call_id):
        """An answer that did not come is asked for again; so is one that says that a worker was not there."""
        deadline, reply = time.monotonic() + TRIES_S, None
        while time.monotonic() < deadline:
            try:
                reply = self.ask(call_id)
            except (OSError, ValueError):
                reply = None
            if reply and "error" not in reply:
                self.moved += 1
                return
            time.sleep(0.2)
        self.refused.append((call_id, reply))

    def run(self):
        while (call_id := self.todo.get()) is not None:
            self.move(call_id)

    def finish(self):
        self.todo.put(None)
        self.join(2 * TRIES_S)
