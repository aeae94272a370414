"""The version after the one that is tested, as it might be: made from a copy of the sources, built beside it.

It has another number, speaks a younger message plane, and has a field more in every message and in every row: what it says carries
that field (MARK), it notes which messages of others have it, and it keeps count in the rows of calls. Nothing of this is in
the sources themselves. Where one of the places below has moved, the edit fails and says which.
"""
import os
import re

from harness import BUILD, TOP, WORKERS, run

FOLDERS = ("common", "proto", "call-actor", "sip-edge", "orchestrator", "publisher", "supervisor")
NUMBER = 1000  # of the field that is added
MARK = b"\xc0\x3e\x07"  # that field with the value 7, as protobuf writes it
VERSION = "9.9.9"


def once(text, old, new):
    assert text.count(old) == 1, f"not there once: {old!r}"
    return text.replace(old, new)


def fields(text):
    """The field more, in every message but inside enums."""
    text, cnt = re.subn(r"^message (\w+) \{", rf"message \1 {{ uint32 next_mark = {NUMBER};", text, flags=re.M)
    assert cnt > 10
    return text


def plane_h(text):
    return re.sub(r"#define PLANE_VERSION (\d+)u", lambda m: f"#define PLANE_VERSION {int(m[1]) + 1}u", text)


def plane_c(text):
    mark = "".join(f"\\x{b:02x}" for b in MARK)
    text = once(text, "    size_t n = protobuf_c_message_get_packed_size(body);\n",
                "    size_t n = protobuf_c_message_get_packed_size(body) + 3;\n")
    text = once(text, "    buf_commit(batch, PLANE_RECORD_HEAD + n);\n",
                f'    memcpy(h + PLANE_RECORD_HEAD + n - 3, "{mark}", 3);\n    buf_commit(batch, PLANE_RECORD_HEAD + n);\n')
    return once(text, "    *why = plane_check(rec->type, m);\n",
                f"""    static bool told[1 << 16];
    if (!told[rec->type] && rec->body.len > 2 && memcmp(rec->body.p + rec->body.len - 3, "{mark}", 3) == 0) {{
        told[rec->type] = true;
        log_ev(LOG_INFO, "next: marked", log_z("type", plane_name(rec->type)));
    }}
    *why = plane_check(rec->type, m);
""").replace('#include "proto/plane.h"\n', '#include "proto/plane.h"\n#include "common/base/log.h"\n', 1)


def turn_c(text):
    return once(text, "    size_t n = store__call_row__get_packed_size(row);\n",
                """    e->call->row->next_mark++;
    if (e->call->row->a != NULL)
        e->call->row->a->next_mark = 7;
    size_t n = store__call_row__get_packed_size(row);
""")


def recover_c(text):
    return once(text, "    struct call *c = row != NULL ? call_from_row(",
                """    if (row != NULL)
        log_ev(LOG_INFO, "next: row", log_z("of", row->trace_id), log_n("mark", row->next_mark),
               log_n("dialog", row->a != NULL ? row->a->next_mark : 0));
    struct call *c = row != NULL ? call_from_row(""")


EDITS = {
    "VERSION": lambda text: VERSION + "\n", "proto/plane.proto": fields, "proto/store.proto": fields,
    "proto/plane.h": plane_h, "proto/plane.c": plane_c, "call-actor/turn.c": turn_c, "call-actor/recover.c": recover_c,
}


def sources():
    yield from ("Makefile", "VERSION")
    for folder in FOLDERS:
        for where, _, names in os.walk(os.path.join(TOP, folder)):
            yield from (os.path.relpath(os.path.join(where, n), TOP) for n in names if not n.endswith(".md"))


def build():
    """The folder with its programs. What is as it was is not written again, so that make has little to do."""
    top = os.path.join(BUILD, "next")
    for path in sources():
        with open(os.path.join(TOP, path), "rb") as f:
            data = f.read()
        if path in EDITS:
            data = EDITS[path](data.decode()).encode()
        to = os.path.join(top, path)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if not os.path.exists(to) or open(to, "rb").read() != data:
            with open(to, "wb") as f:
                f.write(data)
    made = run("make", "-s", "-j2", "-C", top, "OPT=-O1", "BUILD=build", *(f"build/bin/{w}" for w in WORKERS), timeout=600,
               env={k: v for k, v in os.environ.items() if k not in ("BUILD", "SAN", "MAKEFLAGS", "MAKELEVEL")})
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    return os.path.join(top, "build/bin")


if __name__ == "__main__":
    print(build())
