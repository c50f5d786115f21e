#!/usr/bin/env python3
"""Makes rules/lists/personal-domains.txt: each domain with the lists that name it and the date on which they were read.

    tests/corpus/make_personal_domains.py 2026-11-22     fetches the published lists (npm, pip) and writes the file

An entry needs two published lists that agree, one of them a list of free mail that is kept by people (F, P), or three, or one line in
personal_domains/by_hand.txt. Whatever a list of disposable addresses names, or personal_domains/refused.txt, is left out.
"""
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent.parent / "rules/lists/personal-domains.txt"
NPM = {"F": ("freemail", "1.7.0", "ISC, Will White"), "K": ("free-email-domains", "1.12.6", "MIT, Kiko Beats"),
       "E": ("email-providers", "2.26.0", "ISC, Jannis R"), "P": ("personal-email-domains", "0.0.2", "MIT, Segment.io")}
DISPOSABLE = "disposable-email-domains==0.0.293"
# The great brands under every top-level domain: two lists of any kind are enough.
BRANDS = re.compile(r"(fastmail|live|hotmail|outlook|yahoo|gmx|net-c|netc|aol|msn|icloud|yandex|zoho|posteo)\.[a-z.]{2,7}")
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")

HEAD = """\
# Domains of personal mailboxes: free mail and Internet access providers. The fact `to_personal_mailbox` is true for a
# recipient at one of them or below one of them. One domain per line; what follows # is a remark.
#
# A domain here is never by itself a reason to refuse anything: administrations write to citizens all day. It only counts
# together with facts about the content (rules/policy.toml).
#
# Your own additions and exceptions belong into personal-domains-local.txt and personal-domains-except.txt beside this file:
# this one is replaced by updates. `postern rules domain orange.fr` says why a domain is here.
#
# The remark behind a domain: the lists that name it, the date on which they were read, and the provider where it is kept by hand.
"""


def clean(names):
    return {name.strip().lower() for name in names if DOMAIN.fullmatch(name.strip().lower())}


def published(folder):
    lists, disposable = {}, set()
    for letter, (name, version, _) in NPM.items():
        packed = subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(pathlib.Path(folder) / packed.stdout.strip().splitlines()[-1]) as archive:
            def read(member):
                return archive.extractfile(f"package/{member}").read().decode()
            if letter == "F":
                lists[letter] = clean(read("data/free.txt").split())
                disposable |= clean(read("data/disposable.txt").split())
            else:
                member = {"K": "domains.json", "E": "all.json", "P": "index.json"}[letter]
                lists[letter] = clean(json.loads(read(member)))
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, DISPOSABLE], check=True)
    wheel = next(pathlib.Path(folder).glob("disposable_email_domains-*.whl"))
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        for member in archive.namelist():
            if member.startswith("disposable_email_domains/") and not member.endswith("/"):
                disposable |= clean(re.findall(r"['\"]?([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)['\"]?", archive.read(member).decode()))
    return lists, disposable


def by_heading(name):
    rows = {}
    for line in (HERE / "personal_domains" / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            heading, domains = line.split(":", 1)
            for domain in domains.split():
                rows.setdefault(domain, heading.strip())
    return rows


def main():
    date = sys.argv[1]
    by_hand, refused = by_heading("by_hand.txt"), by_heading("refused.txt")
    with tempfile.TemporaryDirectory() as folder:
        lists, disposable = published(folder)
    for domain in by_hand:
        assert DOMAIN.fullmatch(domain), domain

    def above(domain):
        labels = domain.split(".")
        return [".".join(labels[at:]) for at in range(len(labels) - 1)]

    def is_official(domain):
        return re.search(r"(^|\.)(edu|gov|mil|ac|gouv)(\.[a-z]{2})?$", domain) is not None

    entries = {}
    for domain in set().union(*lists.values()) | set(by_hand):
        letters = "".join(letter for letter in NPM if domain in lists[letter])
        kept = len(letters) >= 3 or len(letters) == 2 and (set(letters) & set("FP") or BRANDS.fullmatch(domain))
        out = any(name in refused for name in above(domain)) or domain in disposable or is_official(domain)
        if domain in by_hand and domain not in refused:
            entries[domain] = f"H{letters} {date} {by_hand[domain]}"
        elif kept and not out:
            entries[domain] = f"{letters} {date}"
    head = HEAD
    for letter, (name, version, licence) in NPM.items():
        head += f"#   {letter}  npm {name} {version} ({licence})\n"
    head += "#   H  by hand: providers of France, overseas and French-speaking countries, and the great ones of the world\n"
    head += f"# Left out: disposable addresses (freemail's own list, PyPI {DISPOSABLE.replace('==', ' ')}), companies, schools, authorities.\n"
    head += "# Made by tests/corpus/make_personal_domains.py.\n\n"
    TARGET.write_text(head + "".join(f"{domain}  # {entries[domain]}\n" for domain in sorted(entries)))
    print(f"{len(entries)} domains, {sum(1 for why in entries.values() if why.startswith('H'))} of them by hand")


main()
