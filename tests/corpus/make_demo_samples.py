#!/usr/bin/env python3
"""Writes the messages that `postern demo` submits: src/cli/demo_samples/*.eml and samples.toml.

Standard library only; the same octets at every run. Every person, number and key is invented: the numbers have right check
digits because a gate that looked only at their shape would be a poor gate.

    python3 tests/corpus/make_demo_samples.py            writes them
    python3 tests/corpus/make_demo_samples.py --check    exits 1 when what is there differs from what would be written
"""
import base64, io, pathlib, quopri, random, sys, zipfile, zlib

HERE = pathlib.Path(__file__).resolve().parents[2]
OUT = HERE / "src/cli/demo_samples"
ME = "marie.dupont@example.gouv.fr"
MY_NAME = "Marie Dupont"


# --- numbers with right check digits -----------------------------------------------------------------------------------------

def nir(thirteen):
    """French social security number: 13 digits and the key 97 - n mod 97, written as on the card."""
    key = 97 - int(thirteen) % 97
    parts = (thirteen[0], thirteen[1:3], thirteen[3:5], thirteen[5:7], thirteen[7:10], thirteen[10:13], f"{key:02d}")
    return " ".join(parts)


def iban(country, bban):
    """ISO 13616: check digits 98 - (bban country 00) mod 97, letters as 10..35."""
    digits = "".join(str(int(c, 36)) for c in bban + country + "00")
    whole = f"{country}{98 - int(digits) % 97:02d}{bban}"
    return " ".join(whole[i:i + 4] for i in range(0, len(whole), 4))


def french_iban(bank, branch, account):
    """With the RIB key inside: 97 - (89 bank + 15 branch + 3 account) mod 97."""
    key = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(account)) % 97
    return iban("FR", f"{bank}{branch}{account}{key:02d}")


def belgian_iban(ten):
    return iban("BE", f"{ten}{int(ten) % 97 or 97:02d}")


# --- files -------------------------------------------------------------------------------------------------------------------

