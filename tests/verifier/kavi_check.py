"""An independent verifier of Kavi's proof files and bundles: the standard library, and RFC 8032 by hand.

usage: kavi_check.py FILE            prints VALID or NOT VALID, exit code 0 or 1
       kavi_check.py --flips FILE    one character for each byte: 1 when the file with that byte's lowest bit flipped is valid
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


class Invalid(Exception):
    pass


def need(holds, why):
    if not holds:
        raise Invalid(why)


# Points of edwards25519 as (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.
def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(number, point):
    result = (0, 1, 1, 0)
    while number > 0:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def decompress(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    need(y < P, "a point is not canonical")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    need((x * x - x2) % P == 0 and not (x == 0 and sign), "a point is not on the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verify(public, message, signature):
    need(len(signature) == 64, "a signature has another length")
    scalar = int.from_bytes(signature[32:], "little")
    need(scalar < L, "a signature is not canonical")
    key, commitment = decompress(public), decompress(signature[:32])
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    one, other = times(scalar, BASE), add(commitment, times(digest, key))
    same = (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0
    need(same, "the signature does not fit")


def decode(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Invalid("not base64") from error
    need(base64.b64encode(raw).decode() == text, "not canonical base64")
    return raw


def number(text):
    need(text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and int(text) < 2**64, "not a number")
    return int(text)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def included(leaf, index, size, path, root):
    need(index < size and len(path) <= 63, "the place is outside of the tree")
    last = size - 1
    for node in path:
        need(last != 0, "the path is too long")
        if index & 1 or index == last:
            leaf = sha256(b"\x01", node, leaf)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            leaf = sha256(b"\x01", leaf, node)
        index, last = index >> 1, last >> 1
    need(last == 0 and leaf == root, "the event is not in the tree")


def key_of(text):
    parts = text.split("+", 2)
    need(len(parts) == 3, "no key")
    name, raw = parts[0], decode(parts[2])
    need(name and len(name) <= 200 and all(33 <= ord(char) <= 126 for char in name), "no name of a key")
    need(len(raw) == 33 and raw[0] == 1, "no Ed25519 key")
    identity = sha256(name.encode(), b"\n", raw)[:4]
    need(parts[1] == identity.hex(), "the id is of another key")
    return name, identity, raw[1:]


def checkpoint_of(note, name, identity, public):
    need(not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in note if char != "\n"), "a control character")
    split = note.rfind("\n\n")
    need(split >= 0 and note.endswith("\n") and len(note) > split + 2, "no signatures")
    text, lines = note[: split + 1], note[split + 2 : -1].split("\n")
    need(len(lines) <= 100, "too many signatures")
    ours = []
    for line in lines:
        need(line.startswith("\u2014 ") and " " in line[2:], "no signature line")
        who, encoded = line[2:].split(" ", 1)
        raw = decode(encoded)
        need(who and "+" not in who and len(raw) > 4, "no signature line")
        if who == name and raw[:4] == identity:
            ours.append(raw[4:])
    need(ours, "not signed by the key")
    parts = text.split("\n")
    need(len(parts) == 4 and parts[3] == "" and parts[0] == name, "another history")
    size, root = number(parts[1]), decode(parts[2])
    need(len(root) == 32, "no root")
    return size, root, [(public, text.encode(), signature) for signature in ours]


# Approvals: SSH signatures over in-toto Statements, kept in the events that they are about.
NAMESPACES = {
    "promotion": "promotion@kavi",
    "rollback": "rollback@kavi",
    "standing-order": "standing-order@kavi",
    "effect-approved": "effect@kavi",
    "trust-policy": "policy@kavi",
    "signers": "signers@kavi",
    "adopted": "adoption@kavi",
    "resume": "resume@kavi",
    "undo": "undo@kavi",
    "charter": "charter@kavi",
    "policy": "policy-values@kavi",
    "capability": "capability@kavi",
}
REQUIRES = {
    "promotion": "promotion",
    "rollback": "rollback",
    "standing-order": "rollback",
    "effect-approved": "effects",
    "resume": "resume",
    "undo": "undo",
    "charter": "charter",
    "policy": "policy_values",
    "capability": "capability",
}
LEVELS = {"none": 0, "signed": 1, "confirm": 2, "touch": 3}


class Fields:
    def __init__(self, raw):
        self.raw = raw

    def take(self, count):
        need(len(self.raw) >= count, "a field is missing")
        taken, self.raw = self.raw[:count], self.raw[count:]
        return taken

    def string(self):
        return self.take(int.from_bytes(self.take(4), "big"))


def string(value):
    return len(value).to_bytes(4, "big") + value


def signature_of(armored):
    """The key, the namespace and the signature of an armored SSH signature, in its one form."""
    begin, end = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
    need(len(armored) <= 16 << 10 and armored.startswith(begin) and armored.endswith(end), "no SSH signature")
    encoded = armored[len(begin) : -len(end)].replace("\n", "")
    lines = "".join(encoded[at : at + 70] + "\n" for at in range(0, len(encoded), 70))
    need(armored == begin + lines + end, "the lines of the signature are broken elsewhere")
    fields = Fields(decode(encoded))
    need(fields.take(10) == b"SSHSIG\0\0\0\1", "no SSHSIG of version 1")
    key, namespace, reserved = fields.string(), fields.string(), fields.string()
    algorithm, signature = fields.string(), fields.string()
    need(namespace and not reserved and algorithm == b"sha512" and not fields.raw, "the fields of the signature")
    return key, namespace.decode(), signature


def presence(key, namespace, signature, message, signer, armored):
    """Checks a signature, and gives the flags of hardware: 1 for a touch."""
    signed = b"SSHSIG" + string(namespace.encode()) + string(b"") + string(b"sha512")
    signed += string(hashlib.sha512(message).digest())
    public, parts = Fields(key), Fields(signature)
    kind, made = public.string(), parts.string()
    if kind == b"ssh-ed25519":
        need(made == kind, "another kind of signature")
        verify(public.string(), signed, parts.string())
        need(not parts.raw and not public.raw, "something follows the signature")
        return 0
    if kind == b"sk-ssh-ed25519@openssh.com":
        point, application, body = public.string(), public.string(), parts.string()
        flags, counter = parts.take(1), parts.take(4)
        need(made == kind and not parts.raw and not public.raw, "another kind of signature")
        verify(point, sha256(application) + flags + counter + sha256(signed), body)
        return flags[0]
    # For the others OpenSSH itself is asked.
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        with open(path("signers"), "w", encoding="utf-8") as file:
            file.write("signer " + signer["key"] + "\n")
        with open(path("sig"), "w", encoding="utf-8") as file:
            file.write(armored)
        args = ["ssh-keygen", "-Y", "verify", "-f", path("signers"), "-I", "signer", "-n", namespace, "-s", path("sig")]
        done = subprocess.run(args, input=message, capture_output=True, check=False)
    need(done.returncode == 0, "the signature does not fit")
    return signature[-5] if kind.startswith(b"sk-") else 0


def bare(event):
    """An event without what only the ledger knows, and without its approval."""
    event = {name: value for name, value in event.items() if name not in ("decision", "state")}
    detail = event.get("detail")
    if isinstance(detail, dict):
        detail = {name: value for name, value in detail.items() if name != "approval"}
        if detail:
            event["detail"] = detail
        else:
            del event["detail"]
    return event


def subjects(event):
    rows = event.get("rows", {})
    promotion = next((rows[name][0] for name in sorted(rows) if name.startswith("promotions/")), None)
    if promotion is None:
        return None
    proposal = rows.get("skill_proposals/" + promotion["proposal_id"], [{}])[0]
    found = [("component", promotion.get("component_sha256")), ("specification", promotion.get("spec_sha256"))]
    found.append(("source", proposal.get("snapshot_sha256")))
    return [{"name": name, "digest": {"sha256": digest}} for name, digest in found if digest]


def approved(event, approval, signers, workspaces):
    """Checks an approval, and gives its level."""
    need(set(approval) == {"statement", "signature"}, "no approval")
    namespace, statement = NAMESPACES.get(event["kind"]), approval["statement"]
    key, found, signature = signature_of(approval["signature"])
    need(namespace is not None and found == namespace, "signed for something else")
    at, encoded = event["at"], base64.b64encode(key).decode()
    fits = lambda one: (
        one["key"].split(" ")[1] == encoded
        and one.get("valid_after", "") <= at
        and at < one.get("valid_before", "9")
        and namespace in (one.get("namespaces") or [namespace])
    )
    signer = next((one for one in signers if fits(one)), None)
    need(signer is not None, "the key is of no signer")
    flags = presence(key, namespace, signature, statement.encode(), signer, approval["signature"])
    said = json.loads(statement)
    predicate, named = said["predicate"], subjects(event)
    need(said["_type"] == "https://in-toto.io/Statement/v1", "another type of statement")
    need(said["predicateType"] == f"urn:kavi:{event['kind']}:v1" and predicate["event"] == bare(event), "another event")
    need(predicate["workspace"] in workspaces and predicate["expires"] >= at, "another workspace, or expired")
    need(named is None or said["subject"] == named, "another component")
    return 3 if flags & 1 else 2 if signer.get("confirms") else 1


def only_stops_agents(event):
    """Whether an event does nothing but stop all agents. That never needs a signature."""
    rows = list(event.get("rows", {}).values()) if event["kind"] == "policy" else []
    stops = lambda row: isinstance(row, dict) and row.get("key") == "disabled" and row.get("value_json") == "true"
    return bool(rows) and all(isinstance(of, list) and of and all(map(stops, of)) for of in rows)


def check_approvals(events, name):
    policy, workspaces = {"require": {}, "signers": []}, {re.sub("^kavi/", "", name)}
    for event in events:
        detail, kind = event.get("detail") or {}, event["kind"]
        workspaces |= {detail[key] for key in ("workspace", "was") if isinstance(detail.get(key), str)}
        changes = kind in ("trust-policy", "signers")
        new = detail["policy"] if changes else policy
        judge = policy if policy["signers"] else new
        required = LEVELS[judge["require"].get(REQUIRES.get(kind, "policy"), "none")] if kind in NAMESPACES else 0
        if kind in ("trust-policy", "signers", "adopted") and judge["signers"]:
            required = max(required, 1)
        if only_stops_agents(event):
            required = 0
        level = approved(event, detail["approval"], judge["signers"], workspaces) if "approval" in detail else 0
        need(level >= required, "not approved as it had to be")
        policy = new


# Statements: in-toto in DSSE envelopes, signed with the key of the workspace.
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"


def one_form(text):
    """Parses JSON that is in its one form: sorted, without spaces, each name once, integers only."""

    def unique(pairs):
        need(len({name for name, _ in pairs}) == len(pairs), "a name is there twice")
        return dict(pairs)

    def integer(digits):
        need(-(2**63) <= int(digits) < 2**64, "a number is too large")
        return int(digits)

    def other(digits):
        raise Invalid("a number is not an integer")

    value = json.loads(text, object_pairs_hook=unique, parse_int=integer, parse_float=other, parse_constant=other)
    need(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text, "not in its one form")
    need(depth(value) <= 32, "too deep")
    return value


def depth(value):
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


def payload_of(envelope, name, identity, public):
    need(len(envelope.encode()) <= 256 << 10, "the envelope is too long")
    form = one_form(envelope)
    need(set(form) == {"payload", "payloadType", "signatures"} and form["payloadType"] == PAYLOAD_TYPE, "no envelope")
    (signature,) = form["signatures"]
    need(set(signature) == {"keyid", "sig"} and signature["keyid"] == f"{name}+{identity.hex()}", "another key")
    payload = decode(form["payload"])
    encoding = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    verify(public, encoding, decode(signature["sig"]))
    return one_form(payload.decode("utf-8"))


def promoted_by(event):
    """Component, specification and source that a promotion, rollback or revocation names."""
    rows = event.get("rows", {})
    row = next((rows[name][0] for name in sorted(rows) if name.startswith("promotions/") and rows[name]), None)
    if row is None or not all(isinstance(row.get(key), str) for key in ("proposal_id", "component_sha256", "spec_sha256")):
        return None
    proposal = (rows.get("skill_proposals/" + row["proposal_id"]) or [{}])[0]
    return row["component_sha256"], row["spec_sha256"], proposal.get("snapshot_sha256") or ""


def check_claims(kind, said, promoted, earlier):
    component, specification, source = promoted
    need(said["_type"] == "https://in-toto.io/Statement/v1" and said["predicateType"] == kind, "another type")
    need(said["subject"] == [{"name": "component", "digest": {"sha256": component}}], "another component")
    predicate = said["predicate"]
    if kind == PROVENANCE:
        build = predicate["buildDefinition"]
        need(build["externalParameters"]["specification"]["digest"]["sha256"] == specification, "another specification")
        found = next((one for one in build["resolvedDependencies"] if one.get("name") == "source"), {})
        need(found["digest"]["sha256"] == source, "another source")
        builder = predicate["runDetails"]["builder"]["id"]
        need(isinstance(builder, str) and builder, "no builder")
    elif kind == TEST_RESULT:
        need(predicate["result"] == "PASSED", "not passed")
    else:
        need(predicate["inputAttestations"] == [{"digest": {"sha256": one}} for one in earlier], "other statements")
        need(predicate["verificationResult"] == "PASSED", "not passed")


def named_statements(events, blocks):
    """The statements of each event, as it names them. `events` are in the order of the file, `blocks` what it says of them."""
    named, blocks = [], list(blocks)
    for index, event in events:
        rows = event.get("rows", {}) if event["kind"] == "promotion" else {}
        of_event = []
        for row in next((rows[name] for name in sorted(rows) if name.startswith("statements/")), []):
            need(blocks and blocks[0][0] == index, "a statement is missing")
            envelope, kind = blocks.pop(0)[1], row["predicate_type"]
            digest = sha256(envelope.encode()).hex()
            need(digest == row["envelope"]["sha256"], "another statement")
            need(kind in (PROVENANCE, TEST_RESULT, SUMMARY), "an unknown type")
            need(all(kind != other for other, _, _ in of_event), "two statements of one type")
            of_event.append((kind, envelope, digest))
        named.append((index, event, of_event))
    need(not blocks, "a statement is of no event")
    return named


def check_statements(named, key):
    for index, event, of_event in named:
        keys = [one["detail"]["key"] for at, one, _ in sorted(named, key=lambda one: one[0])
                if at < index and one["kind"] in ("key", "adopted") and (one.get("detail") or {}).get("key")]
        signer, earlier = key_of(keys[-1]) if keys else key, []
        for kind, envelope, digest in of_event:
            check_claims(kind, payload_of(envelope, *signer), promoted_by(event), earlier)
            earlier.append(digest)


def source_of(block):
    lines, files = block.split("\n"), {}
    need(len(lines) % 2 == 0, "a file of the source has no bytes")
    for path, encoded in zip(lines[::2], lines[1::2]):
        parts = path.split("/")
        need(len(path.encode()) <= 200 and not any(part in ("", ".", "..") for part in parts), "a path")
        need(not any(char == "\\" or ord(char) < 32 or 127 <= ord(char) < 160 for char in path), "a path")
        need(not files or max(files, key=str.encode).encode() < path.encode(), "the files are not in order")
        files[path] = decode(encoded)
        need(len(files) <= 256 and sum(map(len, files.values())) <= 2 << 20, "the source is too large")
    need(not any(other.startswith(path + "/") for path in files for other in files), "a file is also a folder")
    manifest = "kavi-snapshot 1\n"
    for path, raw in sorted(files.items(), key=lambda one: one[0].encode()):
        manifest += f"{sha256(raw).hex()} {len(raw)} {path}\n"
    return sha256(manifest.encode()).hex()


def check_bundle(text):
    start = "kavi-bundle@v1\nspecification "
    need(text.startswith(start), "no bundle")
    specification, rest = text[len(start) :].split("\n", 1)
    need(rest.startswith("component ") and "\n\n" in rest, "no component")
    component, proof = rest[len("component ") :].split("\n\n", 1)
    specification, component = decode(specification), decode(component)
    need(len(specification) <= 1 << 20 and len(component) <= 16 << 20, "a part is too long")
    size, events, source = check_proof(proof)
    promoted = [promoted_by(event) for event in events if promoted_by(event)]
    need(source is not None and promoted, "no source or no promotion")
    need(promoted[-1][:2] == (sha256(component).hex(), sha256(specification).hex()), "another part")
    need(all(event["kind"] != "revocation" for event in events), "revoked")
    return size


def check(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("not text") from error
    if text.startswith("kavi-bundle@v1"):
        return check_bundle(text)
    return check_proof(text)[0]


def check_proof(text):
    need(len(text.encode()) <= 4 << 20, "too long")
    start = "kavi-proof@v1\nkey "
    need(text.startswith(start) and "\n\n" in text, "no proof")
    key, rest = text[len(start) :].split("\n\n", 1)
    name, identity, public = key_of(key)
    events = []
    while rest.startswith("event "):
        need("\n\n" in rest, "an event does not end")
        block, rest = rest[len("event ") :].split("\n\n", 1)
        lines = block.split("\n")
        need(len(lines) >= 2, "an event has no bytes")
        path = [decode(line) for line in lines[2:]]
        need(all(len(node) == 32 for node in path), "no hash")
        events.append((number(lines[0]), lines[1], path))
    blocks = []
    while rest.startswith("statement "):
        need("\n\n" in rest, "a statement does not end")
        block, rest = rest[len("statement ") :].split("\n\n", 1)
        index, envelope = block.split("\n", 1)
        blocks.append((number(index), envelope))
    source = None
    if rest.startswith("source\n"):
        need("\n\n" in rest, "the source does not end")
        block, rest = rest[len("source\n") :].split("\n\n", 1)
        source = source_of(block)
    need(len(blocks) <= 64, "too many statements")
    need(0 < len(events) <= 256 and rest.startswith("checkpoint\n"), "no event or no checkpoint")
    # Signatures last: they take most of the time, and hashes find most of what is wrong.
    size, root, signatures = checkpoint_of(rest[len("checkpoint\n") :], name, identity, public)
    parsed = []
    for index, body, path in events:
        included(sha256(b"\x00", body.encode()), index, size, path, root)
        parsed.append((index, json.loads(body)))
        need(parsed[-1][1].get("v") == 1, "another version")
    order = [event for _, event in sorted(parsed, key=lambda one: one[0])]
    named = named_statements(parsed, blocks)
    promoted = [promoted_by(event) for event in order if promoted_by(event)]
    need(source is None or (promoted and all(source == one[2] for one in promoted)), "another source")
    for signed in signatures:
        verify(*signed)
    check_approvals(order, name)
    check_statements(named, (name, identity, public))
    return size, order, source


def valid(raw):
    try:
        check(raw)
        return True
    except (Invalid, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False


def main():
    args = sys.argv[1:]
    if len(args) == 2 and args[0] == "--flips":
        with open(args[1], "rb") as file:
            raw = file.read()
        flip = lambda place: raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        print("".join("1" if valid(flip(place)) else "0" for place in range(len(raw))))
        return 0
    with open(args[0], "rb") as file:
        raw = file.read()
    good = valid(raw)
    print("VALID" if good else "NOT VALID")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
