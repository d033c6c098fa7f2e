"""An independent verifier of Kavi's proof files: the standard library, and RFC 8032 by hand.

usage: kavi_check.py FILE            prints VALID or NOT VALID, exit code 0 or 1
       kavi_check.py --flips FILE    one character for each byte: 1 when the file with that byte's lowest bit flipped is valid
"""

import base64
import hashlib
import json
import sys

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
    for signature in ours:
        verify(public, text.encode(), signature)
    return size, root


def check(raw):
    need(len(raw) <= 1 << 20, "too long")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("not text") from error
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
    need(0 < len(events) <= 256 and rest.startswith("checkpoint\n"), "no event or no checkpoint")
    size, root = checkpoint_of(rest[len("checkpoint\n") :], name, identity, public)
    for index, body, path in events:
        included(sha256(b"\x00", body.encode()), index, size, path, root)
        need(json.loads(body).get("v") == 1, "another version")
    return size


def valid(raw):
    try:
        check(raw)
        return True
    except Invalid:
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
