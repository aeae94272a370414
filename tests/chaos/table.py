"""The figures of one run, as docs/chaos.md has them."""
import collections

from books import percentile


def show(args, r):
    for name, value in rows(args, r):
        print(f"  {name:<50} {value}")
    for line in recovery(r["recovery"], r.get("undisturbed", {})):
        print("  " + line)
    disturbances = collections.Counter(f"{d.kind} {'+'.join(sorted(d.victims))}" for d in r["book"])
    print("  disturbances: " + ", ".join(f"{n} x {name}" for name, n in sorted(disturbances.items())), flush=True)


def rows(args, r):
    load, wire = r["load"], r["wire"]
    kinds = collections.Counter()
    for counts in load["kinds"].values():
        kinds.update(counts)
    yield "calls", f"{load['calls']} in {r['seconds']:.0f} s ({kinds['well']} went well, {kinds['cancelled']} cancelled)"
    yield "failed", f"{len(r['lost'])}" + (f" (and {r['refused']} refused while what they need was away)" if r["refused"] else "")
    if r.get("sipp"):
        yield "SIPp: calls, failed, its retransmissions", f"{r['sipp'].ok}, {r['sipp'].failed}, {r['sipp'].stats.get('Retransmissions(C)', '?')}"
    repeats = load["repeated"]
    yield "requests said 0, 1, 2, 3 and more times again", f"{repeats[0]}, {repeats[1]}, {repeats[2]}, {sum(repeats[3:])}; unanswered {load['unanswered']}"
    lines = load["connections"]
    yield "connections of ours, of them lost; of the service", f"{lines['made']}, {lines['lost']}; {lines['accepted']}"
    yield "calls told of their end when they came back", load["told_late"]
    yield "INVITEs that overtook a lost ACK (491), asked again", load["crossed"]
    yield "INVITE to 200, p50 and p99", f"{load['answer_p50_ms']:.1f} and {load['answer_p99_ms']:.1f} ms"
    if "ports" in r:
        p = r["ports"]
        yield "ports taken, given back, of these said again", f"{p['allocated']}, {p['released']}, {p['released_unknown']}"
        yield "ports out 2 s after the last call, in the end", f"{r['ports_late']}, {len(r['ports_left'])}"
    if "events" in r:
        e = r["events"]
        yield "events missing, doubled, out of order", f"{e['missing'] + e['keys'] + e['unknown']}, {e['double']}, {e['disorder']}"
        yield "deliveries, of them repeats (same message-id)", f"{r['deliveries']}, {r['doubles']}"
    if wire:
        yield "wire: finals that differ, late 1xx, unasked, CSeq", f"{wire['differs']}, {wire['late']}, {wire['unasked']}, {wire['cseq']}"
        yield "wire: packets (lost by dumpcap); finals said again", f"{wire['packets']} ({wire['dropped']}); {wire['finals_again']}"
    yield "bindings before, lost; REGISTERs, failed", f"{r.get('bindings', r['first']['ok'])}, {r['lost_bindings']}; {r['phones']['ok']}, {r['phones']['failed']}"


def spread(ms):
    return f"{len(ms):>6} {percentile(ms, 0.5):>6.0f} {percentile(ms, 0.99):>6.0f} {max(ms):>6.0f}" if ms else ""


def recovery(found, undisturbed):
    """undisturbed: the same when nobody died, where that was measured"""
    if not found:
        return
    yield f"{'longest gap at a kill, ms':<24} {'kills':>6} {'p50':>6} {'p99':>6} {'most':>6} | when nobody died, {'p50':>6} {'p99':>6} {'most':>6}"
    for name, ms in sorted(found.items()):
        yield f"  {name:<22} {spread(ms)} |           {spread(undisturbed.get(name))}"
