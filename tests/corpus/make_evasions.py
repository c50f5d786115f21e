#!/usr/bin/env python3
"""Writes messages that try to carry a secret past the gate, and honest mail that must not be held: tests/corpus/evasions/.

Standard library only; the same octets at every run. Every person, number and key is invented or published as a test value.
index.toml says of each message what must come of it: `found` (rules, at medium or above), `unreadable`, `refused` (any one of those
that are given is enough) or `clean` (nothing at medium or above, all of it read).

    python3 tests/corpus/make_evasions.py            writes them
    python3 tests/corpus/make_evasions.py --check    exits 1 when what is there differs from what would be written
"""
import base64, binascii, gzip, io, pathlib, quopri, struct, sys, tarfile, zipfile, zlib, bz2, lzma

OUT = pathlib.Path(__file__).resolve().parent / "evasions"
NIR = "1 85 05 78 006 084 91"
SAID = f"N° de sécurité sociale : {NIR}"
IBAN = "FR76 3000 6000 0112 3456 7890 189"
CARD = "5555 5555 5555 4444"
STAMP = "DIFFUSION RESTREINTE"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7inventedinv\nentedinventedinventedinvented\n-----END PRIVATE KEY-----\n"
RULES = {"nir": "fr-nir", "iban": "iban", "card": "card-pan", "dr": "mark-dr", "key": "secret-private-key",
         "siret": "fr-siret", "siren": "fr-siren", "secret": "mark-secret", "tres": "mark-tres-secret", "special": "mark-special-france", "tlp": "mark-tlp"}

PUBLIC = ["fr-siren", "fr-siret", "fr-tva", "fr-rcs", "fr-uai", "fr-rna", "phone-fr", "email", "ip", "mac", "imei"]  # stands in every footer

CASES = []  # (name, octets, {expectation}, because)


def case(name, message, because, found=None, unreadable=False, refused=False, clean=False, miss=None):
    if isinstance(message, str):
        message = message.encode()
    wanted = {}
    if found:
        wanted["found"] = [RULES[f] for f in found.split()]
    for key, value in (("unreadable", unreadable), ("refused", refused), ("clean", clean)):
        if value:
            wanted[key] = True
    if miss:
        wanted["known_miss"] = miss
    assert wanted and name not in {c[0] for c in CASES}, name
    CASES.append((name, message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), wanted, because))


# --- messages ----------------------------------------------------------------------------------------------------------------

def top(subject="Dossier", more=""):
    return (f"From: Marie Dupont <marie.dupont@example.gouv.fr>\nTo: Jean Martin <jean.martin@example.org>\nSubject: {subject}\n"
            f"Date: Fri, 20 Nov 2026 10:00:00 +0100\nMessage-ID: <essai@example.gouv.fr>\nMIME-Version: 1.0\n{more}")


def text(body, kind="text/plain; charset=utf-8", cte="8bit", subject="Dossier", more=""):
    head = top(subject, f"{more}Content-Type: {kind}\nContent-Transfer-Encoding: {cte}\n\n").encode()
    return head + (body if isinstance(body, bytes) else body.encode())


def b64(octets, width=76):
    octets = octets.encode() if isinstance(octets, str) else octets
    packed = base64.b64encode(octets).decode()
    return "\n".join(packed[i:i + width] for i in range(0, len(packed), width)) + "\n"


def mixed(*parts, kind="mixed", subject="Dossier", before="", after="", more=""):
    body = b"".join(b"--=_b1\n" + (p if isinstance(p, bytes) else p.encode()) + b"\n" for p in parts)
    head = top(subject, f'{more}Content-Type: multipart/{kind}; boundary="=_b1"\n\n')
    return head.encode() + before.encode() + body + b"--=_b1--\n" + after.encode()


HELLO = "Content-Type: text/plain; charset=utf-8\n\nBonjour, voir la pièce jointe.\n"


def part(body, kind="text/plain; charset=utf-8", cte="8bit", more=""):
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {cte}\n{more}\n".encode() + (body if isinstance(body, bytes) else body.encode())


def attached(name, octets, kind="application/octet-stream"):
    octets = octets.encode() if isinstance(octets, str) else octets
    head = (f'Content-Type: {kind}; name="{name}"\nContent-Transfer-Encoding: base64\n'
            f'Content-Disposition: attachment; filename="{name}"\n\n')
    return mixed(HELLO, head + b64(octets))


def html(body, whole=False, **more):
    body = body if whole else f"<html><body><p>Bonjour,</p>\n{body}\n</body></html>"
    return text(body, kind="text/html; charset=utf-8", **more)


# --- files -------------------------------------------------------------------------------------------------------------------

