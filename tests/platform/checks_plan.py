"""user-service and dialplan-service. Each check takes a Platform."""

import hashlib
import random

from under_test import CREDENTIALS, FIND, RESOLVE, dialplan, user

NIL_UUID = "00000000-0000-0000-0000-000000000000"


def user_by_phone_any_form(p):
    for number in ("+905550000001", "905550000001", "05550000001"):
        u = p.find("phone", number)
        assert (u.name, u.user_type, u.tenant_id, u.preferred_language_code) == ("Alice", "agent", "sentiric_demo", "tr")
    assert [c.contact_value for c in u.contacts] == ["+905550000001", "1001", "alice"]
    assert [c.is_primary for c in u.contacts] == [True, False, False]
    assert all(c.user_id == u.id for c in u.contacts)
    assert p.find("extension", "1002").name == "Bob"


def user_not_found(p):
    request = user.FindUserByContactRequest
    for kind, value in (("phone", "905551112233"), ("extension", "9999"), ("email", "1001"), ("", ""),
                        ("phone", "9" * 5000)):
        assert p.code(FIND, request(contact_type=kind, contact_value=value), user.FindUserByContactResponse) == "NOT_FOUND"


def sip_credentials(p):
    def get(name, realm):
        return p.call(CREDENTIALS, user.GetSipCredentialsRequest(sip_username=name, realm=realm),
                      user.GetSipCredentialsResponse)

    want = hashlib.md5(b"alice:sentiric_demo:alice-secret").hexdigest()
    got = get("alice", "sentiric_demo")
    assert got.ha1_hash == want and got.tenant_id == "sentiric_demo" and got.user_id == p.find("sip", "alice").id
    assert get("dora", "sentiric_demo").ha1_hash == "00112233445566778899aabbccddeeff"  # as written in the file
    assert get("alice", "another").ha1_hash == want  # the realm is not used for the lookup
    assert p.code(CREDENTIALS, user.GetSipCredentialsRequest(sip_username="mallory"),
                  user.GetSipCredentialsResponse) == "NOT_FOUND"


def plan_both_shapes(p):
    for shape in ("old", "new"):
        p.reload(dialplan_action=shape)
        r = p.resolve("905550000001", "902121234567", shape)
        assert (r.dialplan_id, r.tenant_id, r.action.action) == ("DP_DEMO_AI", "sentiric_demo", "START_AI_CONVERSATION")
        data = r.action.action_data.data if shape == "old" else r.action.action_data
        assert data["welcome_announcement_id"] == "ANNOUNCE_SYSTEM_WELCOME" and data["language"] == "tr"
        if shape == "new":
            assert r.action.type == 1
    assert p.resolve("1001", "902121230001").action.type == 3
    assert p.resolve("1001", "902121230002").action.type == 4
    assert p.resolve("1001", "902121230003").action.action_data["target"] == "sip:bob@sentiric_demo"
    assert p.resolve("1001", "902121230009").action.type == 0  # ENQUEUE_CALL is not in the server's mapping


def plan_known_caller(p):
    r = p.resolve('"A" <sip:+905550000001@192.0.2.1>;tag=x', "sip:02121234567@192.0.2.1")
    assert r.matched_user.name == "Alice" and r.matched_contact.contact_value == "+905550000001"
    assert r.inbound_route.phone_number == "902121234567" and r.inbound_route.default_language_code == "tr"
    assert r.inbound_route.failsafe_dialplan_id == "DP_SYSTEM_FAILSAFE"
    r = p.resolve("1002", "2121234567")
    assert r.matched_user.name == "Bob" and r.matched_contact.contact_type == "extension"


def plan_unknown_caller(p):
    number = "90555%07d" % random.randrange(10**7)
    r = p.resolve(number, "902121234567")
    assert r.dialplan_id == "DP_DEMO_AI"
    assert (r.matched_user.name, r.matched_user.user_type) == ("Guest_" + number, "guest")
    assert r.matched_contact.contact_value == "+" + number
    assert p.find("phone", number).id == r.matched_user.id == p.resolve(number, "902121234567").matched_user.id
    assert p.resolve("sip:someone@192.0.2.1", "902121234567").matched_user.id == NIL_UUID


def plan_unknown_number(p):
    r = p.resolve("905550000001", "05329999999")
    assert (r.dialplan_id, r.inbound_route.phone_number, r.inbound_route.tenant_id) == \
        ("DP_SYSTEM_AI_GUEST", "905329999999", "system")
    assert r.inbound_route.default_language_code == "tr" and not r.HasField("matched_user")
    assert p.resolve("", "").dialplan_id == "DP_SYSTEM_AI_GUEST"


def plan_of_route_state(p):
    r = p.resolve("905550000001", "902121230007")
    assert r.dialplan_id == "DP_DEMO_MAINTENANCE" and not r.HasField("matched_user")
    assert r.inbound_route.is_maintenance_mode
    assert p.resolve("905550000001", "902121230008").dialplan_id == "DP_DEMO_CLOSED"
    r = p.resolve("905550000001", "902121230010")
    assert r.dialplan_id == "DP_SYSTEM_AI_GUEST" and r.matched_user.name == "Alice"


def plan_blocks_anonymous(p):
    for caller in ("", "anonymous", "sip:anonymous@anonymous.invalid"):
        request = dialplan["new"].ResolveDialplanRequest(caller_contact_value=caller, destination_number="902121230006")
        assert p.code(RESOLVE, request, dialplan["new"].ResolveDialplanResponse) == "PERMISSION_DENIED"
    assert p.resolve("905550000001", "902121230006").dialplan_id == "DP_DEMO_AI"
    assert p.resolve("anonymous", "902121234567").matched_user.id == NIL_UUID


def plan_hard_coded(p):
    plans = p.config["plans"]
    p.reload(plans=[])
    r = p.resolve("905550000001", "902121234567")
    p.reload(plans=plans)
    assert (r.dialplan_id, r.tenant_id, r.action.type) == ("HARDCODED_FAILSAFE", "system", 4)
    assert dict(r.action.action_data) == {"announcement_id": "ANNOUNCE_SYSTEM_ERROR", "record": "true"}
