#!/usr/bin/env python3
"""Makes the sample documents of tests/corpus/documents from the flat sources beside them: with LibreOffice where it is installed
(`soffice`), and by hand what it does not write (Outlook messages, winmail.dat, Strict and macro-enabled files). All content is invented.
Run in this folder: ./make_documents.py"""
import io, os, shutil, struct, subprocess, sys, tempfile, zipfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "documents")
NIR = "1 85 05 78 006 084 91"
FREE, END, FATSECT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def write(path, octets):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(octets)


def compound(tree):
    """A compound file (MS-CFB, version 3) of a tree {name: octets or tree}."""
    entries = [["Root Entry", 5, FREE, FREE, FREE, END, 0]]
    chunks, small, minifat = [], [], []

    def add(tree, parent):
        mine = []
        for name, content in tree.items():
            index = len(entries)
            entries.append([name, 1 if isinstance(content, dict) else 2, FREE, FREE, FREE, 0, 0])
            mine.append(index)
            if isinstance(content, dict):
                add(content, index)
            elif len(content) >= 4096:
                chunks.append((index, content))
            elif content:
                entries[index][5:] = [len(minifat), len(content)]
                count = -(-len(content) // 64)
                minifat.extend(list(range(len(minifat) + 1, len(minifat) + count)) + [END])
                small.append(content.ljust(count * 64, b"\0"))
        mine.sort(key=lambda n: (len(entries[n][0]), entries[n][0].upper()))
        entries[parent][4] = mine[0] if mine else FREE
        for this, following in zip(mine, mine[1:]):
            entries[this][3] = following

    add(tree, 0)
    fat, body = [], b""

    def place(octets):
        start = len(fat)
        count = -(-len(octets) // 512)
        fat.extend(range(start + 1, start + count))
        fat.append(END)
        return start, octets.ljust(count * 512, b"\0")

    chunks.append((0, b"".join(small)))
    for index, octets in chunks:
        if octets:
            entries[index][6] = len(octets)
            entries[index][5], padded = place(octets)
            body += padded
    minifat_at = END
    if minifat:
        minifat_at, padded = place(struct.pack(f"<{len(minifat)}I", *minifat))
        # What is free is told by ones.
        body += padded[: len(minifat) * 4] + b"\xff" * (len(padded) - len(minifat) * 4)
    raw = b""
    for name, kind, left, right, child, start, size in entries:
        units = name.encode("utf-16-le") + b"\0\0"
        raw += units.ljust(64, b"\0") + struct.pack("<HBBIII", len(units), kind, 1, left, right, child)
        raw += bytes(36) + struct.pack("<IQ", start, size)
    directory, padded = place(raw)
    body += padded
    count = 1
    while len(fat) + count > count * 128:
        count += 1
    first = len(fat)
    fat += [FATSECT] * count
    fat += [FREE] * (count * 128 - len(fat))
    body += struct.pack(f"<{len(fat)}I", *fat)
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, count, directory, 0, 4096, minifat_at, -(-len(minifat) // 128), END, 0)
    head += struct.pack("<109I", *(list(range(first, first + count)) + [FREE] * (109 - count)))
    return head + body


def streams(octets):
    """The streams in the root of a compound file."""
    at = lambda n: octets[512 + n * 512 : 1024 + n * 512]
    fat = [n for place in struct.unpack_from("<109I", octets, 76) if place < END - 1 for n in struct.unpack("<128I", at(place))]

    def chain(n):
        out = b""
        while n < END - 2:
            out += at(n)
            n = fat[n]
        return out

    raw = chain(struct.unpack_from("<I", octets, 48)[0])
    minifat = chain(struct.unpack_from("<I", octets, 60)[0])
    minifat = struct.unpack(f"<{len(minifat) // 4}I", minifat)
    ministream, found = b"", {}
    for n in range(0, len(raw), 128):
        entry = raw[n : n + 128]
        name = entry[: max(struct.unpack_from("<H", entry, 64)[0] - 2, 0)].decode("utf-16-le")
        start, size = struct.unpack_from("<II", entry, 116)
        if entry[66] == 5:
            ministream = chain(start)
        elif entry[66] == 2 and size >= 4096:
            found[name] = chain(start)[:size]
        elif entry[66] == 2:
            out = b""
            while start < END - 2 and len(out) < size:
                out += ministream[start * 64 : start * 64 + 64]
                start = minifat[start]
            found[name] = out[:size]
    return found


def wide(text):
    return text.encode("utf-16-le")


def message(attached):
    """An Outlook message as it is saved, with a file and another message in it."""
    label = wide("msip_labels")
    inner = {
        "__properties_version1.0": bytes(24),
        "__substg1.0_0037001F": wide("Message attaché"),
        "__substg1.0_1000001F": wide("Le code du dossier attaché est AB-7741."),
    }
    return compound({
        "__properties_version1.0": bytes(32) + struct.pack("<IIII", 0x3FFD0003, 6, 1252, 0),
        "__nameid_version1.0": {
            "__substg1.0_00030102": struct.pack("<IHH", 0, 1, 0),
            "__substg1.0_00040102": struct.pack("<I", len(label)) + label,
        },
        "__substg1.0_001A001F": wide("IPM.Note"),
        "__substg1.0_0037001F": wide("Dossier de Mme Élodie Durand"),
        "__substg1.0_0C1A001F": wide("Ann Martin"),
        "__substg1.0_0E04001F": wide("b.durand@example.org"),
        "__substg1.0_1000001E": f"Bonjour,\r\nson numéro de sécurité sociale est le {NIR}.\r\n".encode("cp1252"),
        "__substg1.0_10130102": f"<p>Bonjour, son num&eacute;ro est le <b>1 85 05</b> 78 006 084 91.</p>".encode(),
        "__substg1.0_8000001F": wide("MSIP_Label_1_Enabled=true; MSIP_Label_1_Name=Confidentiel"),
        "__recip_version1.0_#00000000": {"__substg1.0_39FE001F": wide("b.durand@example.org"), "__properties_version1.0": bytes(8)},
        "__attach_version1.0_#00000000": {
            "__substg1.0_3707001F": wide("agents.csv"),
            "__substg1.0_37010102": attached,
            "__properties_version1.0": bytes(8),
        },
        "__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner, "__properties_version1.0": bytes(8)},
    })


def winmail(attached):
    def attribute(level, tag, content):
        return struct.pack("<BII", level, tag, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)

    def text(kind, tag, octets):
        return struct.pack("<HHII", kind, tag, 1, len(octets)) + octets + bytes(-len(octets) % 4)

    named = struct.pack("<HH", 0x1F, 0x8000) + bytes(16) + struct.pack("<II", 1, 24) + wide("msip_labels\0")
    value = wide("MSIP_Label_1_Name=Confidentiel\0")
    named += struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)
    properties = struct.pack("<I", 3) + text(0x0102, 0x1013, f"<p>NIR {NIR}</p>".encode()) + text(0x1F, 0x0037, wide("Envoi\0")) + named
    rendering = attribute(2, 0x00069002, bytes(14))
    out = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    out += attribute(1, 0x0002800C, "Voici le relevé demandé.\0".encode("cp1252")) + attribute(1, 0x00069003, properties)
    out += rendering + attribute(2, 0x00018010, b"AGENTS~1.CSV\0") + attribute(2, 0x0006800F, attached)
    return out + attribute(2, 0x00069005, struct.pack("<I", 1) + text(0x1F, 0x3707, wide("agents du service.csv\0")))


def package(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 21, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def changed_docx():
    """What LibreOffice does not write: Strict names, tracked changes, a label, a text box, content controls, an object, altChunk."""
    w = "http://purl.oclc.org/ooxml/wordprocessingml/main"
    body = f"""<w:p><w:r><w:t xml:space="preserve">NIR 18505</w:t></w:r><w:proofErr w:type="spellStart"/><w:r><w:rPr><w:b/></w:rPr><w:t>7800608491</w:t></w:r></w:p>
<w:p><w:ins w:author="Ann"><w:r><w:t>texte ajouté </w:t></w:r></w:ins><w:del w:author="Ann"><w:r><w:delText>texte supprimé 41</w:delText></w:r></w:del><w:r><w:t>reste</w:t></w:r></w:p>
<w:p><w:sdt><w:sdtPr><w:alias w:val="Matricule de l'agent"/></w:sdtPr><w:sdtContent><w:r><w:t>M-77410</w:t></w:r></w:sdtContent></w:sdt></w:p>
<w:p><w:r><w:t>41</w:t></w:r><w:r><w:drawing><wp:anchor><wp:posOffset>635</wp:posOffset><wp:docPr id="1" descr="Photographie de l'agent Durand"/><wps:txbx><w:txbxContent><w:p><w:r><w:t>dans la zone</w:t></w:r></w:p></w:txbxContent></wps:txbx></wp:anchor></w:drawing></w:r><w:r><w:t>11 1111</w:t></w:r></w:p>
<w:p><w:fldSimple w:instr=" HYPERLINK &quot;https://partage.example.org/d/9&quot; "><w:r><w:t>lien</w:t></w:r></w:fldSimple><w:r><w:instrText> INCLUDETEXT secret.txt </w:instrText></w:r></w:p>"""
    label = '<clbl:labelList xmlns:clbl="http://schemas.microsoft.com/office/2020/mipLabelMetadata"><clbl:label id="{8e5a}" enabled="1" method="Privileged" siteId="{77}"/></clbl:labelList>'
    native = b"\0\0\0\0\x02\0note.txt\0C:\\note.txt\0\0\0\x03\0" + struct.pack("<I", 4) + b"tmp\0"
    inside = "contenu de l'objet embarqué".encode()
    native += struct.pack("<I", len(inside)) + inside
    return package({
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="{w}" xmlns:wp="wp" xmlns:wps="wps"><w:body>{body}</w:body></w:document>',
        "word/glossary/document.xml": f'<w:glossaryDocument xmlns:w="{w}"><w:p><w:r><w:t>bloc de construction</w:t></w:r></w:p></w:glossaryDocument>',
        "word/afchunk.htm": "<html><body><p>morceau <b>HTML</b> inclus</p></body></html>",
        "word/embeddings/oleObject1.bin": compound({"\x01Ole10Native": native}),
        "word/_rels/document.xml.rels": '<Relationships><Relationship Id="r1" TargetMode="External" Target="https://partage.example.org/modele.dotx"/><Relationship Id="r2" Target="styles.xml"/></Relationships>',
        "customXml/item1.xml": "<agent><nom>Durand</nom><matricule>ZX-90021</matricule></agent>",
        "docMetadata/LabelInfo.xml": label,
        "docProps/custom.xml": '<Properties><property name="MSIP_Label_8e5a_Name"><vt:lpwstr>Confidentiel</vt:lpwstr></property></Properties>',
    })


def full_workbook():
    """What LibreOffice does not write: threaded comments, unused strings, pivot caches, links, connections, French number formats."""
    cells = """<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
<row r="2" hidden="1"><c r="A2" t="s"><v>2</v></c><c r="B2" s="1"><v>612345678</v></c></row>
<row r="3"><c r="A3" t="inlineStr"><is><r><t>Mar</t></r><r><t>tin</t></r></is></c><c r="B3"><f>"FR76"&amp;"3000"</f><v>1.85057800608491E+14</v></c></row>"""
    return package({
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": '<workbook><sheets><sheet name="Annuaire" r:id="r1"/><sheet name="Réserve" state="veryHidden" r:id="r2"/></sheets><definedNames><definedName name="cle_secrete">"ZX-31337"</definedName></definedNames></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Target="worksheets/sheet2.xml"/></Relationships>',
        "xl/styles.xml": '<styleSheet><numFmts><numFmt numFmtId="170" formatCode="0#&quot; &quot;##&quot; &quot;##&quot; &quot;##&quot; &quot;##"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": "<sst><si><t>Nom</t></si><si><t>Téléphone</t></si><si><t>Durand</t></si><si><t>chaîne effacée</t></si></sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet><sheetData>{cells}</sheetData><dataValidations><dataValidation prompt="Choisir un grade"><formula1>"commandant,colonel"</formula1></dataValidation></dataValidations><hyperlinks><hyperlink tooltip="vers le partage" display="x"/></hyperlinks><headerFooter><oddHeader>&amp;CUsage interne</oddHeader></headerFooter></worksheet>',
        "xl/worksheets/sheet2.xml": '<worksheet><sheetData><row r="1048576"><c r="XFD1048576" t="str"><v>dans le dernier coin</v></c></row></sheetData></worksheet>',
        "xl/threadedComments/threadedComment1.xml": "<ThreadedComments><threadedComment><text>une discussion</text></threadedComment></ThreadedComments>",
        "xl/pivotCache/pivotCacheDefinition1.xml": '<pivotCacheDefinition><sharedItems><s v="valeur du cache"/></sharedItems></pivotCacheDefinition>',
        "xl/externalLinks/externalLink1.xml": "<externalLink><externalBook><sheetData><row><cell><v>valeur liée</v></cell></row></sheetData></externalBook></externalLink>",
        "xl/connections.xml": '<connections><connection><dbPr connection="Server=db.example.org;Pwd=Zx9.secret" command="select 1"/></connection></connections>',
        "xl/charts/chart1.xml": "<c:chartSpace><c:pt><c:v>4111</c:v></c:pt><c:pt><c:v>1111</c:v></c:pt></c:chartSpace>",
        "xl/tables/table1.xml": '<table name="T" displayName="TableDesAgents"/>',
    })


def convert(soffice, source, ending, target, filter_name=None):
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{ending}:{filter_name}" if filter_name else ending
        home = os.path.join(folder, "home")
        command = [soffice, f"-env:UserInstallation=file://{home}", "--headless", "--convert-to", wanted, "--outdir", folder]
        subprocess.run(command + [os.path.join(HERE, source)], check=True, capture_output=True, timeout=120)
        stem = os.path.splitext(os.path.basename(source))[0]
        with open(os.path.join(folder, f"{stem}.{ending}"), "rb") as file:
            write(target, file.read())


def main():
    agents = "Nom;NIR\r\nDurand;1 85 05 78 006 084 91\r\n".encode()
    write("outlook/message.msg", message(agents))
    write("outlook/winmail.dat", winmail(agents))
    write("docx/changed.docx", changed_docx())
    write("xlsx/full.xlsx", full_workbook())
    write("broken/locked.docx", compound({"EncryptionInfo": b"\4\0\4\0\x40\0\0\0<encryption/>", "EncryptedPackage": bytes(range(256)) * 20}))
    bof, filepass = struct.pack("<HHHH", 0x809, 4, 0x600, 5), struct.pack("<HH", 0x2F, 6) + bytes(6)
    write("broken/locked.xls", compound({"Workbook": bof + filepass + bytes(4200)}))
    write("broken/drawing.vsd", compound({"VisioDocument": b"Visio (TM) Drawing\r\n\0" + wide("Plan du bâtiment") + bytes(4200)}))
    soffice = shutil.which("soffice")
    if not soffice:
        sys.exit("soffice is not installed: its samples were left as they are")
    for source, ending, target, name in [
        ("flat/letter.fodt", "docx", "docx/letter.docx", None),
        ("flat/letter.fodt", "doc", "doc/letter.doc", None),
        ("flat/letter.fodt", "rtf", "rtf/letter.rtf", None),
        ("flat/letter.fodt", "odt", "odt/letter.odt", None),
        ("flat/letter.fodt", "epub", "epub/letter.epub", None),
        ("flat/letter.fodt", "xml", "flat/letter-word2003.xml", "MS Word 2003 XML"),
        ("flat/agents.fods", "ods", "ods/agents.ods", None),
        ("flat/agents.fods", "xlsx", "xlsx/agents.xlsx", None),
        ("flat/agents.fods", "xls", "xls/agents.xls", None),
        ("flat/agents.fods", "xml", "flat/agents-excel2003.xml", "MS Excel 2003 XML"),
        ("flat/slides.fodp", "odp", "odp/slides.odp", None),
        ("flat/slides.fodp", "pptx", "pptx/slides.pptx", None),
        ("flat/slides.fodp", "ppt", "ppt/slides.ppt", None),
    ]:
        convert(soffice, source, ending, target, name)
    # LibreOffice puts a picture of half a megabyte into the properties of a presentation of two slides.
    with open(os.path.join(HERE, "ppt/slides.ppt"), "rb") as file:
        kept = streams(file.read())
    kept.pop("\x05SummaryInformation", None)
    write("ppt/slides.ppt", compound(kept))
    for source, length in [("doc/letter.doc", 9000), ("rtf/letter.rtf", 5500)]:
        with open(os.path.join(HERE, source), "rb") as file:
            write("broken/cut." + source[:3], file.read()[:length])


if __name__ == "__main__":
    main()
