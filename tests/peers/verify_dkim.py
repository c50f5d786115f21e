"""Verifies every DKIM signature of the message on standard input with dkimpy; keys come from a JSON file, not from DNS.

    verify_dkim.py RECORDS.json < message      prints one "algorithm domain selector ok|bad" a line
"""
import json, sys, dkim

records = json.load(open(sys.argv[1]))
message = sys.stdin.buffer.read()


def txt(name, timeout=5):
    name = (name if isinstance(name, str) else name.decode()).rstrip(".").lower()
    return records[name].encode() if name in records else None


checker = dkim.DKIM(message)
count = sum(1 for name, _ in checker.headers if name.lower() == b"dkim-signature")
for index in range(count):
    checker = dkim.DKIM(message, minkey=2048)
    try:
        good = checker.verify(idx=index, dnsfunc=txt)
    except Exception as error:
        print(error, file=sys.stderr)
        good = False
    fields = checker.signature_fields
    get = lambda key: fields.get(key, b"?").decode()
    print(get(b"a"), get(b"d"), get(b"s"), "ok" if good else "bad")
