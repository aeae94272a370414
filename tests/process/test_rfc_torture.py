"""RFC 4475 and RFC 5118 against the whole service: every message of tests/torture, and what is answered to it. V=1 prints
the table: message, expected, got."""
import glob
import os
import unittest

import harness
from raw import RawTest, header, status, token, values
from ua import parse

FOLDER = os.path.join(harness.TOP, "tests/torture")
NOT_TAKEN = (400, 413, 414, 416, 500, 501, 505, 513)  # what says that a message is not understood
SILENCE_S = 0.1


def expected():
    with open(os.path.join(FOLDER, "answers.txt"), encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {row[0]: (row[1], "2543" in row[2:]) for row in rows}


class TestTorture(RawTest):
    def through_us(self, data, is_2543):
        """The message as if we had forwarded it: our Via comes first, so that the answer comes to us."""
        line, _, rest = data.partition(b"\r\n")
        branch = "" if is_2543 else f";branch=z9hG4bK{token()}"
        via = f"Via: SIP/2.0/UDP 127.0.0.1:{self.ua.port}{branch};rport"
        return line + b"\r\n" + via.encode() + b"\r\n" + rest, via

    def answer_to(self, data, is_2543):
        """The status of the final answer, 'silence' when none comes; a call is ended again."""
        self.ua.unread = []
        sent, via = self.through_us(data, is_2543)
        self.ua.send(sent)
        deadline = 5 if data.startswith(b"INVITE ") else SILENCE_S
        while (m := self.ua.receive(deadline * harness.SLOW)) is not None and status(m) < 200:
            pass
        if m is None:
            return "silence"
        self.assertTrue(values(m, "Via")[0].startswith(via[5:40]), m)
        if (header(m, "CSeq") or "").endswith("INVITE"):
            self.end(m, data, via)
        return str(status(m))

    def end(self, answer, data, via):
        """ACK, and BYE when there is a call."""
        invite = parse(data, None)
        uri = invite.first.split()[1]
        ends = [("ACK", via)] + ([("BYE", self.raw().headers["Via"])] if status(answer) == 200 else [])
        for i, (method, branch) in enumerate(ends):
            number = int(header(answer, "CSeq").split()[0]) + i
            to = [f"{n}: {header(answer, n)}" for n in ("From", "To", "Call-ID") if header(answer, n)]
            self.ua.send("\r\n".join([f"{method} {uri} SIP/2.0", branch if ":" in branch[:5] else f"Via: {branch}", *to,
                                      f"CSeq: {number} {method}", "Content-Length: 0", "", ""]))
        if status(answer) == 200:
            self.ua.expect("200 to BYE", 5, lambda m: status(m) == 200 and header(m, "CSeq").endswith("BYE"))

    def test_every_message_has_its_answer(self):
        table = expected()
        names = sorted(os.path.basename(p)[:-4] for p in glob.glob(os.path.join(FOLDER, "*.sip")))
        self.assertEqual(names, sorted(table))
        for name in names:
            want, is_2543 = table[name]
            with open(os.path.join(FOLDER, name + ".sip"), "rb") as f:
                got = self.answer_to(f.read(), is_2543)
            if os.environ.get("V"):
                print(f"{name:32} {want:10} {got}")
            with self.subTest(message=name):
                if want == "taken":
                    self.assertNotIn(got, [str(s) for s in NOT_TAKEN] + ["silence"])
                else:
                    self.assertIn(got, want.split("|"))


if __name__ == "__main__":
    unittest.main()