def zip_of(entries, method=zipfile.ZIP_DEFLATED, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for entry in entries:
            name, content, *more = entry
            info = zipfile.ZipInfo(name, (2026, 11, 20, 9, 30, 0))
            info.compress_type = method
            info.external_attr = 0o644 << 16
            for key, value in (more[0] if more else {}).items():
                setattr(info, key, value)
            archive.writestr(info, content)
        archive.comment = comment
    return out.getvalue()


def tar_of(entries, kind=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            content = content.encode() if isinstance(content, str) else content
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def gz(octets, name=b"", comment=b""):
    octets = octets.encode() if isinstance(octets, str) else octets
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(octets) + packer.flush()
    flags = (8 if name else 0) | (16 if comment else 0)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\2\3" + (name + b"\0" if name else b"") + (comment + b"\0" if comment else b"")
    return head + packed + struct.pack("<II", zlib.crc32(octets), len(octets))


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(body, others=(), name="word/document.xml"):
    types = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    rels = ('<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
            f'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="{name}"/></Relationships>')
    document = body if isinstance(body, bytes) or body.startswith("<?xml") else f'<?xml version="1.0"?><w:document {W}><w:body>{body}</w:body></w:document>'
    return zip_of([("[Content_Types].xml", types), ("_rels/.rels", rels), (name, document), *others])


def para(*runs):
    return "<w:p>" + "".join(f"<w:r><w:t xml:space='preserve'>{r}</w:t></w:r>" for r in runs) + "</w:p>"


S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def xlsx(rows, others=(), strings=None, extra=""):
    """Rows of cells, each `(type, inner xml)`."""
    data = ""
    for r, row in enumerate(rows, 1):
        cells = "".join(f'<c r="{chr(65 + c)}{r}"{f" t={chr(34)}{t}{chr(34)}" if t else ""}>{x}</c>' for c, (t, x) in enumerate(row))
        data += f'<row r="{r}">{cells}</row>'
    parts = [("[Content_Types].xml", "<Types/>"), ("xl/workbook.xml", f'<workbook {S}><sheets><sheet name="Feuille" sheetId="1"/></sheets></workbook>'),
             ("xl/worksheets/sheet1.xml", f"<worksheet {S}><sheetData>{data}</sheetData>{extra}</worksheet>")]
    if strings:
        parts.append(("xl/sharedStrings.xml", f"<sst {S}>{''.join(f'<si>{s}</si>' for s in strings)}</sst>"))
    return zip_of(parts + list(others))


def inline(t):
    return ("inlineStr", f"<is><t>{t}</t></is>")


def odt(body, others=(), kind="text"):
    content = ('<?xml version="1.0"?><office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="b" xmlns:draw="d"><office:body>'
               f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>")
    return zip_of([("mimetype", f"application/vnd.oasis.opendocument.{kind}", {"compress_type": 0}), ("content.xml", content), *others])


def pdf(content=b"", page="", objects=(), catalog="", packed=None, trailer="", raw_objects=()):
    """One page; more objects from number 6 on: `text` or (dictionary, stream)."""
    content = content.encode("latin-1") if isinstance(content, str) else content
    filters, data = packed if packed else ("", content)
    all_objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode(), b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> {page} >>".encode(),
        f"<< /Length {len(data)} {filters} >>\nstream\n".encode() + data + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for o in objects:
        if isinstance(o, tuple):
            d, s = o
            s = s.encode("latin-1") if isinstance(s, str) else s
            all_objects.append(f"<< {d} /Length {len(s)} >>\nstream\n".encode() + s + b"\nendstream")
        else:
            all_objects.append(o.encode("latin-1") if isinstance(o, str) else o)
    out, offsets = b"%PDF-1.7\n", []
    for n, o in enumerate(all_objects, 1):
        offsets.append(len(out))
        out += f"{n} 0 obj\n".encode() + o + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n".encode() + b"".join(f"{o:010d} 00000 n \n".encode() for o in offsets)
    return out + f"trailer\n<< /Size {len(offsets) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()


def shown(t, y=700):
    t = t.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"BT /F1 12 Tf 72 {y} Td ({t}) Tj ET\n"


def uu(name, octets):
    lines = [f"begin 644 {name}"] + [binascii.b2a_uu(octets[i:i + 45]).decode().rstrip("\n") for i in range(0, len(octets), 45)]
    return "\n".join(lines + ["`", "end"]) + "\n"


def png(chunks=(), after=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + b"".join(chunk(*c) for c in chunks)
            + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"") + after)


def jpeg(comment):
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + b"\xff\xda\0\x08\1\1\0\0\x3f\0\x7f\xff\xd9"


def q(digits):
    return "".join(f"={ord(c):02X}" for c in digits)


S8 = SAID.encode()
NOISE = bytes((i * 197 + (i >> 3) * 31 + (i * i >> 2)) % 256 for i in range(400))

# --- mime: where readers disagree -----------------------------------------------------------------------------------------------

for name, body in (("nir", SAID), ("iban", f"Voici mon IBAN : {IBAN}"), ("card", f"Ma carte : {CARD}, exp 12/27"), ("dr", f"Note\n\n{STAMP}\n\nTexte"), ("key", KEY)):
    case(f"plain-{name}", text(body + "\n"), "as anybody writes it", found=name)
    case(f"base64-{name}", text(b64(body), cte="base64"), "base64", found=name)
case("mime-two-types", top(more="Content-Type: text/plain\nContent-Type: application/octet-stream\n\n") + SAID, "the first or the last counts", refused=True)
case("mime-two-encodings", top(more="Content-Type: text/plain\nContent-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\n") + b64(S8), "the first or the last counts", refused=True)
case("mime-encoding-comment", text(b64(S8), cte="base64 (comment)"), "a comment behind the word", found="nir")
case("mime-encoding-upper", text(b64(S8), cte="BASE64"), "case", found="nir")
case("mime-encoding-parameter", text(b64(S8), cte="base64; x=y"), "a parameter behind the word", found="nir")
case("mime-encoding-x", text(b64(S8), cte="x-base64"), "an invented name", found="nir")
case("mime-encoding-quoted", text(b64(S8), cte='"base64"'), "in quotes", found="nir")
case("mime-encoding-uu", text(uu("a.txt", S8), cte="x-uuencode"), "uuencode as transfer encoding", found="nir")
case("mime-encoding-folded", text(b64(S8), cte="\n base64"), "on the next line", found="nir")
case("mime-base64-junk", text("".join(c + "*!" for c in b64(S8).replace("\n", "")), cte="base64"), "foreign signs between", found="nir")
case("mime-base64-padding-inside", text(base64.b64encode(b"Bonjour,") + b"\n" + b64(S8).encode(), cte="base64"), "readers stop at the padding or go on", found="nir")
case("mime-base64-no-padding", text(b64(S8 + b" x").strip().rstrip("="), cte="base64"), "no padding", found="nir")
case("mime-base64-url", text(base64.urlsafe_b64encode(b"???>>>" + S8).decode(), cte="base64"), "the alphabet for addresses", found="nir", unreadable=True)
case("mime-base64-short-lines", text(b64(S8, 1), cte="base64"), "one sign a line", found="nir")
case("mime-base64-text-before", text("Bonjour\n\n" + b64(S8), cte="base64"), "plain words first: decoding is shifted", unreadable=True, found="nir")
case("mime-bare-base64", text(b64(b"Bonjour, voici le texte.\n" + S8)), "a body of nothing but base64", found="nir")
case("mime-bare-base64-spaced", text("  " + b64(b"Bonjour, voici le texte.\n" + S8).replace("\n", "\n  ")), "the same, indented", found="nir")
case("mime-base64-in-text", text("Bonjour, décode ceci :\n\n" + b64(b"Bonjour, voici le texte. " + S8 + b" et la suite du texte") + "\nMerci\n"), "a block of base64 between two sentences", found="nir")
case("mime-data-uri-text", text("Voir data:text/plain;base64," + base64.b64encode(S8 + b" et la suite").decode()), "an address that holds the text", found="nir")
case("mime-hex-body", text("\n".join(textwrap for textwrap in [(S8 + b", merci de traiter").hex()[i:i + 64] for i in range(0, 130, 64)]) + "\n"), "a body of nothing but hexadecimal", found="nir")
case("mime-qp-digits", text("S=C3=A9curit=C3=A9 sociale : " + q(NIR) + "\n", cte="quoted-printable"), "every digit escaped", found="nir")
case("mime-qp-soft", text("securite sociale : 1 85 =\n05 78 0=\n06 084 =\n91\n", cte="quoted-printable"), "soft line ends inside", found="nir")
case("mime-qp-lower", text("securite sociale : " + q(NIR).lower() + "\n", cte="quoted-printable"), "lower-case escapes", found="nir")
case("mime-qp-broken", text("100 =ZZ\nsecurite sociale : " + NIR + "=\n", cte="quoted-printable"), "a broken escape before", found="nir")
case("mime-qp-blank-soft", text("securite sociale : 1 85 05 78 = \n006 084 91\n", cte="quoted-printable"), "a blank behind the soft line end", found="nir")
case("mime-preamble", mixed(HELLO, before=SAID + "\n"), "before the first boundary", found="nir")
case("mime-epilogue", mixed(HELLO, after=SAID + "\n"), "after the last boundary", found="nir")
case("mime-preamble-base64", mixed(HELLO, before=b64(b"Bonjour voici le texte entier. " + S8)), "base64 before the first boundary", found="nir")
case("mime-no-end", top(more='Content-Type: multipart/mixed; boundary="=_b1"\n\n--=_b1\n') + HELLO + "\n--=_b1\n\n" + SAID, "no last boundary", found="nir")
case("mime-boundary-after-end", mixed(HELLO, after="--=_b1\n\n" + SAID + "\n--=_b1--\n"), "a part after the end", refused=True)
case("mime-boundary-2231", top(more="Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\n" + SAID + "\n--ab--\n"), "a boundary in two pieces", refused=True)
case("mime-boundary-two", top(more="Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n--b\n\n" + SAID + "\n--b--\n"), "two boundaries", refused=True)
case("mime-boundary-empty", top(more='Content-Type: multipart/mixed; boundary=""\n\n--\n\n' + SAID + "\n----\n"), "an empty boundary", refused=True)
case("mime-boundary-prefix", mixed(HELLO, "Content-Type: application/octet-stream\n\nx\n--=_b1x\n\n" + SAID), "a line that begins like the boundary", refused=True)
case("mime-boundary-space", mixed(HELLO, part(SAID)).replace(b"--=_b1\n", b"--=_b1 \t\n"), "blanks behind the boundary", found="nir")
case("mime-multipart-base64", top(more='Content-Type: multipart/mixed; boundary="=_b1"\nContent-Transfer-Encoding: base64\n\n') + b64(b"--=_b1\n\n" + S8 + b"\n--=_b1--\n"), "a multipart in base64", refused=True)
case("mime-unknown-multipart", mixed(part(SAID), kind="x-unknown"), "an unknown kind of multipart", found="nir")
case("mime-multipart-no-subtype", mixed(part(SAID)).replace(b"multipart/mixed", b"multipart"), "no subtype", refused=True)
case("mime-type-nonsense", text(SAID, kind="plain"), "an unreadable type", found="nir")
case("mime-type-x", text(SAID, kind="application/x-nothing"), "an unknown type", found="nir")
case("mime-type-image", text(SAID, kind="image/jpeg; name=a.jpg"), "text that says it is a picture", found="nir")
case("mime-header-no-colon", top().replace("Subject:", "no colon here\nSubject:") + "\n" + SAID, "a line without colon in the header", refused=True)
case("mime-header-space-name", top(more="Content-Type : text/plain\n\n") + SAID, "a blank before the colon", refused=True)
case("mime-no-empty-line", top(more=f"X-Note: {SAID}\n"), "all in the header, no body", found="nir")
case("mime-header-blank-line", top(more=f"X-A: b\n \nContent-Type: text/html\n\n") + SAID, "a line of white space in the header", refused=True)
case("mime-alternative-plain", mixed(part(SAID), part("<p>Bonjour</p>", "text/html; charset=utf-8"), kind="alternative"), "only in the form that is not shown", found="nir")
case("mime-alternative-third", mixed(part("a"), part("<p>a</p>", "text/html"), part("BEGIN:VCALENDAR\nDESCRIPTION:" + SAID + "\nEND:VCALENDAR", "text/calendar"), kind="alternative"), "in the third form", found="nir")
case("mime-related-css", mixed(part("<p>a</p>", "text/html"), part("p::after{content:'" + SAID + "'}", "text/css"), kind="related"), "in a style sheet", found="nir")
case("mime-parallel", mixed(part("a"), part(SAID), kind="parallel"), "multipart/parallel", found="nir")
case("mime-digest", mixed("\nSubject: x\n\n" + SAID, kind="digest"), "a digest's parts are messages", found="nir")
case("mime-nested-20", "".join([top(more='Content-Type: multipart/mixed; boundary="n0"\n\n')] + [f'--n{i}\nContent-Type: multipart/mixed; boundary="n{i + 1}"\n\n' for i in range(20)]) + "--n20\n\n" + SAID + "\n" + "".join(f"--n{i}--\n" for i in range(20, -1, -1)), "twenty multiparts", found="nir")
case("mime-nested-60", "".join([top(more='Content-Type: multipart/mixed; boundary="n0"\n\n')] + [f'--n{i}\nContent-Type: multipart/mixed; boundary="n{i + 1}"\n\n' for i in range(60)]) + "--n60\n\n" + SAID + "\n", "sixty multiparts", refused=True)
INNER = "From: a@example.org\nSubject: interne\n\n" + SAID + "\n"
case("mime-attached-message", mixed(HELLO, "Content-Type: message/rfc822\n\n" + INNER), "an attached message", found="nir")
case("mime-attached-message-base64", mixed(HELLO, "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + b64(INNER)), "an attached message in base64 (forbidden, but read)", found="nir")
case("mime-attached-message-txt", attached("a.txt", text(b64(S8), cte="base64")), "a message that calls itself text", found="nir")
case("mime-attached-subject", mixed(HELLO, "Content-Type: message/rfc822\n\nFrom: a@example.org\nSubject: =?utf-8?b?" + base64.b64encode(S8).decode() + "?=\n\nx\n"), "in the subject of an attached message", found="nir")
case("mime-mbox", attached("archive.mbox", "From a@example.org Fri Nov 20 10:00:00 2026\n" + INNER + "\nFrom b@example.org Fri Nov 20 10:00:00 2026\n" + text(b64(f"IBAN : {IBAN}"), cte="base64").decode()), "an mbox: the second message in base64", found="nir iban")
case("mime-partial", text("From: a@example.org\n\n1 85 05", kind='message/partial; id="x"; number=1; total=2'), "a piece of a message", unreadable=True)
case("mime-external-body", text("Content-Type: text/plain\n\n" + SAID, kind='message/external-body; access-type=local-file; name="/x"'), "the phantom body", found="nir")
case("mime-attachment-utf16", attached("a.txt", SAID.encode("utf-16-le"), "text/plain"), "UTF-16 without a mark", found="nir")
case("mime-attachment-utf16-be", attached("a.txt", SAID.encode("utf-16-be")), "UTF-16, big end first, as octets", found="nir")
case("mime-attachment-utf32", attached("a.txt", SAID.encode("utf-32"), "text/plain; charset=utf-32"), "UTF-32", found="nir")
case("mime-attachment-utf32-unsaid", attached("a.bin", SAID.encode("utf-32-le")), "UTF-32 without a mark", found="nir", unreadable=True)
case("mime-uu", text("Bonjour\n\n" + uu("a.txt", S8)), "uuencode in the text", found="nir")
case("mime-uu-zip", text("Bonjour\n\n" + uu("a.zip", zip_of([("a.txt", SAID)]))), "a zip in uuencode", found="nir")
case("mime-uu-base64", text("Bonjour\n\nbegin-base64 644 a.txt\n" + b64(S8) + "====\n"), "uuencode -m", found="nir")
case("mime-uu-attachment", attached("a.uue", uu("a.txt", S8), "text/plain"), "uuencode in a file", found="nir")
case("mime-yenc", text("=ybegin line=128 size=9 name=a.txt\nabc\n=yend size=9\n"), "yEnc", unreadable=True)
case("mime-binhex", attached("a.hqx", "(This file must be converted with BinHex 4.0)\n\n:#h*58N0-\"Kd3!`$rN!3\"!*!%N!!!\"`-!N!!!!!!:\n", "application/mac-binhex40"), "BinHex", unreadable=True)
case("mime-tnef", attached("winmail.dat", b"\x78\x9f\x3e\x22\x01\x00" + NOISE, "application/ms-tnef"), "Outlook's own container", unreadable=True)
case("mime-apple-double", mixed(part(b64(b"\0\5\x16\7\0\2\0\0" + b"Mac OS X        " + b"\0" * 20 + S8), "application/applefile", "base64"), part("a"), kind="appledouble"), "a resource fork", found="nir", unreadable=True)
case("mime-flowed", text("securite sociale : 1 85 05 78 \n006 084 91\n", kind="text/plain; charset=utf-8; format=flowed"), "wrapped as format=flowed", found="nir")
case("mime-flowed-delsp", text("securite sociale : 1850578 \n00608491\n", kind="text/plain; charset=utf-8; format=flowed; delsp=yes"), "wrapped inside the number", found="nir")
case("mime-enriched", text("<bold>securite sociale</bold> : 1 85 <bold>05</bold> 78 006 084 91\n", kind="text/enriched"), "text/enriched", found="nir")
case("mime-mhtml", attached("page.mht", mixed(part(b64("<p>" + SAID + "</p>"), "text/html; charset=utf-8", "base64"), kind="related"), "multipart/related"), "a saved page whose boundary nobody tells", refused=True)
case("mime-mhtml-octets", attached("page.mht", b"MIME-Version: 1.0\n" + mixed(part(b64("<p>" + SAID + "</p>"), "text/html; charset=utf-8", "base64"), kind="related").split(b"MIME-Version: 1.0\n", 1)[1]), "a saved page without From", found="nir")
case("mime-vcard", attached("a.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN:Jean\nNOTE;ENCODING=QUOTED-PRINTABLE:S=C3=A9curit=C3=A9 sociale " + q(NIR) + "\nEND:VCARD\n", "text/x-vcard"), "quoted-printable in a vCard", found="nir")
case("mime-ics-folded", attached("a.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDESCRIPTION:securite sociale 1 85 05 7\n 8 006 084 91\nEND:VEVENT\nEND:VCALENDAR\n", "text/calendar"), "folded in a calendar", found="nir")

# --- headers and names -----------------------------------------------------------------------------------------------------------

body = "Bonjour\n"
case("header-subject", text(body, subject=f"dossier {NIR}"), "in the subject", found="nir")
case("header-subject-b", text(body, subject="=?utf-8?b?" + base64.b64encode(S8).decode() + "?="), "encoded", found="nir")
case("header-subject-q", text(body, subject="=?iso-8859-1?q?s=E9curit=E9_" + q(NIR) + "?="), "encoded", found="nir")
case("header-subject-split", text(body, subject="=?utf-8?q?secu_1_85_05?=\n =?utf-8?q?_78_006?=\n =?utf-8?q?_084_91?="), "in three words", found="nir")
case("header-subject-utf7", text(body, subject="=?utf-7?q?secu_+ADE-_85_05_78_006_084_91?="), "UTF-7", found="nir")
case("header-subject-dr", text(body, subject="[DR] point de situation"), "the short mark", found="dr")
case("header-from-name", text(body).replace(b"Marie Dupont <", f'"secu {NIR}" <'.encode()), "a display name", found="nir")
case("header-to-name", text(body).replace(b"Jean Martin <", b"=?utf-8?b?" + base64.b64encode(S8) + b"?= <"), "an encoded display name", found="nir")
for field in ("Keywords", "Comments", "X-Note", "Organization", "Thread-Topic", "In-Reply-To", "List-Id", "User-Agent", "Received", "DKIM-Signature", "ARC-Seal", "Return-Path", "Content-Description", "Content-Language"):
    case(f"header-{field.lower()}", text(body, more=f"{field}: securite sociale {NIR}\n"), "in a field that few look at", found="nir")
case("header-date-comment", text(body).replace(b"+0100\n", f"+0100 (securite sociale {NIR})\n".encode()), "a comment in the date", found="nir")
case("header-mime-version", text(body).replace(b"MIME-Version: 1.0", f"MIME-Version: 1.0 (securite sociale {NIR})".encode()), "a comment in MIME-Version", found="nir")
case("header-type-parameter", text(body, kind=f'text/plain; charset=utf-8; note="securite sociale {NIR}"'), "an invented parameter", found="nir")
case("header-type-comment", text(body, kind=f"text/plain; charset=utf-8 (securite sociale {NIR})"), "a comment in the type", found="nir")
case("header-boundary", mixed(HELLO).replace(b"=_b1", b"nir_1850578006084 91".replace(b" ", b"")), "the boundary itself", found="nir")
case("header-disposition-parameter", mixed(part("a", more=f'Content-Disposition: attachment; filename=a.txt; note="secu {NIR}"\n')), "an invented parameter of the disposition", found="nir")
case("header-part-id", mixed(part("a", more=f"Content-ID: <secu {NIR}>\n")), "a part's id", found="nir")
case("header-part-description", mixed(part("a", more=f"Content-Description: securite sociale {NIR}\n")), "a part's description", found="nir")
case("header-part-unknown", mixed(part("a", more=f"X-Any: securite sociale {NIR}\n")), "a part's own field", found="nir")
case("name-plain", attached(f"secu {NIR}.txt", "a"), "a file's name", found="nir")
case("name-2231", mixed(part("a", more="Content-Disposition: attachment; filename*0*=utf-8''secu%201%2085%2005; filename*1*=%2078%20006%20084%2091.txt\n")), "a name in two pieces", found="nir")
case("name-word", mixed(part("a", more="Content-Disposition: attachment; filename=\"=?utf-8?q?secu_" + q(NIR) + "?=.txt\"\n")), "a name in encoded words", found="nir")
case("name-two", mixed(part("a", kind=f'text/plain; name="secu {NIR}.txt"', more='Content-Disposition: attachment; filename="a.txt"\n')), "two names", found="nir")
case("name-zip-member", attached("a.zip", zip_of([(f"secu {NIR}.txt", "a")])), "a member's name", found="nir")
case("name-zip-folder", attached("a.zip", zip_of([(f"secu {NIR}/", ""), ("a.txt", "a")])), "a folder's name", found="nir")
case("name-tar-member", attached("a.tar", tar_of([(f"secu {NIR}.txt", "a")])), "a member's name", found="nir")
case("name-tar-long", attached("a.tar", tar_of([("x" * 120 + f"/secu {NIR}.txt", "a")], tarfile.GNU_FORMAT)), "a long name", found="nir")
case("name-tar-pax", attached("a.tar", tar_of([("é" * 80 + f"/secu {NIR}.txt", "a")], tarfile.PAX_FORMAT)), "a pax name", found="nir")
case("name-gzip", attached("a.gz", gz("a", name=f"secu {NIR}.txt".encode())), "the name inside gzip", found="nir")

# --- text: digits and words in disguise -------------------------------------------------------------------------------------------

def disguise(name, written, because, rule="nir", **more):
    case(f"text-{name}", text(written + "\n"), because, found=rule, **more)


def digits(zero):
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in NIR)


L = "sécurité sociale : "
disguise("glued", L + NIR.replace(" ", ""), "no blanks")
for label, sep in (("nbsp", "\u00a0"), ("narrow", "\u202f"), ("thin", "\u2009"), ("dot", "."), ("dash", "-"), ("en-dash", "\u2013"), ("slash", "/"), ("tab", "\t"), ("underscore", "_"),
                   ("two-blanks", "  "), ("middle-dot", "·"), ("comma", ","), ("pipe", "|"), ("star", "*"), ("colon", ":"), ("blank-dash", " - "), ("blank-slash", " / "), ("line", "\n"), ("em-space", "\u2003"), ("bullet", " • "), ("backslash", "\\"), ("plus", "+"), ("equal", "=")):
    disguise(f"separator-{label}", L + NIR.replace(" ", sep), "another separator between the groups")
disguise("every-digit", L + " ".join(NIR.replace(" ", "")), "a blank after every digit")
disguise("every-digit-dash", L + "-".join(NIR.replace(" ", "")), "a dash after every digit")
disguise("every-digit-line", L + "\n".join(NIR.replace(" ", "")), "a line for every digit")
disguise("odd-groups", L + "18 505 7800 60 84 91", "other groups")
disguise("brackets", L + "(1) (85) (05) (78) (006) (084) (91)", "each group in brackets")
disguise("square-brackets", L + "[1][85][05][78][006][084][91]", "each group in brackets")
disguise("quoted-groups", L + '"1" "85" "05" "78" "006" "084" "91"', "each group in quotes")
for label, hidden in (("zero-width", "\u200b"), ("joiner", "\u200d"), ("soft-hyphen", "\u00ad"), ("word-joiner", "\u2060"), ("bom", "\ufeff"), ("rtl-mark", "\u200f"), ("variation", "\ufe0f"), ("combining", "\u0336"), ("tag", "\U000e0020"), ("nul-like", "\u0001"), ("hangul", "\u3164"), ("mongolian", "\u180e"), ("delete", "\u007f"), ("backspace", "\u0008"), ("inhibit", "\u206a"), ("annotation", "\ufff9"), ("braille", "\u2800"), ("music", "\U0001d173"), ("egyptian", "\U00013430"), ("shorthand", "\U0001bca0"), ("khmer", "\u17b4")):
    disguise(f"between-{label}", L + "".join(c + hidden for c in NIR.replace(" ", "")), "an invisible sign after every digit")
for label, zero in (("fullwidth", 0xff10), ("arabic", 0x660), ("persian", 0x6f0), ("devanagari", 0x966), ("thai", 0xe50), ("math-bold", 0x1d7ce), ("math-mono", 0x1d7f6), ("segmented", 0x1fbf0), ("chakma", 0x11136), ("osmanya", 0x104a0), ("adlam", 0x1e950), ("outlined", 0x1ccf0)):
    disguise(f"digits-{label}", L + digits(zero), "digits of another alphabet")
circled = {"0": "⓪", **{str(n): chr(0x245f + n) for n in range(1, 10)}}
disguise("digits-circled", L + "".join(circled.get(c, c) for c in NIR), "circled digits")
dark = {"0": "⓿", **{str(n): chr(0x2775 + n) for n in range(1, 10)}}
disguise("digits-negative", L + "".join(dark.get(c, c) for c in NIR), "white digits in black circles")
sans = {"0": "🄋", **{str(n): chr(0x277f + n) for n in range(1, 10)}}
disguise("digits-sans-circled", L + "".join(sans.get(c, c) for c in NIR), "circled sans-serif digits")
double = {"0": "0", **{str(n): chr(0x24f4 + n) for n in range(1, 10)}}
disguise("digits-double-circled", L + "".join(double.get(c, c) for c in NIR), "digits in two circles")
disguise("digits-superscript", L + NIR.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")), "raised digits")
disguise("digits-subscript", L + NIR.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")), "lowered digits")
disguise("digits-keycap", L + "".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in NIR), "digits on keys")
disguise("digits-full-stop", L + "".join(chr(0x2487 + int(c)) if c in "123456789" else c for c in NIR), "digits with a full stop")
disguise("digits-letters", L + NIR.replace("0", "O").replace("1", "l"), "O for 0, l for 1")
disguise("digits-words", L + "un huit cinq zéro cinq sept huit zéro zéro six zéro huit quatre neuf un", "digits as words", miss="numbers told in words are a language of their own")
disguise("reversed", L + NIR[::-1], "written backwards")
disguise("bidi-override", L + "\u202e" + NIR[::-1] + "\u202c", "backwards, turned round by the screen")
disguise("bidi-isolate", L + "\u2067\u202e" + NIR[::-1] + "\u202c\u2069", "backwards, turned round by the screen")
disguise("quoted-lines", "> > sécurité sociale : 1 85 05 78\n> > 006 084 91", "wrapped in a quotation")
disguise("wrapped", L + "1 85 05 78 006\n084 91", "wrapped")
disguise("html-entities", L + "".join(f"&#{ord(c)};" for c in NIR), "entities in plain text")
disguise("percent", "https://example.org/?nir=" + "".join(f"%{ord(c):02x}" for c in NIR), "percent escapes in an address")
disguise("unicode-escapes", L + "".join(f"\\u{ord(c):04x}" for c in NIR), "escapes as in JSON")
disguise("iban-nbsp", "IBAN " + IBAN.replace(" ", "\u00a0"), "no-break blanks", "iban")
disguise("iban-lower", "iban " + IBAN.lower(), "lower case", "iban")
disguise("iban-cyrillic", "ІВАN F\u0052" + IBAN[2:], "Cyrillic letters in the word", "iban")
disguise("iban-greek-country", "IBAN \uff26\uff32" + IBAN[2:], "full-width country", "iban")
disguise("iban-every-char", "IBAN " + " ".join(IBAN.replace(" ", "")), "a blank after every sign", "iban")
disguise("iban-dots", "IBAN " + IBAN.replace(" ", "."), "dots", "iban")
disguise("iban-wrapped", "IBAN : FR76 3000 6000 0112\n3456 7890 189", "wrapped", "iban")
disguise("iban-zero-width", "IBAN " + "\u200b".join(IBAN), "invisible signs", "iban")
disguise("card-zero-width", "carte " + "\u200c".join(CARD), "invisible signs", "card")
disguise("card-homoglyph-word", "с\u0430rte b\u0430nc\u0430ire " + CARD, "Cyrillic letters in the word", "card")
disguise("card-dots", "carte " + CARD.replace(" ", "."), "dots", "card")
disguise("card-underscore", "carte " + CARD.replace(" ", "_"), "underscores", "card")
disguise("card-wrapped", "carte : 5555 5555\n5555 4444", "wrapped", "card")
disguise("card-fullwidth", "carte " + "".join(chr(0xff10 + int(c)) if c.isdigit() else c for c in CARD), "full-width digits", "card")
disguise("card-leet-word", "c@rte bancaire " + CARD, "a word spelt oddly", "card")
disguise("dr-spaced", "D I F F U S I O N   R E S T R E I N T E", "spaced capitals", "dr")
disguise("dr-dots", "D.I.F.F.U.S.I.O.N R.E.S.T.R.E.I.N.T.E", "dotted capitals", "dr")
disguise("dr-cyrillic", "DІFFUSІОN RЕSТRЕІNTЕ", "Cyrillic look-alikes", "dr")
disguise("dr-math", "".join(chr(0x1d400 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "mathematical letters", "dr")
disguise("dr-fullwidth", "".join(chr(0xff21 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "full-width letters", "dr")
disguise("dr-circled", "".join(chr(0x24b6 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "circled letters", "dr")
disguise("dr-regional", "".join(chr(0x1f1e6 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "letters of flags", "dr")
disguise("dr-squared", "".join(chr(0x1f130 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "letters in squares", "dr")
disguise("dr-negative", "".join(chr(0x1f170 + ord(c) - 65) if c.isalpha() else c for c in STAMP), "white letters in black squares", "dr")
disguise("dr-accents", "DÏFFÛSÎÔN RÊSTRÉÎNTÈ", "accents", "dr")
disguise("dr-zero-width", "\u200b".join(STAMP), "invisible signs", "dr")
disguise("dr-two-lines", "DIFFUSION\nRESTREINTE", "on two lines", "dr")
disguise("dr-underscore", "DIFFUSION_RESTREINTE", "underscore", "dr")
disguise("dr-small-capitals", "ᴅɪғғᴜsɪᴏɴ ʀᴇsᴛʀᴇɪɴᴛᴇ", "small capitals", "dr")
disguise("dr-digits", "D1FFU510N R35TR31NT3", "digits for letters", "dr")
disguise("dr-boxed", "*** DIFFUSION RESTREINTE ***", "between stars", "dr")
disguise("key-quoted", "".join("> " + line + "\n" for line in KEY.splitlines()), "quoted", "key")
disguise("key-dashes", KEY.replace("-----", "\u2014\u2014--"), "dashes that a word processor made longer", "key")
disguise("key-nbsp", KEY.replace(" PRIVATE KEY", "\u00a0PRIVATE\u00a0KEY"), "no-break blanks", "key")
disguise("key-one-line", KEY.replace("\n", " "), "on one line", "key")
disguise("key-escaped", 'key = "' + KEY.replace("\n", "\\n") + '"', "escaped in a string", "key")
disguise("key-indented", "".join("      " + line + "\n" for line in KEY.splitlines()), "indented as in YAML", "key")
disguise("key-openssh", KEY.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"), "OpenSSH", "key")
disguise("key-spaced", KEY.replace("-----BEGIN PRIVATE KEY-----", "----- BEGIN PRIVATE KEY -----"), "blanks at the dashes", "key")
# Values cut into pieces, each in its own way.
G = NIR.split()
disguise("iban-spelt-groups", "IBAN " + "  ".join(" ".join(g) for g in IBAN.split()), "a blank after every sign, two after every group", "iban")
disguise("iban-spelt-word", " ".join("IBAN" + IBAN.replace(" ", "")), "the word spelt too, all blanks alike", "iban")
disguise("iban-spelt-bare", "   ".join(" ".join(g) for g in IBAN.split()), "spelt, and no word names it", "iban")
disguise("iban-spelt-dashes", "-".join(IBAN.replace(" ", "")), "a dash after every sign", "iban")
disguise("iban-underscore", IBAN.replace(" ", "_"), "underscores", "iban")
disguise("iban-pipe", "iban|" + IBAN.replace(" ", "|") + "|virement", "bars", "iban")
disguise("iban-brackets", "IBAN : " + " ".join(f"[{g}]" for g in IBAN.split()), "each group in brackets", "iban")
disguise("iban-country-apart", "IBAN FR_76_" + IBAN[5:].replace(" ", "_"), "the country apart", "iban")
disguise("iban-quoted-lines", "> > IBAN : FR76 3000\n> > 6000 0112\n> > 3456 7890\n> > 189", "wrapped three times in a quotation", "iban")
disguise("iban-bullets", "IBAN :\n" + "\n".join(f"- {g}" for g in IBAN.split()), "a group on each line of a list", "iban")
disguise("iban-backwards", "compte " + IBAN[::-1], "written backwards", "iban")
disguise("nir-spelt-groups", L + "  ".join(" ".join(g) for g in G), "a blank after every digit, two after every group")
disguise("nir-spelt-word", "N I R 1 8 5 0 5 7 8 0 0 6 0 8 4 9 1", "the word spelt too")
disguise("nir-key-slash", "dossier 1 85 05 78 006 084 / 91", "the key behind a slash, no word near")
disguise("nir-key-bracket", "dossier 1 85 05 78 006 084 (91)", "the key in brackets, no word near")
disguise("nir-key-named", "dossier 1 85 05 78 006 084 (clé 91)", "the key named, no word near")
disguise("nir-key-colon", "dossier 1850578006084, clé : 91", "the key named, no word near")
disguise("nir-key-english", "file 1850578006084 key 91", "the key named in English, no word near")
disguise("nir-underscore-bare", "copie_1_85_05_78_006_084_91_v2", "underscores, no word near")
disguise("nir-pipe-bare", "| 1 | 85 | 05 | 78 | 006 | 084 | 91 |", "a row drawn with bars, no word near")
disguise("nir-many-signs", "1.85-05/78_006 084|91", "another sign between each two groups")
disguise("nir-corsica", "2_85_05_2A_006_084_" + f"{97 - (2850519006084 % 97):02d}", "underscores, born in Corsica")
disguise("nir-quoted-three", "> sécurité sociale :\n> 1 85 05\n> 78 006\n> 084 91", "wrapped three times in a quotation")
disguise("nir-bullets", L + "\n• 1 85 05\n• 78 006\n• 084 91", "three lines of a list")
disguise("nir-stars", L + "\n* 1\n* 85\n* 05\n* 78\n* 006\n* 084\n* 91", "a line of a list for each group")
disguise("nir-numbered", L + "\n1. 1 85 05\n2. 78 006\n3. 084 91", "three lines of a numbered list")
disguise("nir-indented", "secu\n    1 85 05\n    78 006 084\n    91", "indented lines")
disguise("nir-cut", "dossier 1850578006\n08491 à suivre", "cut by a line's end, no word near")
disguise("nir-quoted-cut", "> dossier 1850578006\n> 08491 à suivre", "the same in a quotation")
disguise("nir-decoys", L + "(12) (345) (678) (901) (234) " * 80 + "\n" + L + "(1) (85) (05) (78) (006) (084) (91)", "behind eighty runs that are nothing")
disguise("card-pipe", "carte|5555|5555|5555|4444|12/27", "bars", "card")
disguise("card-quoted", "> carte 5555 5555\n> 5555 4444", "wrapped in a quotation", "card")
disguise("card-spelt", "carte bancaire 5 5 5 5  5 5 5 5  5 5 5 5  4 4 4 4", "a blank after every digit", "card")
disguise("siret-nic", "SIREN 732 829 320, NIC 00074", "company and office told apart", "siret")
disguise("siret-nic-brackets", "SIREN : 732829320 (NIC : 00074)", "company and office told apart", "siret")
disguise("siret-siren", "SIREN 732 829 320 00074", "named after its first half", "siret")
disguise("siren-underscore", "SIREN_732_829_320", "underscores", "siren")
disguise("dr-two-blanks", "D I F F U S I O N  R E S T R E I N T E", "spelt, two blanks between the words", "dr")
disguise("dr-one-blank", "D I F F U S I O N R E S T R E I N T E", "spelt, all blanks alike", "dr")
disguise("dr-dashes", "D-I-F-F-U-S-I-O-N R-E-S-T-R-E-I-N-T-E", "dashes", "dr")
disguise("dr-underscores", "D_I_F_F_U_S_I_O_N R_E_S_T_R_E_I_N_T_E", "underscores", "dr")
disguise("dr-middle-dots", "·".join("DIFFUSION") + "   " + "·".join("RESTREINTE"), "middle dots", "dr")
disguise("dr-nbsp", "\u00a0".join("DIFFUSION") + "\u00a0\u00a0\u00a0" + "\u00a0".join("RESTREINTE"), "no-break blanks", "dr")
disguise("dr-column", "\n".join("DIFFUSION") + "\n\n" + "\n".join("RESTREINTE"), "a letter on each line", "dr")
disguise("secret-spelt", "S E C R E T", "spelt", "secret")
disguise("tres-secret-spelt", "T R È S   S E C R E T", "spelt, with an accent", "tres")
disguise("special-spelt", "S P É C I A L   F R A N C E", "spelt, with an accent", "special")
disguise("tlp-spelt", "T L P : R E D", "spelt", "tlp")
disguise("secret-leet", "TR3S S3CR3T", "digits for letters", "tres")
disguise("qp-in-text", "S=C3=A9curit=C3=A9 sociale : " + q(NIR), "quoted-printable that nobody declared")
case("header-subject-dr-spelt", text(body, subject="D I F F U S I O N   R E S T R E I N T E"), "spelt in the subject", found="dr")
case("name-underscore", attached("copie_1_85_05_78_006_084_91.txt", "a"), "underscores in a file's name", found="nir")
case("name-spelt", attached("F R 7 6 3 0 0 0 6 0 0 0 0 1 1 2 3 4 5 6 7 8 9 0 1 8 9.txt", "a"), "spelt in a file's name", found="iban")
case("name-zip-underscore", attached("a.zip", zip_of([("copie_1_85_05_78_006_084_91_v2.txt", "a")])), "underscores in the name of an archive's member", found="nir")
case("name-zip-spelt", attached("a.zip", zip_of([("D I F F U S I O N   R E S T R E I N T E/note.txt", "a")])), "a stamp spelt in a folder's name", found="dr")
# Charsets that are not what they are said to be.
for label, kind, octets in (
    ("utf16-as-utf8", "utf-8", (L + NIR).encode("utf-16-le")), ("utf16-as-latin1", "iso-8859-1", (L + NIR).encode("utf-16-le")), ("utf16-as-ascii", "us-ascii", (L + NIR).encode("utf-16")),
    ("utf16be-as-utf8", "utf-8", (L + NIR).encode("utf-16-be")), ("utf16be-as-utf16le", "utf-16le", (L + NIR).encode("utf-16-be")), ("utf16le-as-utf16be", "utf-16be", (L + NIR).encode("utf-16-le")),
    ("utf32-as-utf8", "utf-8", (L + NIR).encode("utf-32-le")), ("utf8-as-utf16", "utf-16", S8), ("utf8-as-utf16be", "utf-16be", S8), ("utf8-as-utf32", "utf-32", S8), ("utf16-marked-twice", "utf-16", b"\xff\xfe" + (L + NIR).encode("utf-16")),
    ("utf16-odd", "utf-16le", b"x" + (L + NIR).encode("utf-16-le")), ("utf7-unicode", "unicode-1-1-utf-7", b"secu +ADE- 85 05 78 006 084 91"), ("utf7-upper", "UTF7", b"secu +ADE- 85 05 78 006 084 91"),
    ("utf7-packed", "utf-7", b"secu +" + base64.b64encode(NIR.encode("utf-16-be")).rstrip(b"=") + b"-"), ("utf7-no-end", "utf-7", b"secu +" + base64.b64encode(NIR.encode("utf-16-be")).rstrip(b"=")), ("mac-roman", "macintosh", (L + NIR).encode("mac-roman")),
    ("cp1047", "cp1047", (L + NIR).encode("cp500")), ("quoted-label", '"utf-16le "', (L + NIR).encode("utf-16-le"))):
    case(f"charset-{label}", text(b64(octets), kind=f"text/plain; charset={kind}", cte="base64"), "a charset that is not what it is said to be, or few know", found="nir")
case("charset-utf7-meta", text("<html><head><meta charset=utf-7></head><body>secu +ADE- 85 05 78 006 084 91</body></html>", kind="text/html"), "UTF-7 told by the page itself", found="nir")
case("charset-utf7-meta-equiv", text('<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-7"></head><body>secu +ADE- 85 05 78 006 084 91</body></html>', kind="text/html"), "UTF-7 told by the page itself", found="nir")
case("charset-utf16-html", text(b64("<p>secu 1 <b>8</b>5 05 78 006 084 91</p>".encode("utf-16-le")), kind="text/html; charset=utf-8", cte="base64"), "HTML in UTF-16 that says UTF-8", found="nir")
# Transfer encodings, damaged.
case("mime-qp-uppercase-soft", text("securite sociale : 1 85 =\r\n05 78=\r\n 006 084=20=\r\n91\n", cte="quoted-printable"), "soft line ends between and escaped blanks", found="nir")
case("mime-qp-half", text("a =3\nsecurite sociale : 1 85 05 78 006 084 91 =\n", cte="quoted-printable"), "half an escape, and a soft end at the end", found="nir", unreadable=True)
case("mime-qp-cut-escape", text("securite sociale : 1 85 0=\n5 78 006 084 9=3=\n1\n", cte="quoted-printable"), "an escape cut by a soft line end", found="nir", unreadable=True)
case("mime-qp-equals", text("securite sociale : 1=85 05 78 006 084 91 and =31 =38=35 05 78 006 084 91\n", cte="quoted-printable"), "octets that may be escapes or not", found="nir", unreadable=True)
case("mime-qp-underscore", text("securite sociale : 1_85_05_78_006_084_91\n", cte="quoted-printable"), "blanks as in encoded words", found="nir")
case("mime-qp-long-line", text("securite sociale : " + "".join(f"={ord(c):02X}" for c in "x " * 600 + NIR) + "\n", cte="quoted-printable"), "a line far too long", found="nir")
packed64 = base64.b64encode(b"Bonjour, voici la suite. " + S8 + b". Merci de traiter.").decode()
case("mime-base64-lost", text(packed64[:30] + packed64[31:], cte="base64"), "one sign lost: all behind it is shifted", found="nir", unreadable=True)
case("mime-base64-quoted", text("".join(f"> {packed64[i:i + 40]}\n" for i in range(0, len(packed64), 40)), cte="base64"), "marks of quotation before each line", found="nir", unreadable=True)
case("mime-base64-padded-lines", text("".join(base64.b64encode((b"Bonjour. " + S8)[i:i + 10]).decode() + "\n" for i in range(0, len(S8) + 9, 10)), cte="base64"), "each line padded by itself", found="nir", unreadable=True)
case("mime-base64-space", text(" ".join(packed64), cte="base64"), "a blank between all signs", found="nir", unreadable=True)
case("mime-base64-declared-7bit", text("".join(f"> {packed64[i:i + 40]}\n" for i in range(0, len(packed64), 40))), "base64 in a quotation, not declared", found="nir")
case("mime-base64-as-qp", text(packed64 + "\n", cte="quoted-printable"), "base64 that says quoted-printable", found="nir")
case("mime-qp-as-base64", text("securite sociale =\n1 85 05 78 006 084 91\n", cte="base64"), "text that says base64", found="nir", unreadable=True)
for label, charset, octets in (
    ("utf7", "utf-7", (L + NIR).encode("utf-7").replace(b"1 85", b"+ADE- 85")), ("utf16", "utf-16", (L + NIR).encode("utf-16")), ("utf16le", "utf-16le", (L + NIR).encode("utf-16-le")),
    ("utf16be", "utf-16be", (L + NIR).encode("utf-16-be")), ("utf32", "utf-32", (L + NIR).encode("utf-32")), ("utf32be", "utf-32be", (L + NIR).encode("utf-32-be")), ("ebcdic", "ibm037", (L + NIR).encode("cp037")), ("ebcdic-500", "cp500", (L + NIR).encode("cp500")), ("ebcdic-1047", "ibm1047", (L + NIR).encode("cp037")), ("ebcdic-1140", "ibm01140", (L + NIR).encode("cp1140")),
    ("iso2022jp", "iso-2022-jp", ("\uff11\uff18\uff15 NIR " + NIR).encode("iso-2022-jp")), ("hz", "hz-gb-2312", b"secu ~{#1~} 85 05 78 006 084 91"), ("gb18030", "gb18030", ("secu " + NIR).encode("gb18030")), ("unknown", "x-nothing", S8), ("lie-utf16", "utf-16", S8), ("lie-utf7", "utf-7", b"secu +" + NIR.encode()), ("lie-ebcdic", "ibm037", S8), ("double", 'utf-8; charset="ibm037"', (L + NIR).encode("cp037")), ("latin9", "iso-8859-15", (L + NIR).encode("iso-8859-15"))):
    case(f"charset-{label}", text(b64(octets), kind=f"text/plain; charset={charset}", cte="base64"), "a charset that few readers know, or a wrong one", found="nir")

# --- HTML -------------------------------------------------------------------------------------------------------------------------

def page(name, body, because, rule="nir", **more):
    case(f"html-{name}", html(body), because, found=rule, **more)


D = NIR.replace(" ", "")
page("bold", f"sécurité sociale : 1 <b>85</b> 05 <i>78</i> 006 084 91", "bold digits")
page("split-spans", "sécurité sociale : " + "".join(f"<span>{c}</span>" for c in D), "a span for every digit")
page("split-comments", "sécurité sociale : " + "<!-- x -->".join(D), "comments between the digits")
page("split-entities", "sécurité sociale : " + "".join(f"&#x{ord(c):x};" for c in D), "entities")
page("split-entities-loose", "sécurité sociale : " + "".join(f"&#000{ord(c)} " if c == " " else f"&#000{ord(c)}" for c in NIR), "entities without an end", "nir")
page("split-wbr", "sécurité sociale : " + "<wbr>".join(D), "possible line breaks")
page("split-shy", "sécurité sociale : " + "&shy;".join(D), "soft hyphens")
page("split-zwnj", "sécurité sociale : " + "&zwnj;".join(D), "invisible signs by name")
page("split-zerowidth-number", "sécurité sociale : " + "&#8203;".join(D), "invisible signs by number")
page("split-newline-entity", "sécurité sociale : " + "&NewLine;".join(NIR.split()), "line feeds by name")
page("split-nbsp", "sécurité sociale : " + NIR.replace(" ", "&nbsp;"), "no-break blanks")
page("split-thinsp", "sécurité sociale : " + NIR.replace(" ", "&thinsp;"), "thin blanks")
page("split-nnbsp", "sécurité sociale : " + NIR.replace(" ", "&#8239;"), "narrow blanks")
page("split-br", "sécurité sociale : " + "<br>".join(NIR.split()), "line breaks between the groups")
page("split-cells", "<table><tr><td>sécurité sociale</td>" + "".join(f"<td>{g}</td>" for g in NIR.split()) + "</tr></table>", "a cell for each group")
page("split-digit-cells", "<table><tr><td>sécurité sociale</td>" + "".join(f"<td>{g}</td>" for g in D) + "</tr></table>", "a cell for each digit, as on a form")
page("split-divs", "sécurité sociale : " + "".join(f"<div style='display:inline'>{g}</div>" for g in D), "blocks shown in one line")
page("split-divs-float", "sécurité sociale : " + "".join(f"<div style='float:left'>{g}</div>" for g in D), "blocks side by side")
page("split-inputs", "sécurité sociale : " + "".join(f"<input maxlength=1 value={g}>" for g in D), "a field for each digit")
page("decoy-none", "sécurité sociale : " + "".join(f"{c}<span style='display:none'>7</span>" for c in D), "hidden digits between")
page("decoy-visibility", "sécurité sociale : " + "".join(f"{c}<span style='font-size:0'>7</span>" for c in D), "digits of no size between")
page("decoy-class", "<style>.z{display:none}</style>sécurité sociale : " + "".join(f"{c}<i class=z>x</i>" for c in D), "hidden by a class")
page("decoy-hidden-attribute", "sécurité sociale : " + "".join(f"{c}<span hidden>x</span>" for c in D), "hidden by attribute")
page("decoy-script", "sécurité sociale : " + "<script>var a=1;</script>".join(D), "scripts between")
page("decoy-style", "sécurité sociale : " + "<style>p{}</style>".join(D), "style sheets between")
page("decoy-id", "<style>#z1,#z2{display:none}</style>sécurité sociale : 1 85 05<b id=z1>99</b> 78 006<b id=z2>99</b> 084 91", "hidden by id")
page("decoy-opacity", "sécurité sociale : " + "".join(f"{c}<span style='position:absolute;left:-9999px'>7</span>" for c in D), "digits beside the screen")
page("hidden-none", f"<div style='display:none'>{SAID}</div>", "not shown at all")
page("hidden-white", f"<font color=white>{SAID}</font>", "white on white")
page("hidden-comment", f"<!-- {SAID} -->", "a comment")
page("hidden-conditional", f"<!--[if mso]><p>{SAID}</p><![endif]-->", "for Outlook only")
page("hidden-script", f"<script>var a='{SAID}'</script>", "a script")
page("hidden-style", f"<style>p::before{{content:'{SAID}'}}</style>", "made by the style sheet")
page("hidden-style-escape", "<style>p::before{content:'secu \\31 \\38 \\35 \\30 \\35 \\37 \\38 \\30 \\30 \\36 \\30 \\38 \\34 \\39 \\31 '}</style>", "escaped in the style sheet")
page("hidden-alt", f"<img src='cid:a' alt='{SAID}'>", "an alternative text")
page("hidden-title", f"<p title='{SAID}'>x</p>", "a tooltip")
page("hidden-data", f"<p data-x='{SAID}'>x</p>", "an invented attribute")
page("hidden-meta", f"<meta name=description content='{SAID}'>", "a meta tag")
page("hidden-mailto", "<a href='mailto:a@example.org?body=secu%20" + NIR.replace(" ", "%20") + "'>x</a>", "in a mailto")
page("hidden-href-escapes", "<a href='https://example.org/?q=s%C3%A9cu+" + "".join(f"%{ord(c):02X}" for c in NIR) + "'>x</a>", "percent escapes")
page("hidden-data-uri", "<img src='data:text/plain;base64," + base64.b64encode(S8).decode() + "'>", "an address that holds the text")
page("hidden-data-uri-html", "<iframe src='data:text/html," + f"<p>{SAID}</p>".replace(" ", "%20").replace("<", "%3C").replace(">", "%3E") + "'></iframe>", "an address that holds a page")
page("hidden-srcdoc", f"<iframe srcdoc='&lt;p&gt;{SAID}&lt;/p&gt;'></iframe>", "a page in an attribute")
page("hidden-srcdoc-split", "<iframe srcdoc='&lt;p&gt;secu " + "&lt;b&gt;&lt;/b&gt;".join(D) + "&lt;/p&gt;'></iframe>", "a page in an attribute, digits apart")
page("hidden-noscript", f"<noscript>{SAID}</noscript>", "noscript")
page("hidden-template", f"<template>{SAID}</template>", "template")
page("hidden-textarea", f"<textarea>{SAID}</textarea>", "textarea")
page("hidden-value", f"<input type=hidden value='{SAID}'>", "a hidden field")
page("hidden-placeholder", f"<input placeholder='{SAID}'>", "a placeholder")
page("hidden-option", f"<select><option>{SAID}</option></select>", "an option")
page("hidden-svg", f"<svg><text>{SAID}</text></svg>", "SVG text")
page("hidden-svg-glyphs", "<svg><text>secu " + "".join(f"<tspan>{c}</tspan>" for c in D) + "</text></svg>", "SVG, each digit its own")
page("hidden-math", f"<math><mtext>{SAID}</mtext></math>", "MathML")
page("hidden-cdata", f"<![CDATA[{SAID}]]>", "CDATA")
page("hidden-xmp", f"<xmp>{SAID}</xmp>", "xmp")
page("hidden-plaintext", f"<plaintext>{SAID}", "plaintext")
page("hidden-object", f"<object data='x'>{SAID}</object>", "object's inside")
page("hidden-audio", f"<video>{SAID}</video>", "video's inside")
page("hidden-noframes", f"<noframes>{SAID}</noframes>", "noframes")
page("hidden-after-end", "</body></html>" + SAID, "after the end")
page("hidden-open-tag", f"<p title=\"{SAID}", "a tag without an end")
page("hidden-open-comment", f"<!-- {SAID}", "a comment without an end")
page("hidden-odd-comment", f"<!--> {SAID} <!-- -->", "a comment that ends at once")
page("hidden-bang-comment", f"<!-- x --!> {SAID} <!-- y -->", "a comment that ends with --!>")
page("hidden-question", f"<?xml {SAID} ?>", "a processing instruction")
page("hidden-closing", f"</p {SAID}>x", "attributes of an end tag")
page("hidden-nul", "s\0écu : " + "\0".join(D), "NUL between") if False else None
page("reversed-bdo", f"sécurité sociale : <bdo dir=rtl>{NIR[::-1]}</bdo>", "turned round by bdo")
page("reversed-css", f"sécurité sociale : <span style='unicode-bidi:bidi-override;direction:rtl'>{NIR[::-1]}</span>", "turned round by style")
page("reversed-flex", "sécurité sociale : <span style='display:flex;flex-direction:row-reverse'>" + "".join(f"<i>{c}</i>" for c in reversed(D)) + "</span>", "turned round by flex")
FLOAT = "".join(f"<span style='float:right'>{c}</span>" for c in reversed(D))
page("reversed-float", f"sécurité sociale : <p>{FLOAT}</p>", "each digit floats to the right")
page("reversed-float-groups", "<p>sécurité sociale</p><div>" + "".join(f"<div style='float: right; padding: 2px'>{g}</div>" for g in reversed(G)) + "</div>", "each group floats to the right")
page("reversed-float-class", "<style>.r { float:right }</style><p>sécurité sociale</p><div>" + "".join(f"<b class=r>{c}</b>" for c in reversed(D)) + "</div>", "the same by a class")
page("reversed-inline-block", "<p>sécurité sociale</p><div style='direction:rtl'>" + "".join(f"<span style='display:inline-block'>{c}</span>" for c in reversed(D)) + "</div>", "boxes in a line from right to left")
page("reversed-table", "<p>sécurité sociale</p><table dir=rtl><tr>" + "".join(f"<td>{g}</td>" for g in reversed(G)) + "</tr></table>", "a table from right to left")
page("reversed-class", f"<style>.t{{unicode-bidi:bidi-override;direction:rtl}}</style>sécurité sociale : <span class=t>{NIR[::-1]}</span>", "turned round by a class")
page("reversed-dir-attribute", f"sécurité sociale : <span dir=rtl style='unicode-bidi:bidi-override'>{NIR[::-1]}</span>", "turned round by attribute and style")
page("reversed-flex-class", "<style>.f{display:flex;flex-direction:row-reverse}</style><p>sécurité sociale</p><div class=f>" + "".join(f"<i>{g}</i>" for g in reversed(G)) + "</div>", "turned round by flex, by a class")
page("reversed-column", "<p>sécurité sociale</p><div style='display:flex;flex-direction:column-reverse'>" + "".join(f"<p>{g}</p>" for g in reversed(G)) + "</div>", "from the bottom to the top")
page("order-flex", "<p>sécurité sociale</p><div style='display:flex'>" + "".join(f"<i style='order:{n}'>{g}</i>" for n, g in sorted(enumerate(G), key=lambda e: (e[0] * 3) % 7)) + "</div>", "shuffled, put in order by flex")
page("order-grid", "<p>sécurité sociale</p><div style='display:grid'>" + "".join(f"<i style='grid-column:{n + 1}'>{g}</i>" for n, g in sorted(enumerate(G), key=lambda e: (e[0] * 3) % 7)) + "</div>", "shuffled, put in order by a grid")
page("order-absolute", "<p>sécurité sociale</p><div>" + "".join(f"<i style='position:absolute;left:{n * 9 + 20}px'>{c}</i>" for n, c in sorted(enumerate(D), key=lambda e: (e[0] * 7) % 15)) + "</div>", "shuffled, each digit placed")
page("order-absolute-right", "<p>sécurité sociale</p><div>" + "".join(f"<i style='position:absolute;right:{n * 9 + 20}px'>{c}</i>" for n, c in enumerate(reversed(D))) + "</div>", "each digit placed from the right")
page("content-class", "<style>.a::before{content:'1 85 05'}.b:before{content:\"78 006\"}.c::after{content:'084 91'}</style><p>sécurité sociale <b class=a></b> <b class=b></b> <b class=c></b></p>", "made by the style sheet in pieces")
page("content-digits", "<style>" + "".join(f".d{c}::before{{content:'{c}'}}" for c in sorted(set(D))) + "</style><p>sécurité sociale " + "".join(f"<i class=d{c}></i>" for c in D) + "</p>", "each digit made by a class")
page("content-attribute", "<style>i::after{content:attr(data-n)}</style><p>sécurité sociale " + "".join(f"<i data-n={c}></i>" for c in D) + "</p>", "each digit in an attribute that the style sheet shows")
page("decoy-content", "<style>.x::before{content:'7'}</style><p>sécurité sociale " + "<i class=x></i>".join(D) + "</p>", "a style sheet puts digits between, where it is obeyed")
page("decoy-nested-class", "<style>p .z , td.y{display:none}</style><p>sécurité sociale : " + "".join(f"{c}<i class='z'>9</i>" for c in D) + "</p>", "hidden by a class below an element")
page("decoy-width", "sécurité sociale : " + "".join(f"{c}<span style='display:inline-block;width:0;overflow:hidden'>7</span>" for c in D), "digits of no width between")
page("decoy-clip", "sécurité sociale : " + "".join(f"{c}<span style='position:absolute;clip:rect(0,0,0,0)'>7</span>" for c in D), "digits clipped away")
page("decoy-scale", "sécurité sociale : " + "".join(f"{c}<span style='transform:scale(0)'>7</span>" for c in D), "digits made small")
page("decoy-white", "sécurité sociale : " + "".join(f"{c}<span style='color:#fff'>7</span>" for c in D), "white digits between")
page("decoy-font-white", "sécurité sociale : " + "".join(f"{c}<font color=white>7</font>" for c in D), "white digits between")
page("decoy-tiny", "sécurité sociale : " + "".join(f"{c}<span style='font-size:1px'>7</span>" for c in D), "tiny digits between")
page("decoy-opacity-fraction", "sécurité sociale : " + "".join(f"{c}<span style='opacity:0.0'>7</span>" for c in D), "transparent digits between")
page("decoy-collapse", "sécurité sociale : " + "".join(f"{c}<span style='visibility: collapse'>7</span>" for c in D), "collapsed digits between")
page("decoy-details", "sécurité sociale : " + "".join(f"{c}<template>7</template>" for c in D), "digits in templates between")
page("decoy-media", "<style>@media screen { .m { display:none } }</style>sécurité sociale : " + "".join(f"{c}<i class=m>7</i>" for c in D), "hidden on screens only")
page("decoy-important", "<style>span.h{display:block;display:none !important}</style>sécurité sociale : " + "".join(f"{c}<span class=h>7</span>" for c in D), "hidden twice over")
page("decoy-uppercase", "<STYLE>.U{DISPLAY:NONE}</STYLE>sécurité sociale : " + "".join(f"{c}<I CLASS=U>7</I>" for c in D), "hidden in capitals")
page("decoy-attribute-selector", "<style>i[data-h]{display:none}</style>sécurité sociale : " + "".join(f"{c}<i data-h>7</i>" for c in D), "hidden by an attribute that a selector names")
page("decoy-element", "<style>s{display:none}</style>sécurité sociale : " + "".join(f"{c}<s>7</s>" for c in D), "all elements of a name hidden")
page("split-alt", "sécurité sociale : " + "".join(f"<img alt={c} src=cid:{c}>" for c in D), "pictures whose alternative texts are digits")
page("split-comment-conditional", "sécurité sociale : " + "<!--[if mso]>&nbsp;<![endif]-->".join(G), "conditional comments between the groups")
page("split-entities-twice", "sécurité sociale : " + "".join(f"&amp;#{ord(c)};" for c in NIR), "entities of entities")
page("split-entities-padded", "sécurité sociale : " + "".join(f"&#x{ord(c):08x};" for c in NIR), "entities with noughts")
page("split-bdi", "sécurité sociale : " + "".join(f"<bdi>{c}</bdi>" for c in D), "isolated digits")
page("split-ruby", "sécurité sociale : " + "".join(f"<ruby>{g}<rp>(</rp><rp>)</rp></ruby>" for g in G), "ruby")
page("split-sup", "sécurité sociale : " + "".join(f"<sup>{c}</sup>" for c in D), "raised digits")
page("split-p", "<p>sécurité sociale</p>" + "".join(f"<p>{g}</p>" for g in G), "a paragraph for each group")
page("split-rows", "<table><tr><td>sécurité sociale</td></tr>" + "".join(f"<tr><td>{g}</td></tr>" for g in G) + "</table>", "a row for each group")
page("split-odd-cells", "<table><tr><td>sécurité sociale</td><td>18505</td><td>7800</td><td>6084</td><td>91</td></tr></table>", "cells that are no groups")
page("split-list", "<p>sécurité sociale</p><ul>" + "".join(f"<li>{g}</li>" for g in G) + "</ul>", "a list")
page("split-invisible-entities", "sécurité sociale : " + "&NoBreak;".join(D), "invisible signs by name")
page("split-lrm", "sécurité sociale : " + "&lrm;".join(D), "marks of direction by name")
page("stamp-spelt", "<p>D I F F U S I O N &nbsp; R E S T R E I N T E</p>", "spelt", "dr")
page("stamp-letter-cells", "<table><tr>" + "".join(f"<td>{c}</td>" for c in "DIFFUSION") + "</tr><tr>" + "".join(f"<td>{c}</td>" for c in "RESTREINTE") + "</tr></table>", "a cell for each letter", "dr")
page("stamp-reversed", "<p style='direction:rtl;unicode-bidi:bidi-override'>" + STAMP[::-1] + "</p>", "turned round by style", "dr")
page("stamp-content", f"<style>h1::after{{content:'{STAMP}'}}</style><h1></h1>", "made by the style sheet", "dr")
page("iban-hidden-half", "<p>IBAN FR76 3000 6000 <span style='display:none'>x</span>0112 3456 <!-- y -->7890 189</p>", "hidden text inside", "iban")
page("stamp-letters", "".join(f"<b>{c}</b>" for c in "DIFFUSION") + " " + "".join(f"<b>{c}</b>" for c in "RESTREINTE"), "letters apart", "dr")
page("stamp-spacing", "<h1>Diffusion Restreinte</h1>", "a heading", "dr")
page("stamp-uppercase", "<p style='text-transform:uppercase'>diffusion restreinte</p>", "capitals by style", "dr")
page("key-pre", "<pre>" + KEY + "</pre>", "preformatted", "key")
page("key-br", KEY.replace("\n", "<br>\n"), "line breaks", "key")
page("iban-links", "<p>IBAN : " + "".join(f"<a href='#'>{g}</a> " for g in IBAN.split()) + "</p>", "a link on each group", "iban")
case("html-attachment", attached("a.html", f"<p>{SAID.replace('1 85', '1 <b>8</b>5')}</p>", "text/html"), "attached", found="nir")
case("html-as-text", text(f"<html><body>secu 1 <b>8</b>5 05 78 006 084 91</body></html>"), "HTML that says it is plain", found="nir")
case("html-utf7", text("<html><body>secu +ADE- 85 05 78 006 084 91</body></html>", kind="text/html; charset=utf-7"), "HTML in UTF-7", found="nir")
case("html-meta-charset", text(b"<html><head><meta charset=ibm037></head><body>" + S8, kind="text/html"), "a lie about the charset", found="nir")
case("html-svg-file", attached("a.svg", f"<svg xmlns='http://www.w3.org/2000/svg'><text>secu <tspan>1 85 05</tspan><tspan> 78 006 084 91</tspan></text></svg>", "image/svg+xml"), "an SVG picture", found="nir")

# --- Office, RTF -------------------------------------------------------------------------------------------------------------------

def file_case(name, file, octets, because, rule="nir", **more):
    case(name, attached(file, octets), because, found=rule, **more)


def word(name, body, because, others=(), rule="nir", **more):
    file_case(f"office-{name}", "a.docx", docx(body, others), because, rule, **more)


X = para(SAID)
word("docx", X, "in a paragraph")
word("docx-runs", para("sécurité sociale : ", *D), "a run for every digit")
word("docx-deleted", "<w:p><w:del><w:r><w:delText>" + SAID + "</w:delText></w:r></w:del></w:p>", "deleted, change still recorded")
word("docx-vanish", "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>" + SAID + "</w:t></w:r></w:p>", "hidden text")
word("docx-entities", para("sécurité sociale : " + "".join(f"&#{ord(c)};" for c in NIR)), "entities")
word("docx-field", "<w:p><w:r><w:instrText>QUOTE \"" + SAID + "\"</w:instrText></w:r></w:p>", "a field's code")
word("docx-symbols", "<w:p><w:r><w:t>secu </w:t></w:r>" + "".join(f'<w:r><w:sym w:font="Arial" w:char="00{ord(c):02X}"/></w:r>' for c in D) + "</w:p>", "digits as symbols")
word("docx-alt", '<w:p><w:r><w:drawing><wp:docPr xmlns:wp="x" id="1" name="a" descr="' + SAID + '"/></w:drawing></w:r></w:p>', "an alternative text")
word("docx-textbox", f'<w:p><w:r><w:pict><v:textbox xmlns:v="v"><w:txbxContent>{X}</w:txbxContent></v:textbox></w:pict></w:r></w:p>', "a text box")
word("docx-sdt", f'<w:sdt><w:sdtPr><w:placeholder/><w:tag w:val="{SAID}"/></w:sdtPr><w:sdtContent>{para("x")}</w:sdtContent></w:sdt>', "a content control's tag")
word("docx-bookmark", f'<w:p><w:bookmarkStart w:id="0" w:name="nir_{D}"/></w:p>', "a bookmark's name")
for inner in ("word/comments.xml", "word/footnotes.xml", "word/header1.xml", "word/endnotes.xml", "word/glossary/document.xml", "customXml/item1.xml", "word/people.xml", "word/settings.xml", "word/styles.xml", "word/fontTable.xml", "word/theme/theme1.xml", "docProps/custom.xml", "docProps/core.xml", "docProps/app.xml", "word/anything.xml"):
    word("docx-in-" + inner.split("/")[-1].split(".")[0].lower() + ("-glossary" if "glossary" in inner else ""), para("x"), f"in {inner}", [(inner, f'<?xml version="1.0"?><w:x {W}><w:p><w:r><w:t>{SAID}</w:t></w:r></w:p></w:x>')])
word("docx-comment-xml", "<!-- " + SAID + " -->", "an XML comment")
word("docx-altchunk", para("x"), "an HTML page inside", [("word/afchunk.htm", f"<p>secu {'<b></b>'.join(D)}</p>")])
word("docx-embedded-xlsx", para("x"), "a workbook inside", [("word/embeddings/a.xlsx", xlsx([[inline("secu"), inline(NIR)]]))])
word("docx-media-text", para("x"), "text that says it is a picture", [("word/media/image1.png", SAID)])
word("docx-media-png", para("x"), "text inside a picture", [("word/media/image1.png", png([(b"tEXt", b"Comment\0secu " + NIR.encode())]))])
word("docx-unknown-member", para("x"), "a file nobody named", [("word/zzz.bin", SAID)])
word("docx-printer", para("x"), "among the printer's settings", [("word/printerSettings/printerSettings1.bin", SAID)])
word("docx-odttf", para("x"), "text that says it is a font", [("word/fonts/font1.odttf", SAID)])
word("docx-rels", para("x"), "a link's target", [("word/_rels/document.xml.rels", f'<Relationships><Relationship Id="r1" Target="https://example.org/?secu={D}" TargetMode="External"/></Relationships>')])
word("docx-rels-relative", para("x"), "a link's target without a scheme", [("word/_rels/document.xml.rels", f'<Relationships><Relationship Id="r1" Target="secu {NIR}" TargetMode="External"/></Relationships>')])
file_case("office-docx-other-name", "a.docx", docx(X, name="word/corps.xml"), "the body under another name")
file_case("office-docx-upper", "a.docx", docx(X, name="WORD/Document.xml"), "the folder in capitals")
file_case("office-docx-utf16", "a.docx", docx(f'<?xml version="1.0" encoding="UTF-16"?><w:document {W}><w:body>{X}</w:body></w:document>'.encode("utf-16")), "XML in UTF-16")
file_case("office-docx-doctype", "a.docx", docx(f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY n "{NIR}">]><w:document {W}><w:body>{para("sécu &n;")}</w:body></w:document>'), "an entity that holds the number")
file_case("office-docx-renamed", "photo.jpg", docx(X), "renamed")
file_case("office-docx-comment", "a.docx", docx(para("x"))[:-2] + struct.pack("<H", len(S8)) + S8, "the container's comment")
file_case("office-docx-stamp", "a.docx", docx(para("x"), [("word/header1.xml", f'<w:hdr {W}>{para(STAMP)}</w:hdr>')]), "a stamp in the header", "dr")
file_case("office-xlsx-inline", "a.xlsx", xlsx([[inline("Nom"), inline("NIR")], [inline("Dupont"), inline(NIR)]]), "text in a cell")
file_case("office-xlsx-shared", "a.xlsx", xlsx([[("s", "<v>0</v>"), ("s", "<v>1</v>")], [inline("Dupont"), ("s", "<v>2</v>")]], strings=["<t>Nom</t>", "<t>NIR</t>", f"<t>{NIR}</t>"]), "a shared string")
file_case("office-xlsx-rich", "a.xlsx", xlsx([[inline("NIR"), ("s", "<v>0</v>")]], strings=["".join(f"<r><t>{c}</t></r>" for c in D)]), "a run for every digit")
file_case("office-xlsx-number", "a.xlsx", xlsx([[inline("NIR")], [("", f"<v>{D}</v>")]]), "a number")
file_case("office-xlsx-float", "a.xlsx", xlsx([[inline("NIR")], [("", f"<v>1.85057800608491E14</v>")]]), "a number with an exponent")
file_case("office-xlsx-float-small", "a.xlsx", xlsx([[inline("NIR")], [("", f"<v>{D}.0</v>")]]), "a number with a fraction")
file_case("office-xlsx-digits", "a.xlsx", xlsx([[inline("sécu"), *[("", f"<v>{c}</v>") for c in D]]]), "a cell for every digit")
file_case("office-xlsx-groups", "a.xlsx", xlsx([[inline("sécu"), *[inline(g) for g in NIR.split()]]]), "a cell for every group")
file_case("office-xlsx-column", "a.xlsx", xlsx([[inline("sécu")], *[[("", f"<v>{c}</v>")] for c in D]]), "a row for every digit")
file_case("office-xlsx-unused-string", "a.xlsx", xlsx([[inline("x")]], strings=[f"<t>{SAID}</t>"]), "a shared string that no cell uses")
file_case("office-xlsx-formula", "a.xlsx", xlsx([[("", f'<f>"{SAID}"</f><v>0</v>')]]), "in a formula")
file_case("office-xlsx-formula-join", "a.xlsx", xlsx([[("str", '<f>"1 85 05 "&amp;"78 006 084 91"</f><v>secu 1 85 05 78 006 084 91</v>')]]), "a formula's result")
file_case("office-xlsx-comment", "a.xlsx", xlsx([[inline("x")]], [("xl/comments1.xml", f"<comments {S}><commentList><comment><text><r><t>{SAID}</t></r></text></comment></commentList></comments>")]), "a comment")
file_case("office-xlsx-name", "a.xlsx", xlsx([[inline("x")]], [("xl/workbook2.xml", "<x/>"), ("xl/externalLinks/externalLink1.xml", f"<externalLink {S}><externalBook><sheetDataSet><sheetData><row><cell><v>secu {NIR}</v></cell></row></sheetData></sheetDataSet></externalBook></externalLink>")]), "values of a linked workbook")
file_case("office-xlsx-header", "a.xlsx", xlsx([[inline("x")]], extra=f"<headerFooter><oddHeader>&amp;C{SAID}</oddHeader></headerFooter>"), "a printed header")
file_case("office-xlsx-sheet-name", "a.xlsx", xlsx([[inline("x")]]).replace(b"Feuille", b"Feuille"), "control", miss="control without content") if False else None
file_case("office-xlsx-validation", "a.xlsx", xlsx([[inline("x")]], extra=f'<dataValidations><dataValidation prompt="{SAID}" promptTitle="x"><formula1>"a"</formula1></dataValidation></dataValidations>'), "an input's prompt")
file_case("office-xlsx-pivot", "a.xlsx", xlsx([[inline("x")]], [("xl/pivotCache/pivotCacheDefinition1.xml", f'<pivotCacheDefinition {S}><cacheFields><cacheField name="NIR"><sharedItems><s v="secu {NIR}"/></sharedItems></cacheField></cacheFields></pivotCacheDefinition>')]), "a pivot table's cache")
file_case("office-xlsx-chart", "a.xlsx", xlsx([[inline("x")]], [("xl/charts/chart1.xml", f"<c:chart xmlns:c='c'><c:v>{SAID}</c:v></c:chart>")]), "a chart's cache")
file_case("office-xlsx-iban-cells", "a.xlsx", xlsx([[inline("IBAN"), *[inline(g) for g in IBAN.split()]]]), "a cell for every group", "iban")
file_case("office-xlsx-wide-cells", "a.xlsx", xlsx([[inline("IBAN"), inline("FR76"), inline(IBAN[5:])]]), "the country apart", "iban")
file_case("office-pptx", "a.pptx", zip_of([("[Content_Types].xml", "<Types/>"), ("ppt/presentation.xml", "<p/>"), ("ppt/slides/slide1.xml", f"<p:sld xmlns:p='p' xmlns:a='a'><a:p><a:r><a:t>secu 1 85 05</a:t></a:r><a:r><a:t> 78 006 084 91</a:t></a:r></a:p></p:sld>")]), "a slide")
file_case("office-pptx-notes", "a.pptx", zip_of([("[Content_Types].xml", "<Types/>"), ("ppt/presentation.xml", "<p/>"), ("ppt/notesSlides/notesSlide1.xml", f"<a:p xmlns:a='a'><a:r><a:t>{SAID}</a:t></a:r></a:p>")]), "a slide's notes")
file_case("office-pptx-layout", "a.pptx", zip_of([("[Content_Types].xml", "<Types/>"), ("ppt/presentation.xml", "<p/>"), ("ppt/slideLayouts/slideLayout1.xml", f"<a:p xmlns:a='a'><a:r><a:t>{SAID}</a:t></a:r></a:p>")]), "a slide's layout")
file_case("office-odt", "a.odt", odt(f"<text:p>sécu 1 85<text:s/>05 <text:span>78 006 084</text:span> 91</text:p>"), "an OpenDocument text")
file_case("office-odt-hidden", "a.odt", odt(f'<text:hidden-text text:string-value="{SAID}"/><text:p>x</text:p>'), "hidden text")
file_case("office-odt-user-field", "a.odt", odt(f'<text:user-field-decl text:name="x" office:string-value="{SAID}"/><text:p>x</text:p>'), "a user's field")
file_case("office-odt-meta", "a.odt", odt("<text:p>x</text:p>", [("meta.xml", f"<m xmlns:meta='m'><meta:user-defined meta:name='NIR'>{NIR}</meta:user-defined></m>")]), "a property")
file_case("office-odt-thumbnail", "a.odt", odt("<text:p>x</text:p>", [("Thumbnails/thumbnail.png", SAID)]), "text that says it is a picture")
file_case("office-ods", "a.ods", odt("<table:table><table:table-row><table:table-cell><text:p>NIR</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>" + D + "</text:p></table:table-cell></table:table-row></table:table>", kind="spreadsheet"), "an OpenDocument sheet")
file_case("office-ods-value", "a.ods", odt(f'<table:table><table:table-row><table:table-cell><text:p>NIR</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell office:value-type="float" office:value="{D}"><text:p>1,85E+14</text:p></table:table-cell></table:table-row></table:table>', kind="spreadsheet"), "shown short, kept whole")
file_case("office-ods-digits", "a.ods", odt("<table:table><table:table-row><table:table-cell><text:p>sécu</text:p></table:table-cell>" + "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in D) + "</table:table-row></table:table>", kind="spreadsheet"), "a cell for every digit")
file_case("office-flat-odt", "a.fodt", f"<?xml version='1.0'?><office:document xmlns:office='o' xmlns:text='t'><text:p>secu 1 85<text:s/>05 78 <text:span>006 084 91</text:span></text:p></office:document>", "a flat OpenDocument")
file_case("office-word-xml", "a.xml", f"<?xml version='1.0'?><pkg:package xmlns:pkg='p' {W}>{para('secu ', *D)}</pkg:package>", "Word as one XML file")
case("office-ole", attached("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + S8), "an old container that is broken", unreadable=True, found="nir")

file_case("office-xlsx-odd-groups", "a.xlsx", xlsx([[inline("sécu"), *[inline(g) for g in ("18505", "7800", "6084", "91")]]]), "cells that are no groups")
file_case("office-xlsx-empty-between", "a.xlsx", xlsx([[inline("sécu"), *[c for g in G for c in (inline(g), ("", ""))]]]), "an empty cell after every group")
file_case("office-xlsx-under-header", "a.xlsx", xlsx([[inline("Nom"), *[inline("NIR") for _ in G]], [inline("Dupont"), *[inline(g) for g in G]]]), "a column for each group, under a header")
file_case("office-xlsx-number-groups", "a.xlsx", xlsx([[inline("NIR"), *[("", f"<v>{int(g)}</v>") for g in G]]]), "a column for each group, as numbers: their noughts are gone")
file_case("office-xlsx-key-apart", "a.xlsx", xlsx([[inline("NIR"), inline("Clé")], [inline(D[:13]), inline(D[13:])]]), "the key in the next column")
file_case("office-xlsx-nic", "a.xlsx", xlsx([[inline("SIREN"), inline("NIC")], [inline("732829320"), inline("00074")]]), "company and office in two columns", "siret")
file_case("office-xlsx-underscore", "a.xlsx", xlsx([[inline("code"), inline("1_85_05_78_006_084_91")]]), "underscores in a cell")
file_case("office-xlsx-iban-empty", "a.xlsx", xlsx([[inline("IBAN"), *[c for g in IBAN.split() for c in (inline(g), ("", ""))]]]), "an empty cell after every group", "iban")
file_case("office-csv-groups", "a.csv", "nom;nir1;nir2;nir3;nir4;nir5;nir6;nir7\nDupont;" + ";".join(G) + "\n", "a column for each group of a CSV")
file_case("office-csv-card", "a.csv", "nom;carte;carte;carte;carte\nDupont;" + ";".join(CARD.split()) + "\n", "a column for each group of a CSV", "card")
file_case("office-csv-digits", "a.csv", "secu;" + ";".join(D) + "\nx;y\n", "a column for each digit of a CSV")
file_case("office-docx-cells", "a.docx", docx("<w:tbl><w:tr>" + "".join(f"<w:tc>{para(g)}</w:tc>" for g in ["sécu", *G]) + "</w:tr></w:tbl>"), "a cell for each group")
file_case("office-docx-digit-cells", "a.docx", docx("<w:tbl><w:tr>" + "".join(f"<w:tc>{para(g)}</w:tc>" for g in ["sécu", *D]) + "</w:tr></w:tbl>"), "a cell for each digit")
file_case("office-docx-odd-cells", "a.docx", docx("<w:tbl><w:tr>" + "".join(f"<w:tc>{para(g)}</w:tc>" for g in ["sécu", "18505", "7800", "6084", "91"]) + "</w:tr></w:tbl>"), "cells that are no groups")
file_case("office-docx-lines", "a.docx", docx(para("sécurité sociale") + "".join(para(g) for g in G)), "a paragraph for each group")
file_case("office-docx-spelt", "a.docx", docx(para("D I F F U S I O N   R E S T R E I N T E")), "a stamp spelt", "dr")
file_case("office-odt-cells", "a.odt", odt("<table:table><table:table-row>" + "".join(f"<table:table-cell><text:p>{g}</text:p></table:table-cell>" for g in ["sécu", *G]) + "</table:table-row></table:table>"), "a cell for each group")

rtf = lambda b: "{\\rtf1\\ansi\\ansicpg1252 " + b + "}"
for name, body, because in (
    ("plain", SAID.replace("é", "\\'e9").replace("°", "\\'b0"), "plain"), ("hex", "secu " + "".join(f"\\'{ord(c):02x}" for c in NIR), "octets in hexadecimal"),
    ("unicode", "secu " + "".join(f"\\u{ord(c)}?" for c in NIR), "code points"), ("groups", "secu " + "".join("{" + c + "}" for c in D), "a group for every digit"),
    ("bold", "secu " + "".join(f"{{\\b {c}}}" for c in D), "bold digits"), ("hidden", "{\\v " + f"secu {NIR}" + "}", "hidden text"), ("info", "{\\info{\\title secu " + NIR + "}}x", "a property"),
    ("star", "{\\*\\unknown secu " + NIR + "}x", "an unknown destination"), ("field", "{\\field{\\*\\fldinst HYPERLINK \"secu " + NIR + "\"}{\\fldrslt x}}", "a field's code"), ("lines", "secu 1 85\n 05\n 78 006\n 084 91", "line ends that count for nothing"),
    ("bin", "secu \\bin3 {{{" + NIR, "binary octets before"), ("comment", "{\\*\\annotation secu " + NIR + "}x", "an annotation"), ("userprops", "{\\*\\userprops {\\propname a}\\proptype30{\\staticval secu " + NIR + "}}x", "the user's own property"),
    ("docvar", "{\\*\\docvar {a}{secu " + NIR + "}}x", "a document's variable"), ("bookmark", "{\\*\\bkmkstart nir" + D + "}x", "a bookmark"), ("font", "{\\fonttbl{\\f0 secu " + NIR + ";}}x", "a font's name"),
    ("uc2", "secu " + "".join(f"\\uc2\\u{ord(c)}??" for c in NIR), "two characters to be skipped"), ("cells", "\\trowd secu\\cell " + "".join(f"{c}\\cell " for c in D) + "\\row", "a cell for every digit"), ("nonbreaking", "secu " + NIR.replace(" ", "\\~"), "no-break blanks"),
    ("optional-hyphen", "secu " + "\\-".join(D), "possible hyphens")):
    file_case(f"rtf-{name}", "a.rtf", rtf(body), because)
file_case("rtf-truncated", "a.rtf", rtf(f"secu {NIR}")[:-1] + "{{{{", "cut off")
file_case("rtf-old-mark", "a.doc", "{\\rt\\ansi secu 1 {\\b 85} 05 78 006 084 91}", "the shortest mark that Word opens")
case("rtf-object", attached("a.rtf", rtf("{\\object{\\*\\objdata 0105000002000000}}x")), "an object inside", unreadable=True)

# --- PDF ----------------------------------------------------------------------------------------------------------------------------

SA = f"securite sociale : {NIR}"


def portable(name, octets, because, rule="nir", **more):
    file_case(f"pdf-{name}", "a.pdf", octets, because, rule, **more)


portable("plain", pdf(shown(SA)), "a line of text")
portable("kerned", pdf("BT /F1 12 Tf 72 700 Td [" + " -20 ".join(f"({c})" for c in SA) + "] TJ ET"), "every letter set by itself")
portable("hex", pdf(f"BT /F1 12 Tf 72 700 Td <{SA.encode().hex()}> Tj ET"), "hexadecimal strings")
portable("octal", pdf("BT /F1 12 Tf 72 700 Td (" + "".join(f"\\{ord(c):03o}" for c in SA) + ") Tj ET"), "octal escapes")
portable("glyphs", pdf("BT /F1 12 Tf 72 700 Td (secu ) Tj ET\n" + "".join(f"BT /F1 12 Tf {100 + 6.7 * i:.1f} 700 Td ({c}) Tj ET\n" for i, c in enumerate(D))), "every digit in its own block")
portable("matrices", pdf("BT /F1 12 Tf (secu) Tj " + "".join(f"1 0 0 1 {100 + 6.7 * i:.1f} 700 Tm ({c}) Tj " for i, c in enumerate(D)) + "ET"), "every digit placed by itself")
portable("backwards", pdf("BT /F1 12 Tf 1 0 0 1 40 700 Tm (secu) Tj " + "".join(f"1 0 0 1 {100 + 6.7 * i:.1f} 700 Tm ({c}) Tj " for i, c in reversed(list(enumerate(D)))) + "ET"), "digits drawn from the last to the first")
for label, name, pack in (("flate", "FlateDecode", zlib.compress), ("hexfilter", "ASCIIHexDecode", lambda b: b.hex().encode() + b">"), ("a85", "ASCII85Decode", lambda b: base64.a85encode(b) + b"~>")):
    portable(f"filter-{label}", pdf(packed=(f"/Filter /{name}", pack(shown(SA).encode()))), f"a stream in {name}")
portable("filter-two", pdf(packed=("/Filter [/ASCII85Decode /FlateDecode]", base64.a85encode(zlib.compress(shown(SA).encode())) + b"~>")), "two filters")
portable("filter-short-name", pdf(packed=("/Filter /Fl", zlib.compress(shown(SA).encode()))), "an abbreviated filter", unreadable=True)
portable("filter-runlength", pdf(packed=("/Filter /RunLengthDecode", bytes([len(shown(SA)) - 1]) + shown(SA).encode() + b"\x80")), "run lengths", unreadable=True)
portable("filter-unknown", pdf(packed=("/Filter /XyzDecode", b"abc")), "an unknown filter", unreadable=True)
portable("filter-escaped", pdf(packed=("/Filter /Fl#61teDecode", zlib.compress(shown(SA).encode()))), "an escaped name")
portable("form", pdf("/X1 Do", objects=[("/Type /XObject /Subtype /Form /BBox [0 0 600 800]", shown(SA))]), "drawn by a form")
portable("form-unused", pdf(shown("x"), objects=[("/Type /XObject /Subtype /Form /BBox [0 0 600 800]", shown(SA))]), "a form that nobody draws")
portable("annotation", pdf(shown("x"), page="/Annots [6 0 R]", objects=[f"<< /Type /Annot /Subtype /Text /Rect [0 0 1 1] /Contents ({SA}) >>"]), "a note")
portable("annotation-rich", pdf(shown("x"), page="/Annots [6 0 R]", objects=[f"<< /Type /Annot /Subtype /FreeText /Rect [0 0 1 1] /RC (<p>{SA}</p>) >>"]), "a note's rich text")
portable("annotation-title", pdf(shown("x"), page="/Annots [6 0 R]", objects=[f"<< /Type /Annot /Subtype /Text /Rect [0 0 1 1] /T ({SA}) /Contents (x) >>"]), "a note's title")
portable("annotation-appearance", pdf(shown("x"), page="/Annots [6 0 R]", objects=["<< /Type /Annot /Subtype /Stamp /Rect [0 0 9 9] /AP << /N 7 0 R >> >>", ("/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << /F1 5 0 R >> >>", shown(SA))]), "what a note is drawn as")
portable("annotation-utf16", pdf(shown("x"), page="/Annots [6 0 R]", objects=[b"<< /Type /Annot /Subtype /Text /Rect [0 0 1 1] /Contents <" + SAID.encode("utf-16").hex().encode().replace(b"fffe", b"feff", 1)[:4] + SAID.encode("utf-16-be").hex().encode() + b"> >>"]), "a note in UTF-16")
portable("link", pdf(shown("x"), page="/Annots [6 0 R]", objects=[f"<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] /A << /S /URI /URI (https://example.org/?secu={D}) >> >>"]), "a link's target")
portable("form-field", pdf(shown("x"), catalog="/AcroForm << /Fields [6 0 R] >>", objects=[f"<< /FT /Tx /T (NIR) /V ({NIR}) >>"]), "a field's value")
portable("form-default", pdf(shown("x"), catalog="/AcroForm << /Fields [6 0 R] >>", objects=[f"<< /FT /Tx /T (NIR) /DV ({NIR}) /TU (secu) >>"]), "a field's default")
portable("form-options", pdf(shown("x"), catalog="/AcroForm << /Fields [6 0 R] >>", objects=[f"<< /FT /Ch /T (NIR) /Opt [(a) (secu {NIR})] >>"]), "a field's choices")
portable("xfa", pdf(shown("x"), catalog="/AcroForm << /Fields [] /XFA 6 0 R >>", objects=[("", f"<xdp><data><nir>{SA}</nir></data></xdp>")]), "an XFA form")
portable("info", pdf(shown("x"), trailer="/Info 6 0 R", objects=[f"<< /Title ({SA}) >>"]), "the title")
portable("info-custom", pdf(shown("x"), trailer="/Info 6 0 R", objects=[f"<< /NumeroSecu ({NIR}) >>"]), "an invented property")
portable("xmp", pdf(shown("x"), catalog="/Metadata 6 0 R", objects=[("/Type /Metadata /Subtype /XML", f"<x:xmpmeta xmlns:x='x'><dc:description>{SA}</dc:description></x:xmpmeta>")]), "metadata as XML")
portable("outline", pdf(shown("x"), catalog="/Outlines 6 0 R", objects=["<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>", f"<< /Title ({SA}) /Parent 6 0 R >>"]), "a bookmark")
portable("script", pdf(shown("x"), catalog="/OpenAction << /S /JavaScript /JS (var a = '" + SA + "') >>"), "a script")
portable("actual-text", pdf(f"/Span << /ActualText ({SA}) >> BDC " + shown("x") + " EMC"), "the text behind a span")
portable("alt", pdf(shown("x"), catalog="/StructTreeRoot 6 0 R", objects=[f"<< /Type /StructTreeRoot /K << /S /Figure /Alt ({SA}) >> >>"]), "an alternative text")
portable("file", pdf(shown("x"), objects=["<< /Type /Filespec /F (a.txt) /EF << /F 7 0 R >> >>", ("/Type /EmbeddedFile", SA)]), "an attached file")
portable("file-name", pdf(shown("x"), objects=[f"<< /Type /Filespec /F (secu {NIR}.txt) /EF << /F 7 0 R >> >>", ("/Type /EmbeddedFile", "x")]), "an attached file's name")
portable("file-description", pdf(shown("x"), objects=[f"<< /Type /Filespec /F (a.txt) /Desc ({SA}) /EF << /F 7 0 R >> >>", ("/Type /EmbeddedFile", "x")]), "an attached file's description")
portable("invisible", pdf("3 Tr " + shown(SA)), "invisible text")
portable("white", pdf("1 1 1 rg " + shown(SA)), "white text")
portable("split-contents", pdf(shown("x"), page="/Contents [6 0 R 7 0 R]", objects=[("", "BT /F1 12 Tf 72 700 Td (securite sociale : 1 85 05) Tj"), ("", "( 78 006 084 91) Tj ET")]), "a page in two streams")
portable("comment", pdf(shown("x")).replace(b"%PDF-1.7\n", b"%PDF-1.7\n% " + SA.encode() + b"\n"), "a comment in the file")
portable("after-end", pdf(shown("x")) + SA.encode(), "text after the end")
portable("junk-before", b"\0" * 500 + pdf(shown(SA)), "foreign octets before", unreadable=True)
portable("zip-after", pdf(shown("x")) + zip_of([("a.txt", SA)]), "a zip after the end")
portable("no-xref", pdf(shown(SA)).replace(b"startxref", b"startxxxx"), "no table of objects", unreadable=True)
portable("old-revision", pdf(shown(SA)) + b"4 0 obj\n<< /Length 1 >>\nstream\nq\nendstream\nendobj\nxref\n4 1\n" + f"{len(pdf(shown(SA))):010d} 00000 n \n".encode() + b"trailer\n<< /Size 6 /Root 1 0 R /Prev " + pdf(shown(SA)).rsplit(b"startxref\n", 1)[1].split(b"\n")[0] + b" >>\nstartxref\n" + str(len(pdf(shown(SA))) + 50).encode() + b"\n%%EOF\n", "replaced by a later revision, still there", unreadable=True)
portable("image-only", pdf("/X1 Do", objects=[("/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray", b"\0")]), "a scanned page", unreadable=True)
CMAP = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <61> <6a> <0030> endbfrange 1 beginbfchar <73> <0073> endbfchar endcmap end end"
portable("tounicode", pdf("BT /F2 12 Tf 72 700 Td (" + "".join(chr(ord("a") + int(c)) if c.isdigit() else c for c in D) + ") Tj ET", objects=["<< >>", ("", CMAP), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 7 0 R >>"]).replace(b"/F1 5 0 R >>", b"/F1 5 0 R /F2 8 0 R >>"), "letters that a table turns into digits")
portable("stamp", pdf(shown(STAMP)), "a stamp", "dr")
portable("key", pdf("".join(shown(l, 700 - 14 * i) for i, l in enumerate(KEY.splitlines()))), "a key in lines", "key")
portable("vertical", pdf("BT /F1 12 Tf 72 700 Td (secu) Tj " + "".join(f"0 -14 Td ({c}) Tj " for c in D) + "ET"), "a digit on each line")
case("pdf-encrypted", attached("a.pdf", pdf(shown("x"), trailer="/Encrypt << /Filter /Standard /V 1 /R 2 /O (" + "a" * 32 + ") /U (" + "b" * 32 + ") /P -4 >> /ID [(a)(a)]")), "with a password", unreadable=True)
case("pdf-cut", attached("a.pdf", pdf(shown("x"))[:300]), "cut off before its text", unreadable=True)

# --- archives -----------------------------------------------------------------------------------------------------------------------

def packed(name, octets, because, file="a.zip", **more):
    expect = more.pop("found", "nir")
    case(f"archive-{name}", attached(file, octets), because, found=expect, **more)


Z = zip_of([("a.txt", SAID)])
packed("zip", Z, "a zip")
packed("zip-stored", zip_of([("a.txt", SAID)], 0), "stored")
packed("zip-in-zip", zip_of([("b.zip", zip_of([("c.zip", Z)]))]), "three levels")
packed("zip-12", __import__("functools").reduce(lambda z, n: zip_of([(f"{n}.zip", z)]), range(12), Z), "twelve levels", unreadable=True)
packed("zip-renamed", Z, "renamed", file="photo.jpg")
packed("zip-comment", zip_of([("a.txt", "x")], comment=S8), "the archive's comment")
packed("zip-member-comment", zip_of([("a.txt", "x", {"comment": S8})]), "a member's comment")
packed("zip-extra", zip_of([("a.txt", "x", {"extra": struct.pack("<HH", 0x7777, len(S8)) + S8})]), "an extra field")
packed("zip-prefix", b"\x7fELF" + NOISE + Z, "octets before")
packed("zip-prefix-text", b"Bonjour, rien a voir ici.\n" * 200 + Z, "text before")
packed("zip-after-png", png(after=Z), "behind a picture")
packed("zip-after-gzip", gz("x") + Z, "behind a gzip", unreadable=True)
packed("zip-after-rtf", rtf("x").encode() + b"\n" * 5000 + Z, "behind rich text")
packed("zip-suffix", Z + b"x" * 70000, "octets behind, further than readers look")
packed("zip-two", zip_of([("a.txt", "x")]) + Z, "two archives in one file")
packed("zip-two-reverse", Z + zip_of([("a.txt", "x")]), "two archives in one file")
packed("zip-no-directory", Z[:Z.index(b"PK\1\2")], "no directory", unreadable=True)
packed("zip-directory-other-name", Z.replace(b"a.txt", b"secu!", 1), "two names for one member")
packed("zip-method-lie", Z[:8] + b"\0\0" + Z[10:], "the local header says stored")
packed("zip-method-lie-directory", Z[:Z.index(b"PK\1\2") + 10] + b"\0\0" + Z[Z.index(b"PK\1\2") + 12:], "the directory says stored", unreadable=True)
packed("zip-size-lie", Z[:18] + b"\1\0\0\0" + Z[22:], "the local header says one octet")
packed("zip-size-zero-directory", Z[:Z.index(b"PK\1\2") + 20] + b"\0\0\0\0" + Z[Z.index(b"PK\1\2") + 24:], "the directory says none")
packed("zip-crc-lie", Z[:14] + b"\0\0\0\0" + Z[18:], "a wrong check sum")
packed("zip-absent-in-directory", zip_of([("a.txt", SAID)])[:Z.index(b"PK\1\2")] + zip_of([("b.txt", "x")]), "a member that the directory does not name")
packed("zip-folder-with-data", zip_of([("a/", SAID)]), "a folder with content")
packed("zip-truncated", Z[:len(Z) // 2 + 10], "cut off", unreadable=True)
packed("zip-encrypted-flag", Z[:6] + b"\1\0" + Z[8:], "said to be encrypted, and is not", unreadable=True)
packed("zip-bzip2", zip_of([("a.txt", SAID)], zipfile.ZIP_BZIP2), "bzip2 inside", unreadable=True)
packed("zip-lzma", zip_of([("a.txt", SAID)], zipfile.ZIP_LZMA), "lzma inside", unreadable=True)
packed("zip-docx", zip_of([("a.docx", docx(X))]), "a document inside")
packed("zip-eml", zip_of([("a.eml", text(b64(S8), cte="base64"))]), "a message inside")
packed("zip-pdf", zip_of([("a.pdf", pdf(shown(SA)))]), "a PDF inside")
packed("zip-base64", b64(Z * 2), "the whole in base64, as a text file", file="a.txt")
packed("zip-text-base64-inside", zip_of([("a.txt", b64(b"Bonjour, voici le texte. " + S8))]), "base64 inside")
packed("tar", tar_of([("a.txt", SAID)]), "a tar", file="a.tar")
packed("tar-gz", gz(tar_of([("a.txt", SAID)])), "a tar in gzip", file="a.tgz")
packed("tar-two", tar_of([("a.txt", "x")]) + tar_of([("b.txt", SAID)]), "a second tar after the end", file="a.tar")
packed("tar-v7", tar_of([("a.txt", SAID)]).replace(b"ustar\x0000", b"\0" * 8), "the oldest form", file="a.tar", unreadable=True)
packed("tar-size-lie", tar_of([("a.txt", SAID)]).replace(b"%011o" % len(S8), b"00000000000", 1), "a size of nothing", file="a.tar", unreadable=True)
packed("gz", gz(SAID), "gzip", file="a.gz")
packed("gz-two", gz("x") + gz(SAID), "two members", file="a.gz")
packed("gz-comment", gz("x", comment=S8), "the comment", file="a.gz")
packed("gz-after", gz("x") + S8, "text behind", file="a.gz", unreadable=True)
packed("gz-cut", gz("Bonjour " * 50 + SAID)[:-9], "cut off", file="a.gz", unreadable=True)
packed("bz2", bz2.compress(S8), "bzip2", file="a.bz2", unreadable=True)
packed("xz", lzma.compress(S8), "xz", file="a.xz", unreadable=True)
packed("zlib", zlib.compress(S8 * 3), "zlib without a name", file="a.bin", unreadable=True)
packed("deflate", zlib.compress(S8 * 3)[2:-4], "deflate without a name", file="a.bin", unreadable=True)
packed("7z", b"7z\xbc\xaf\x27\x1c\0\4" + NOISE, "7z", file="a.7z", unreadable=True)
packed("rar", b"Rar!\x1a\7\1\0" + NOISE, "rar", file="a.rar", unreadable=True)
packed("zst", b"\x28\xb5\x2f\xfd" + NOISE, "zstd", file="a.zst", unreadable=True)
packed("cab", b"MSCF\0\0\0\0" + NOISE, "cab", file="a.cab", unreadable=True)
packed("iso", b"\0" * 32769 + b"CD001" + b"\0" * 100 + S8, "a disk image", file="a.iso", unreadable=True)
packed("png-text", png([(b"tEXt", b"Comment\0securite sociale " + NIR.encode())]), "a picture's comment", file="a.png")
packed("png-ztxt", png([(b"zTXt", b"Comment\0\0" + zlib.compress(b"securite sociale " + NIR.encode()))]), "a picture's packed comment", file="a.png")
packed("png-after", png(after=S8), "text behind a picture", file="a.png")
packed("jpeg-comment", jpeg(b"securite sociale " + NIR.encode()), "a picture's comment", file="a.jpg")
packed("gif-comment", b"GIF89a\1\0\1\0\0\0\0!\xfe\x25securite sociale " + NIR.encode() + b"\0;", "a picture's comment", file="a.gif")
packed("exe", b"MZ" + b"\0" * 58 + b"\x40\0\0\0" + b"PE\0\0" + NOISE + S8, "text in a program", file="a.exe")
packed("sqlite", b"SQLite format 3\0" + NOISE + S8, "a database", file="a.db", unreadable=True)
packed("text-4096", b"Bonjour. " * 500 + b"\0\1\2\3" * 100 + S8, "a text whose later octets are not", file="a.txt", unreadable=True)
packed("key-zip", zip_of([(".ssh/id_rsa", KEY)]), "a key in a zip", found="key")
packed("stamp-zip", zip_of([("note.txt", "Note\n\n" + STAMP + "\n")]), "a stamp in a zip", found="dr")

# --- encrypted by the sender, or said to be ---------------------------------------------------------------------------------------

def sealed(name, message, because):
    case(f"sealed-{name}", message, because, unreadable=True)


PGP = "-----BEGIN PGP MESSAGE-----\n\n" + b64(b"\xc1\x4c\x03" + NOISE[:74] + b"\xd2\x40\x01" + NOISE[:63]) + "=abcd\n-----END PGP MESSAGE-----\n"
sealed("pgp-inline", text(PGP), "OpenPGP in the text")
sealed("pgp-file", attached("a.txt.asc", PGP), "OpenPGP in a file")
sealed("pgp-binary", attached("a.gpg", b"\xc1\x4c\x03" + NOISE[:74] + b"\xd2\x40\x01" + NOISE[:63]), "OpenPGP as octets")
sealed("pgp-mime", mixed("Content-Type: application/pgp-encrypted\n\nVersion: 1\n", "Content-Type: application/octet-stream\n\n" + PGP, kind="encrypted; protocol=\"application/pgp-encrypted\""), "PGP/MIME")
sealed("age", attached("a.age", b"age-encryption.org/v1\n-> X25519 abc\nAAAA\n--- abc\n" + NOISE), "age")
sealed("age-short", attached("a.age", b"age-encryption.org/v1\n-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\nEmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n--- Vn+54jqiiUCE+WZcEVY3f1sqHjlu/z1LCQ/T7Xm7qI0\nabcd"), "age with little in it")
sealed("age-armored", attached("a.txt", "-----BEGIN AGE ENCRYPTED FILE-----\n" + b64(NOISE[:120], 64) + "-----END AGE ENCRYPTED FILE-----\n"), "age in letters")
sealed("age-body", text("Voici :\n-----BEGIN AGE ENCRYPTED FILE-----\n" + b64(NOISE[:120], 64) + "-----END AGE ENCRYPTED FILE-----\n"), "age in the text")
sealed("openssl", attached("a.enc", b"Salted__" + NOISE[:96]), "openssl enc")
sealed("openssl-base64", text(b64(b"Salted__" + NOISE[:96], 64)), "openssl enc -a, as body")
sealed("openssl-base64-sentence", text("Voici le fichier, mot de passe par SMS :\n\n" + b64(b"Salted__" + NOISE[:96], 64)), "openssl enc -a after a sentence")
sealed("ansible-vault", attached("a.yml", "$ANSIBLE_VAULT;1.1;AES256\n" + NOISE[:80].hex() + "\n"), "ansible-vault")
sealed("vim", attached("a.txt", b"VimCrypt~03!" + NOISE), "vim's own")
sealed("cms-pem", attached("a.pem", "-----BEGIN PKCS7-----\n" + b64(b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80" + NOISE[:90], 64) + "-----END PKCS7-----\n"), "S/MIME in letters")
sealed("cms-body", text("-----BEGIN CMS-----\n" + b64(b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80" + NOISE[:90], 64) + "-----END CMS-----\n"), "CMS in letters")
sealed("random-body", text(b64(NOISE + NOISE[::-1])), "random octets in base64 as the whole body")
sealed("random-file", attached("a.bin", NOISE), "random octets")
sealed("kdbx", attached("a.kdbx", b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + NOISE), "a password safe")
sealed("office", attached("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le") + NOISE), "Office with a password")
sealed("zip", attached("a.zip", Z[:6] + b"\1\0" + Z[8:Z.index(b"PK\1\2") + 8] + b"\1\0" + Z[Z.index(b"PK\1\2") + 10:]), "a zip with a password")
case("label-subject", text(SAID, subject="[chiffré] dossier"), "the word in the subject protects nothing", found="nir")
case("label-header", text(SAID, more="X-Encrypted: yes\nX-Postern-Verdict: allow\nX-Virus-Scanned: clean\n"), "a header that says so", found="nir")
case("label-smime", text(SAID, kind='application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'), "plain text that says it is S/MIME", found="nir")
case("label-smime-base64", text(b64(S8), kind='application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"', cte="base64"), "the same in base64", found="nir")
case("label-pgp-mime", mixed("Content-Type: application/pgp-encrypted\n\nVersion: 1\n", part(SAID, "application/octet-stream"), kind="encrypted; protocol=\"application/pgp-encrypted\""), "plain text in a PGP/MIME dress", found="nir")
case("label-pgp-first-part", mixed(part("Version: 1\n" + SAID, "application/pgp-encrypted"), "Content-Type: application/octet-stream\n\n" + PGP, kind="encrypted; protocol=\"application/pgp-encrypted\""), "in the part that says the version", found="nir")
case("label-pgp-third-part", mixed("Content-Type: application/pgp-encrypted\n\nVersion: 1\n", "Content-Type: application/octet-stream\n\n" + PGP, part(SAID), kind="encrypted; protocol=\"application/pgp-encrypted\""), "in a third part", found="nir")
case("label-pgp-inline", text("-----BEGIN PGP MESSAGE-----\n\n" + SAID + "\n-----END PGP MESSAGE-----\n"), "plain text between the marks", found="nir")
case("label-pgp-armor-header", text(PGP.replace("-----\n\n", f"-----\nComment: secu {NIR}\n\n", 1)), "in a line above the armour", found="nir")
case("label-pgp-signed", text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + SAID + "\n-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0=\n-----END PGP SIGNATURE-----\n"), "signed in clear", found="nir")
case("label-pgp-around", text(SAID + "\n\n" + PGP), "before the armour", found="nir")
case("label-pgp-after", text(PGP + "\n" + SAID), "after the armour", found="nir")
case("label-signed", mixed(part(SAID), part("x", "application/pgp-signature"), kind='signed; protocol="application/pgp-signature"; micalg=pgp-sha256'), "signed in clear", found="nir")
case("label-signature-part", mixed(part("x"), part(SAID, 'application/pkcs7-signature; name="smime.p7s"'), kind='signed; protocol="application/pkcs7-signature"'), "in what says it is a signature", found="nir")
case("label-name", attached("chiffre.gpg", SAID), "a name protects nothing", found="nir")

# --- honest mail --------------------------------------------------------------------------------------------------------------------

SIGNATURE = "-- \nMarie Dupont\nService des ressources humaines\nPréfecture de l'Exemple - 1, place de la République\nTél. : 01 99 00 12 34 - Mobile : 06 39 98 12 34\nSIRET 732 829 320 00074 - www.example.gouv.fr\n"


def clean(name, message, because):
    case(f"clean-{name}", message, because, clean=True)


def letter(name, body, because, **more):
    clean(name, text(body + "\n\nCordialement,\n" + SIGNATURE, **more), because)


for n, line in enumerate(("Bonjour Jean,\n\nJe te confirme la réunion de mardi à 14 h 30 en salle 204. L'ordre du jour suit.", "Bonjour,\n\nMerci de valider le compte rendu avant le 27/11/2026 à 18:00.",
                          "Madame, Monsieur,\n\nVotre dossier n° 2026-11-0045871 est complet. Vous recevrez une réponse sous deux mois.",
                          "Dear colleague,\n\nPlease find attached the agenda of the meeting on 24 November 2026. Best regards")):
    letter(f"letter-{n + 1}", line, "an ordinary letter")
letter("order", "Votre commande n° 123456789012345 du 20/11/2026 a été expédiée. Colis : 6A12345678901, suivi https://www.laposte.fr/suivi?code=6A12345678901", "order and parcel numbers")
letter("invoice", "Facture F-2026-001234 - Société Exemple SAS, SIREN 732 829 320, RCS Paris 732 829 320, TVA intracommunautaire FR 44 732829320\nTotal HT 1 234,56 EUR, TVA 20 % 246,91 EUR, TTC 1 481,47 EUR. Échéance 31/12/2026.", "an invoice")
letter("invoice-table", "Réf.;Désignation;Qté;PU\nAB-1001;Papier A4 80 g;20;4,90\nAB-1002;Toner noir;3;89,00\nAB-1003;Agrafes;10;1,20\n\nTotal : 377,00 EUR", "a table of goods")
letter("chorus", "Engagement juridique 1400123456, service exécutant FAC9730075, code service D0123. Merci de déposer la facture sur Chorus Pro.", "public purchasing")
letter("password-expires", "Votre mot de passe expire dans 10 jours. Pour le renouveler : https://intranet.example.gouv.fr/mdp. Ne communiquez jamais votre mot de passe : la DSI ne vous le demandera pas.", "advice about passwords")
letter("password-rules", "Le mot de passe doit comporter au moins 12 caractères, dont une majuscule, un chiffre et un signe. Mot de passe oublié ? Cliquez sur le lien.", "rules for passwords")
letter("password-reset", "Vous avez demandé la réinitialisation de votre mot de passe. Lien valable 24 h : https://example.org/reset?token=3f2b8c1d9e7a4f60b1c2d3e4f5a60718", "a link to reset")
letter("diffusion", "La liste de diffusion restreinte aux chefs de service a été mise à jour. La diffusion restreinte du film a été annulée.", "the words without the mark")
letter("secret", "Le secret professionnel s'applique. Le secret de la réussite : un café. Secrétariat ouvert de 9 h à 12 h.", "the words without the mark")
letter("social", "Pour toute question de sécurité sociale, appelez le 3646. Votre numéro de sécurité sociale vous sera demandé.", "words without a number")
letter("card-words", "Le paiement par carte bancaire est possible sur place (montant minimal 10 EUR). Carte d'agent n° 004512.", "words without a number")
letter("iban-words", "Merci de nous transmettre votre IBAN par le portail, jamais par courriel.", "words without a number")
letter("phones", "Annuaire :\nStandard 01 99 00 10 00\nAccueil 01 99 00 10 01\nRH 01 99 00 10 02\nDSI 01 99 00 10 03\nFinances 01 99 00 10 04\nUrgence 06 39 98 00 01", "fewer than ten telephones")
letter("dates", "Calendrier 2026 : 05/01, 12/01, 19/01, 26/01, 02/02, 09/02, 16/02, 23/02, 02/03, 09/03, 16/03, 23/03, 30/03. 2026-11-21T10:00:00Z 1795255200000", "dates and a time stamp")
letter("code", "Voici la fonction :\n\n    def total(lignes):\n        return sum(l.prix * l.quantite for l in lignes)\n\n    if __name__ == '__main__':\n        print(total([]))\n\n    password = os.environ['DB_PASSWORD']\n    token = \"${TOKEN}\"", "a piece of code")
letter("hash", "sha256 : 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\ncommit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\nuuid 123e4567-e89b-12d3-a456-426614174000", "hashes")
letter("public-key", "Voici ma clé publique :\n-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAinvented\n-----END PUBLIC KEY-----", "a public key")
letter("ssh-public-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIInventedInventedInventedInventedInvente marie@poste", "a public key")
letter("pgp-words", "Le bloc commence par « BEGIN PGP MESSAGE » entre tirets. Ma clé : empreinte 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567.", "words about OpenPGP")
letter("thread", "Bonjour,\n\nC'est bon pour moi.\n\nLe 19/11/2026 à 10:12, Jean Martin a écrit :\n> Bonjour Marie,\n> peux-tu valider le devis n° 2026-455 ?\n> Tél. 01 99 00 55 66\n>\n> > De : Paul Durand\n> > Envoyé : lundi 16 novembre 2026 09:00\n> > Objet : devis", "a thread")
letter("legal", "Vu le code général des collectivités territoriales, notamment ses articles L. 2121-29 et R. 2313-1 ; vu la délibération n° 2026-11-087 du 12 novembre 2026, NOR : INTB2612345A, le conseil décide.", "a decree")
letter("coordinates", "Parcelle AB 0123, commune 78006, coordonnées 48.858370, 2.294481 ; altitude 35 m ; X 652381.49 Y 6862047.02", "a cadastre")
letter("budget", "Chapitre 011 : 1 850 578 EUR ; chapitre 012 : 6 084 910 EUR ; chapitre 65 : 300 000,00 EUR ; total 8 235 488 EUR.", "a budget")
letter("meeting-link", "Participer : https://visio.example.gouv.fr/j/98765432109?pwd=aGVsbG93b3JsZA — ID de réunion : 987 6543 2109 — par téléphone +33 1 99 00 99 00", "a meeting's link")
letter("serials", "Matériel : SN C02XK1JHJGH5, IMEI 490154203237518, adresse MAC 00:1B:44:11:3A:B7, IP 192.0.2.10, inventaire 2026-000451", "an inventory")
letter("rna", "Association W751234567, parution au JO du 12/10/2024, n° 1234.", "an association")
letter("wide", "x" * 998, "a line of one letter")
letter("equals", "=" * 70 + "\nTITRE\n" + "=" * 70 + "\n" + "-" * 70, "lines of signs")
letter("amounts", "Recettes : 1 850 578,00 ; 6 084 910,00 ; 12 345,67 (+3,2 %) ; dépenses 9 876 543,21 / 1 234 567,89 / 45 678,90.", "amounts in a row")
letter("phones-odd", "Joindre : +33 (0)1 99 00 12 34 / +33 (0)6 39 98 12 34 ; 0033 (0)1 99 00 12 35 | poste 1234", "telephones with a nought in brackets")
letter("formula", "Soit a + b + c + d + e + f = 12 ; x, y, z, u, v, w. Réponses : A B C D E A B C D E (question 1 à 10).", "single letters that spell nothing")
letter("bullets", "Présents :\n- 12 agents\n- 34 élus\n- 56 invités\n\n1. 2026\n2. 2027\n3. 2028\n\n> 1 850\n> 578 006\n> 084 910", "numbers in lists")
letter("underscores", "Pièces : 2026_11_20_note_v2.pdf, IMG_20261120_101504.jpg, export_20261103101504.csv, RAPPORT_2026_00451_final.docx", "names of files")
letter("statistics", "| 2023 | 145 | 678 | 912 | 345 |\n| 2024 | 146 | 679 | 913 | 346 |\n| 2025 | 147 | 680 | 914 | 347 |", "a table drawn with bars")
letter("leet", "La salle B4T1, le modèle A3B5C7, le code VIP3R0 et le compte j3an.d0e@example.org.", "digits in names")
clean("wide-alone", text("x" * 998 + "\n"), "a body of one letter is no base64")
clean("digits-alone", text("0123456789" * 10 + "\n"), "a body of digits is no base64")
clean("word-alone", text("Ok" * 40 + "\n"), "a body of one word is no base64")
clean("token-alone", text("eyJpZCI6IjQ1NiIsInR5cGUiOiJpbnZpdGF0aW9uIiwiZXhwIjoxNzk1MjU1MjAwfQ0123456789abcdef\n"), "a short token alone on its line")
clean("hash-alone", text("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"), "a hash alone")
clean("empty", text(""), "no body")
clean("german", text("Sehr geehrte Damen und Herren,\n\nanbei die Tagesordnung für den 24.11.2026. Mit freundlichen Grüßen\n"), "German")
clean("utf16-honest", text(b64("Bonjour, à demain.\n".encode("utf-16")), kind="text/plain; charset=utf-16", cte="base64"), "UTF-16")
clean("arabic", text("مرحبا، الاجتماع يوم الثلاثاء الساعة ١٤:٣٠ في القاعة ٢٠٤.\n"), "another script")
DKIM = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org; s=s1;\n h=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n b=" + "\n ".join(b64(NOISE[:256], 72).split()) + "\nReceived: from mx1.example.org (mx1.example.org [192.0.2.25])\n by mail.example.gouv.fr (Postfix) with ESMTPS id 4F2D11C0A7; Fri, 20 Nov 2026 09:59:58 +0100 (CET)\nList-Unsubscribe: <https://news.example.org/u/8f14e45fceea167a5a36dedd4bea2543?t=1795255200>\nX-Mailer: Example 12.4.1795255200\n"
NEWS = "<html><head><style>.p{display:none!important;max-height:0}</style></head><body><div class=p>Les actualités de novembre &zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&nbsp;</div><table><tr><td><a href='https://click.example.org/ls/click?upn=u001.Qx7aZ1Yd-2Bm3Vt9wLkPz0NfR8sT4uW5xY6zA1bC2dE3fG4hI5jK6lM7n&amp;mid=185057800608'>" \
    "<img src='https://img.example.org/o/1795255200/8f14e45fceea167a.gif' width=1 height=1></a></td></tr><tr><td><h1>Lettre d'information</h1><p>Inscrivez-vous avant le 30/11 : 12 places.</p><a href='https://click.example.org/x?e=bWFyaWVAZXhhbXBsZS5vcmc&amp;h=2f1e3d4c5b6a79880716253443526170'>Je m'inscris</a></td></tr></table></body></html>"
clean("newsletter", text(quopri.encodestring(NEWS.encode()), kind="text/html; charset=utf-8", cte="quoted-printable", more=DKIM), "a newsletter")
clean("newsletter-alternative", mixed(part("Lettre d'information\n\nhttps://click.example.org/x?e=bWFyaWVAZXhhbXBsZS5vcmc\n"), part(NEWS, "text/html; charset=utf-8"), kind="alternative", more=DKIM), "a newsletter in two forms")
clean("signature-logo", mixed(part("<p>Bonjour,</p><p>ci-joint.</p><img src='cid:logo'>", "text/html; charset=utf-8"), 'Content-Type: image/png; name="logo.png"\nContent-Transfer-Encoding: base64\nContent-ID: <logo>\nContent-Disposition: inline; filename="logo.png"\n\n' + b64(png([(b"tEXt", b"Software\0Example Paint 4.2")])), kind="related"), "a logo in the signature")
clean("html-word", html("<p class=MsoNormal style='mso-margin-top-alt:auto'>Bonjour,<o:p></o:p></p><!--[if gte mso 9]><xml><o:OfficeDocumentSettings><o:AllowPNG/></o:OfficeDocumentSettings></xml><![endif]--><p>À mardi.</p>"), "HTML by Outlook")
clean("html-data-image", html("<p>Bonjour</p><img alt='' src='data:image/png;base64," + base64.b64encode(png()).decode() + "'>"), "a picture in an address")
clean("calendar", mixed(part("Réunion"), part("BEGIN:VCALENDAR\nPRODID:-//Example//FR\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:040000008200E00074C5B7101A82E0080000000010D4C5B7101A82E001\nDTSTAMP:20261120T090000Z\nDTSTART;TZID=Europe/Paris:20261124T143000\nSUMMARY:Réunion de service\nORGANIZER;CN=Marie Dupont:mailto:marie.dupont@example.gouv.fr\nEND:VEVENT\nEND:VCALENDAR\n", "text/calendar; method=REQUEST; charset=utf-8"), kind="alternative"), "an invitation")
clean("docx", attached("note.docx", docx(para("Note de service") + para("La réunion aura lieu le 24 novembre 2026."), [("docProps/core.xml", "<cp xmlns:dc='d'><dc:title>Note</dc:title><dc:creator>Marie Dupont</dc:creator></cp>"), ("word/media/image1.png", png())])), "a document")
clean("xlsx", attached("suivi.xlsx", xlsx([[inline("Référence"), inline("Montant")], [inline("AB-1001"), ("", "<v>98.5</v>")], [inline("AB-1002"), ("", "<v>185057800608492</v>")]])), "a workbook")
clean("html-layout", html("<style>.col{float:right}.b::before{content:'\\2022'}</style><div class=col>Tél. 01 99 00 12 34</div><div class=col>Fax 01 99 00 12 35</div><p dir=rtl>مرحبا 2026</p><ol><li class=b>12</li><li class=b>34</li></ol><p style='color:#ffffff;background:#000091'>Préfecture</p>"), "columns and bullets by style")
clean("xlsx-numbers", attached("effectifs.xlsx", xlsx([[inline("Service"), *[inline(str(y)) for y in range(2019, 2026)]]] + [[inline(f"S{n}"), *[("", f"<v>{(n * 37 + y * 11) % 97}</v>") for y in range(7)]] for n in range(40)])), "a table of counts")
clean("csv", attached("stock.csv", "ref;date;quantite\n100234;2026-11-20;4\n100235;2026-11-20;12\n100236;2026-11-21;7\n", "text/csv"), "a table")
clean("pdf", attached("courrier.pdf", pdf(shown("Madame, Monsieur,") + shown("votre demande du 12 novembre 2026 a ete acceptee.", 680))), "a PDF")
clean("zip", attached("pieces.zip", zip_of([("photo.png", png()), ("notice.txt", "Mode d'emploi, version 2.\n")])), "a zip")
clean("rtf", attached("note.rtf", rtf("Note de service du 20 novembre 2026\\par {\\b Objet} : horaires")), "rich text")
clean("svg", attached("plan.svg", "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><path d='M185.05 78.006 L84.91 12.5 Z'/><text>Plan</text></svg>", "image/svg+xml"), "a drawing")
clean("vcard", attached("contact.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN:Marie Dupont\nTEL:+33199001234\nEMAIL:marie.dupont@example.gouv.fr\nEND:VCARD\n", "text/vcard"), "a card of a person")
clean("forward", mixed(part("Pour information.\n"), "Content-Type: message/rfc822\n\nFrom: Paul Durand <paul.durand@example.net>\nTo: marie.dupont@example.gouv.fr\nSubject: Re: devis\nDate: Thu, 19 Nov 2026 10:00:00 +0100\nMessage-ID: <a@example.net>\n\nBonjour, le devis est de 1 200 EUR.\n"), "a forwarded message")
clean("pgp-signed", mixed(part("Bonjour\n"), part("-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQQBI0VniavN7wEjRWeJq83vASNFZwUCaR4AAAAKCRAB\n=AbCd\n-----END PGP SIGNATURE-----\n", "application/pgp-signature; name=signature.asc"), kind='signed; protocol="application/pgp-signature"; micalg=pgp-sha256'), "signed by the client")
clean("pgp-key", attached("cle.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEaR4AABYJKwYBBAHaRw8BAQdAInventedInventedInventedInventedInve\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n", "application/pgp-keys"), "a public key attached")
clean("read-receipt", mixed(part("Votre message a été lu.\n"), part("Final-Recipient: rfc822; marie.dupont@example.gouv.fr\nOriginal-Message-ID: <a@example.net>\nDisposition: manual-action/MDN-sent-manually; displayed\n", "message/disposition-notification"), kind="report; report-type=disposition-notification"), "a receipt")
clean("autocrypt", text("Bonjour\n", more="Autocrypt: addr=marie.dupont@example.gouv.fr; prefer-encrypt=mutual;\n keydata=" + "\n ".join(b64(NOISE[:300], 70).split()) + "\n"), "a key in the header")


# --- writing --------------------------------------------------------------------------------------------------------------------------

def quoted(t):
    return '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"'


def index():
    lines = ["# Written by ../make_evasions.py. What must come of each message: any one of `found` (these rules at medium or above), `unreadable`,",
             "# `refused`; or `clean`: nothing at medium or above but what is `public` anyway, and all of it read. A `known_miss` says why it is not",
             "# so today.", "", f"public = [{', '.join(map(quoted, PUBLIC))}]", ""]
    for name, _, wanted, because in CASES:
        lines += ["[[case]]", f"file = {quoted(name + '.eml')}", f"because = {quoted(because)}"]
        for key, value in wanted.items():
            lines.append(f"{key} = " + ("true" if value is True else quoted(value) if isinstance(value, str) else "[" + ", ".join(map(quoted, value)) + "]"))
        lines.append("")
    return "\n".join(lines).encode()


def main():
    files = {f"{name}.eml": octets for name, octets, _, _ in CASES} | {"index.toml": index()}
    if "--check" in sys.argv:
        there = {p.name: p.read_bytes() for p in OUT.iterdir()}
        wrong = sorted(n for n in files.keys() | there.keys() if files.get(n) != there.get(n))
        print("\n".join(wrong) or "as written")
        return bool(wrong)
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        if old.name not in files:
            old.unlink()
    for name, octets in files.items():
        (OUT / name).write_bytes(octets)
    print(f"{len(CASES)} messages, {sum(c[0].startswith('clean') for c in CASES)} of them honest, {sum(map(len, files.values()))} octets")
    return False


if __name__ == "__main__":
    sys.exit(main())
