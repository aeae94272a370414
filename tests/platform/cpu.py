"""What one RPC costs local-platform: CPU microseconds of the whole server process, from its own status line."""

import threading
import time

from under_test import ALLOCATE, DEADLINE_S, FIND, RELEASE, RESOLVE, dialplan, media, user

IN_FLIGHT = 50
TOTAL = 20000


class Window:
    """Keeps IN_FLIGHT rounds going; a round is one RPC or several after one another."""

    def __init__(self):
        self.slots = threading.Semaphore(IN_FLIGHT)
        self.failed = 0

    def run(self, rounds, start_round):
        for _ in range(rounds):
            self.slots.acquire()
            start_round(self)
        for _ in range(IN_FLIGHT):
            self.slots.acquire()

    def done(self, future):
        self.failed += future.code().value[0] != 0
        self.slots.release()


def measured(p, what, rpcs_per_round, start_round):
    window = Window()
    before, start = p.status()["cpu_us"], time.monotonic()
    window.run(TOTAL // rpcs_per_round, start_round)
    took, used = time.monotonic() - start, p.status()["cpu_us"] - before
    print("cpu: %-28s %5.1f us per RPC (%d in flight, %.0f RPC/s, %d failed)" %
          (what, used / TOTAL, IN_FLIGHT, TOTAL / took, window.failed))


def measure(p):
    find, resolve = p.channel.unary_unary(FIND), p.channel.unary_unary(RESOLVE)
    allocate, release = p.channel.unary_unary(ALLOCATE), p.channel.unary_unary(RELEASE)
    who = user.FindUserByContactRequest(contact_type="phone", contact_value="905550000001").SerializeToString()
    where = dialplan["new"].ResolveDialplanRequest(caller_contact_value="905550000001",
                                                   destination_number="902121234567").SerializeToString()

    def one(call, body):
        return lambda w: call.future(body, timeout=DEADLINE_S).add_done_callback(w.done)

    def pair(w):
        def give_back(future):
            if future.code().value[0] != 0:
                w.done(future)
                return
            port = media.AllocatePortResponse.FromString(future.result()).rtp_port
            body = media.ReleasePortRequest(rtp_port=port).SerializeToString()
            release.future(body, timeout=DEADLINE_S).add_done_callback(w.done)

        body = media.AllocatePortRequest(call_id="measured").SerializeToString()
        allocate.future(body, timeout=DEADLINE_S).add_done_callback(give_back)

    measured(p, "FindUserByContact", 1, one(find, who))
    measured(p, "ResolveDialplan", 1, one(resolve, where))
    measured(p, "AllocatePort + ReleasePort", 2, pair)