def zip_of(entries):
    """A zip archive with fixed dates."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, (2026, 11, 20, 9, 30, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


def zipcrypto_zip(name, content, password):
    """A zip archive with one entry under the old PKWARE cipher (APPNOTE.TXT §6.1), which zipfile reads but does not write."""
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0xEDB88320 if n & 1 else n >> 1
        table.append(n)
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc_step(crc, octet):
        return (crc >> 8) ^ table[(crc ^ octet) & 0xFF]

    def stir(octet):
        keys[0] = crc_step(keys[0], octet)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc_step(keys[2], keys[1] >> 24)

    def cipher(octets):
        out = bytearray()
        for octet in octets:
            mixed = (keys[2] | 2) & 0xFFFF
            out.append(octet ^ ((mixed * (mixed ^ 1)) >> 8 & 0xFF))
            stir(octet)
        return bytes(out)

    for octet in password.encode():
        stir(octet)
    crc = zlib.crc32(content)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeezer.compress(content) + squeezer.flush()
    # The last of the twelve leading octets lets a reader tell a wrong password: it is the high octet of the CRC.
    sealed = cipher(random.Random(name).randbytes(11) + bytes([crc >> 24]) + packed)

    day, time = (46 << 9) | (11 << 5) | 20, (9 << 11) | (30 << 5)
    def field(number, size):
        return number.to_bytes(size, "little")
    common = (field(20, 2) + field(1, 2) + field(8, 2) + field(time, 2) + field(day, 2) + field(crc, 4)
              + field(len(sealed), 4) + field(len(content), 4) + field(len(name), 2) + field(0, 2))
    local = b"PK\x03\x04" + common + name.encode() + sealed
    central = (b"PK\x01\x02" + field(20, 2) + common + field(0, 2) + field(0, 2) + field(0, 2) + field(0o644 << 16, 4)
               + field(0, 4) + name.encode())
    end = (b"PK\x05\x06" + field(0, 4) + field(1, 2) + field(1, 2) + field(len(central), 4) + field(len(local), 4)
           + field(0, 2))
    return local + central + end


def pdf(lines, title):
    """One A4 page of text, its content stream deflated (ISO 32000-1), in Helvetica with WinAnsi letters."""
    def text(line):
        return line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    drawn = [b"BT /F1 11 Tf 14 TL 60 780 Td"]
    drawn += [b"(" + text(line) + b") Tj T*" for line in lines]
    drawn.append(b"ET")
    stream = zlib.compress(b"\n".join(drawn), 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (" + text(title) + b") /Producer (invented for postern) >>",
    ]
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def xlsx(sheet_name, rows):
    """A workbook with one sheet and shared strings (ECMA-376), as spreadsheet programs write it."""
    strings, cells = [], []
    for r, row in enumerate(rows, 1):
        line = []
        for c, value in enumerate(row):
            place = f"{chr(65 + c)}{r}"
            if isinstance(value, (int, float)):
                line.append(f'<c r="{place}"><v>{value}</v></c>')
            else:
                if value not in strings:
                    strings.append(value)
                line.append(f'<c r="{place}" t="s"><v>{strings.index(value)}</v></c>')
        cells.append(f'<row r="{r}">{"".join(line)}</row>')
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    items = "".join(f"<si><t>{value}</t></si>" for value in strings)
    return zip_of([
        ("[Content_Types].xml", head + f'<Types xmlns="{package}/content-types">'
         '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
         '<Default Extension="xml" ContentType="application/xml"/>'
         f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
         f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
         f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}.sharedStrings+xml"/></Types>'),
        ("_rels/.rels", head + f'<Relationships xmlns="{package}/relationships">'
         f'<Relationship Id="rId1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>'),
        ("xl/workbook.xml", head + f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets>'
         f'<sheet name="{sheet_name}" sheetId="1" r:id="rId1"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", head + f'<Relationships xmlns="{package}/relationships">'
         f'<Relationship Id="rId1" Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/>'
         f'<Relationship Id="rId2" Type="{rel}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'),
        ("xl/worksheets/sheet1.xml", head + f'<worksheet xmlns="{main}"><sheetData>{"".join(cells)}</sheetData></worksheet>'),
        ("xl/sharedStrings.xml", head + f'<sst xmlns="{main}" count="{len(strings)}" uniqueCount="{len(strings)}">{items}</sst>'),
    ])


def private_key():
    """What a PKCS#8 RSA key looks like (RFC 5958): right DER, random integers, usable for nothing."""
    dice = random.Random("a key that never opened anything")

    def tlv(tag, content):
        size = len(content)
        if size < 128:
            return bytes([tag, size]) + content
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag, 0x80 | len(octets)]) + octets + content

    def integer(bits):
        number = dice.getrandbits(bits) | 1 << (bits - 1) | 1
        return tlv(2, b"\0" + number.to_bytes(bits // 8, "big"))

    numbers = [tlv(2, b"\0"), integer(2048), tlv(2, b"\x01\0\x01"), integer(2048)] + [integer(1024) for _ in range(5)]
    rsa = tlv(0x30, b"".join(numbers))
    algorithm = tlv(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\0")
    whole = base64.b64encode(tlv(0x30, tlv(2, b"\0") + algorithm + tlv(4, rsa))).decode()
    lines = [whole[i:i + 64] for i in range(0, len(whole), 64)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])


# --- messages ----------------------------------------------------------------------------------------------------------------

def quoted(text):
    encoded = quopri.encodestring(text.encode()).decode()
    return encoded if encoded.endswith("\n") else encoded + "\n"


def word(text):
    """RFC 2047 where it is needed, in one or several encoded words."""
    if text.isascii():
        return text
    out, piece = [], ""
    for char in text + "\0":
        if char == "\0" or len((piece + char).encode()) > 42:
            out.append("=?utf-8?B?" + base64.b64encode(piece.encode()).decode() + "?=")
            piece = ""
        piece += char
    return "\n ".join(out)


def part(kind, text, extra=""):
    return f"Content-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n{extra}\n{quoted(text)}"


def attachment(kind, name, octets):
    body = base64.encodebytes(octets).decode()
    return (f'Content-Type: {kind}; name="{name}"\nContent-Transfer-Encoding: base64\n'
            f'Content-Disposition: attachment; filename="{name}"\n\n{body}')


def message(number, to, subject, parts, kind="mixed", headers=(), minute=0):
    date = f"Fri, 20 Nov 2026 10:{number:02d}:{minute:02d} +0100"
    head = [f"Date: {date}", f"From: {MY_NAME} <{ME}>", f"To: {to}", f"Subject: {word(subject)}",
            f"Message-ID: <20261120.{number:04d}@poste-14.example.gouv.fr>", *headers, "User-Agent: Mozilla Thunderbird",
            "Content-Language: fr", "MIME-Version: 1.0"]
    if len(parts) == 1:
        text = "\n".join(head) + "\n" + parts[0]
    else:
        edge = f"------------{random.Random(number).getrandbits(96):024x}"
        text = "\n".join(head) + f'\nContent-Type: multipart/{kind}; boundary="{edge}"\n\nCe message est au format MIME.\n'
        text += "".join(f"--{edge}\n{one}" if one.endswith("\n") else f"--{edge}\n{one}\n" for one in parts)
        text += f"--{edge}--\n"
    return text.replace("\n", "\r\n").encode("ascii")


SIGNATURE = """
Bien cordialement,

Marie Dupont
Service des relations avec les usagers
01 00 00 00 00
"""

NIR_LETTER = "2 85 05 75 116 203"   # without the key


def nir_pdf():
    number = nir(NIR_LETTER.replace(" ", ""))
    return pdf([
        "Direction des ressources humaines", "", "Dossier de rattachement", "",
        "Agent : Camille Moreau", "Née le 14 mai 1985 à Paris",
        f"Numéro de sécurité sociale : {number}", "Affectation : bureau des marchés",
        "", "Pièce transmise pour mise à jour du dossier de prévoyance.",
    ], "Dossier de rattachement")


def payslip_pdf():
    number = nir("2800669123042")
    return pdf([
        "BULLETIN DE PAIE - octobre 2026", "", "Employeur : example.gouv.fr, service de la paie",
        "Salariée : Marie Dupont", f"N° de sécurité sociale : {number}", "Emploi : attachée, 6e échelon", "",
        "Traitement brut ................. 2 412,50 EUR", "Indemnité de résidence ............. 72,38 EUR",
        "Cotisations salariales .......... - 498,20 EUR", "Net à payer ................... 1 986,68 EUR",
    ], "Bulletin de paie octobre 2026")


def iban_workbook():
    people = [
        ("Moreau", "Camille", french_iban("30004", "00812", "00012345678"), 145.20),
        ("Petit", "Julien", french_iban("20041", "01005", "05000130260"), 89.90),
        ("Lefèvre", "Sophie", french_iban("10278", "06041", "00020178401"), 212.00),
        ("Garnier", "Antoine", french_iban("14508", "00050", "08712345601"), 64.35),
        ("Faure", "Inès", french_iban("18206", "00210", "60412378905"), 178.60),
        ("Rousseau", "Malik", french_iban("30002", "00550", "00000157841"), 93.15),
        ("Peeters", "Lotte", belgian_iban("5390075470"), 120.00),
        ("Schäfer", "Jonas", iban("DE", "370400440532013000"), 77.45),
    ]
    return xlsx("Remboursements", [("Nom", "Prénom", "IBAN", "Montant (EUR)"), *people])


# What the samples show, for people who read French.
FRENCH = {
    "01": "un courrier ordinaire à un citoyen",
    "02": "une liste de comptes bancaires dans un tableur",
    "03": "un numéro de sécurité sociale dans un PDF, pour un destinataire qui a un certificat S/MIME",
    "04": "le même, pour un destinataire qui a une clé OpenPGP",
    "05": "le même, pour un destinataire sans clé",
    "06": "un bulletin de paie transféré vers sa propre boîte privée",
    "07": "une réponse à la question d'un citoyen",
    "08": "une clé privée dans une archive dans une archive",
    "09": "une archive illisible sans son mot de passe",
}


def samples():
    """(file, recipient, what it shows, expected outcome, message)"""
    text, html = "text/plain", "text/html"
    pdf_type, zip_type = "application/pdf", "application/zip"
    sheet_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    clean = """Madame, Monsieur,

Votre demande de rendez-vous a bien été enregistrée. Vous êtes attendu le mardi 1er décembre 2026
à 14 h 30 au guichet de la mairie annexe, muni d'une pièce d'identité et d'un justificatif de domicile.

En cas d'empêchement, merci de nous prévenir deux jours à l'avance.
""" + SIGNATURE
    as_html = "<html><body>" + "".join(f"<p>{line}</p>" for line in clean.split("\n\n")) + "</body></html>\n"
    yield ("01-clean-to-a-citizen.eml", "citoyen@gmail.com", "a clean mail to a citizen", "sent",
           message(1, "citoyen@gmail.com", "Votre rendez-vous du 1er décembre",
                   [part(text, clean), part(html, as_html)], kind="alternative"))

    body = "Bonjour,\n\nVous trouverez ci-joint la liste des remboursements à virer avant la fin du mois.\n" + SIGNATURE
    yield ("02-iban-list-in-a-workbook.eml", "comptabilite@prestataire.example", "a list of bank accounts in a workbook", "held",
           message(2, "comptabilite@prestataire.example", "Remboursements de novembre",
                   [part(text, body), attachment(sheet_type, "remboursements.xlsx", iban_workbook())]))

    body = "Bonjour,\n\nVeuillez trouver ci-joint la pièce demandée pour le dossier de Mme Moreau.\n" + SIGNATURE
    document = attachment(pdf_type, "rattachement.pdf", nir_pdf())
    to = "Claire Martin <claire.martin@prefecture.example>"
    yield ("03-nir-in-a-pdf-to-an-smime-certificate.eml", "claire.martin@prefecture.example",
           "a social security number in a PDF, to a recipient with an S/MIME certificate", "encrypted with S/MIME",
           message(3, to, "Dossier de Mme Moreau", [part(text, body), document]))
    to = "Paul Leroy <paul.leroy@association.example>"
    yield ("04-nir-in-a-pdf-to-an-openpgp-key.eml", "paul.leroy@association.example",
           "the same to a recipient with an OpenPGP key", "encrypted with OpenPGP",
           message(4, to, "Dossier de Mme Moreau", [part(text, body), document]))
    yield ("05-nir-in-a-pdf-without-a-key.eml", "accueil@mutuelle.example", "the same to a recipient without a key", "held",
           message(5, "accueil@mutuelle.example", "Dossier de Mme Moreau", [part(text, body), document]))

    body = f"""Pour mes papiers.


-----Message d'origine-----
De : Service de la paie <paie@example.gouv.fr>
Envoyé : vendredi 30 octobre 2026 09:12
À : DUPONT Marie <{ME}>
Objet : Bulletin de paie octobre 2026

Bonjour,

Votre bulletin de paie du mois d'octobre est joint à ce message. Il n'est destiné qu'à un usage interne.

Le service de la paie
"""
    yield ("06-payslip-to-my-own-mailbox.eml", "mdupont75@gmail.com", "a payslip forwarded to one's own private mailbox", "refused",
           message(6, "mdupont75@gmail.com", "TR: Bulletin de paie octobre 2026",
                   [part(text, body), attachment(pdf_type, "bulletin-2026-10.pdf", payslip_pdf())],
                   headers=["In-Reply-To: <paie.2026.10.4471@sirh.example.gouv.fr>",
                            "References: <paie.2026.10.4471@sirh.example.gouv.fr>"]))

    body = """Bonjour Madame,

Oui, la demande d'acte de naissance peut se faire en ligne ou sur place, sans rendez-vous, du lundi au vendredi
de 9 h à 16 h 30. Elle est gratuite.
""" + SIGNATURE + """
Le 19/11/2026 à 18:04, Lucie Bernard <lucie.bernard.lyon@gmail.com> a écrit :
> Bonjour,
>
> Je souhaite obtenir un acte de naissance. Faut-il prendre rendez-vous ?
>
> Merci d'avance,
> Lucie Bernard
"""
    yield ("07-reply-to-a-citizen.eml", "lucie.bernard.lyon@gmail.com", "an answer to a citizen's question", "sent",
           message(7, "Lucie Bernard <lucie.bernard.lyon@gmail.com>", "Re: Demande d'acte de naissance", [part(text, body)],
                   headers=["In-Reply-To: <CAJ5x2kqPz0v7@mail.gmail.com>", "References: <CAJ5x2kqPz0v7@mail.gmail.com>"]))

    inner = zip_of([("cle/serveur.key", private_key()), ("cle/LISEZMOI.txt", "Clé du serveur de recette.\n")])
    outer = zip_of([("livraison/cle.zip", inner), ("livraison/notes.txt", "Livraison du 20 novembre.\n")])
    body = "Bonjour,\n\nVoici les éléments pour l'installation sur le serveur de recette.\n" + SIGNATURE
    yield ("08-private-key-in-a-zip-in-a-zip.eml", "support@prestataire.example", "a private key in an archive in an archive",
           "refused",
           message(8, "support@prestataire.example", "Livraison pour la recette",
                   [part(text, body), attachment(zip_type, "livraison.zip", outer)]))

    sealed = zipcrypto_zip("plan.txt", "Plan d'accès au bâtiment B, niveau 2.\n".encode() * 20, "a-dire-par-telephone")
    body = "Bonjour,\n\nLe plan est dans l'archive jointe ; je vous donne le mot de passe par téléphone.\n" + SIGNATURE
    yield ("09-zip-with-a-password.eml", "contact@partenaire.example", "an archive that cannot be read without its password", "held",
           message(9, "contact@partenaire.example", "Plan d'accès",
                   [part(text, body), attachment(zip_type, "plan.zip", sealed)]))


def main():
    files = {}
    table = ["# The messages of `postern demo`, in order. Written by tests/corpus/make_demo_samples.py; everything in them is invented.",
             f'from = "{ME}"', ""]
    for name, to, shows, expect, octets in samples():
        assert max(map(len, octets.split(b"\r\n"))) <= 998 and octets.isascii()
        files[name] = octets
        table += ["[[sample]]", f'file = "{name}"', f'to = "{to}"', f'shows = "{shows}"', f'shows_fr = "{FRENCH[name[:2]]}"', f'expect = "{expect}"', ""]
    files["samples.toml"] = "\n".join(table[:-1]).encode() + b"\n"
    if "--check" in sys.argv:
        there = {path.name: path.read_bytes() for path in OUT.glob("*.eml")} | {"samples.toml": (OUT / "samples.toml").read_bytes()}
        differing = sorted(name for name in there.keys() | files.keys() if there.get(name) != files.get(name))
        print("differing: " + ", ".join(differing) if differing else "as they would be written")
        sys.exit(bool(differing))
    OUT.mkdir(parents=True, exist_ok=True)
    for name, octets in files.items():
        (OUT / name).write_bytes(octets)


main()
