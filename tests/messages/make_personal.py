#!/usr/bin/env python3
"""Makes the corpus of mail to personal mailboxes, tests/messages/personal: for each case an .eml and, beside it, a .toml with the
envelope and the label. Deterministic: run it again and nothing changes. All people are invented.

    tests/messages/make_personal.py           writes the folder anew
    tests/messages/make_personal.py --check   exit 1 if the folder is not what would be written

The templates are what each client writes when it forwards or answers: the blocks, lines and tags were taken down from published
mail of these clients and from their translation files. A label says what should become of the message under the shipped policy,
and which facts of DESIGN's table hold of its first recipient; it is written from what the sender does, not from what the gate says.
"""
import base64
import hashlib
import html
import io
import pathlib
import quopri
import shutil
import sys
import zipfile

HERE = pathlib.Path(__file__).parent / "personal"
INSIDE = "example.gouv.fr"

# --- people: login, display name, what the account knows, their own mailboxes outside, and mailboxes of others ---------------------


def agent(login, shown, own, others, names=(), aliases=(), private=()):
    return dict(login=f"{login}@{INSIDE}", shown=shown, own=own, others=others, names=list(names) or [shown],
                aliases=[f"{a}@{INSIDE}" for a in aliases], private=list(private))


AGENTS = [
    agent("marie.dupont", "DUPONT Marie",
          ["mdupont75@gmail.com", "dupont.marie@orange.fr", "marie.dupont+boulot@gmail.com", "mariedupont1982@laposte.net"],
          ["paul.dupont@gmail.com", "dupont.famille@orange.fr", "marie.durand@free.fr", "nathalie.dupont59@sfr.fr"]),
    agent("jean-pierre.martin", "Jean-Pierre MARTIN",
          ["jpmartin59@orange.fr", "jeanpierre.martin@free.fr", "jp.martin@gmail.com", "martin.jean-pierre@wanadoo.fr"],
          ["jean.martinez@gmail.com", "pierre.martin@orange.fr", "philippe.martin@free.fr", "martin@laposte.net"]),
    agent("helene.dormesson", "Hélène d'Ormesson",
          ["helene.dormesson@gmail.com", "h.ormesson@laposte.net", "dormesson.helene@orange.fr", "helene-d-ormesson@sfr.fr"],
          ["ormeau.helene@gmail.com", "helene@free.fr"]),
    agent("charles.delatour", "Charles de La Tour",
          ["charles.de.la.tour@gmail.com", "cdelatour@orange.fr", "delatour.charles44@free.fr"],
          ["charles.tournier@gmail.com", "latour.immo@orange.fr"]),
    agent("sophie.lefranc", "Sophie LEFRANC-GROSJEAN",
          ["sophie.grosjean@gmail.com", "sophie.lefranc@orange.fr", "lefranc-grosjean@free.fr", "slefrancgrosjean@bbox.fr"],
          ["luc.lefranc@gmail.com", "sophie.legrand@orange.fr"], names=["Sophie Lefranc-Grosjean"]),
    agent("nathalie.roussillon", "Nathalie ROUSSILLON",
          ["nathalie.kermarrec@orange.fr", "nath.roussillon@gmail.com", "kermarrec.nathalie@laposte.net"],
          ["yves.kermarrec@gmail.com", "nathalie.morvan@orange.fr"], names=["Nathalie ROUSSILLON née KERMARREC"]),
    agent("christophe.vasseur", "Christophe VASSEUR",
          ["chris.vasseur@gmail.com", "cvasseur62@hotmail.fr", "vasseur.christophe@neuf.fr", "tophe.vasseur@free.fr"],
          ["christine.vasseur@gmail.com", "christophe@free.fr", "chris@gmail.com"]),
    agent("francois-xavier.le-goff", "François-Xavier LE GOFF",
          ["fxlegoff@gmail.com", "fx.legoff29@orange.fr", "francoisxavier.legoff@free.fr"],
          ["francois.legal@gmail.com", "xavier.legall@orange.fr"]),
    agent("anne-sophie.de-villeneuve", "Anne-Sophie de VILLENEUVE",
          ["asdevilleneuve@gmail.com", "annesophie.villeneuve@orange.fr", "as.villeneuve@icloud.com"],
          ["sophie.villeroy@gmail.com", "anne.deville@free.fr"]),
    agent("elodie.coeurdacier", "Élodie CŒURDACIER",
          ["elodie.coeurdacier@gmail.com", "e.coeurdacier@laposte.net", "coeurdacier69@yahoo.fr", "elo.coeurdacier@live.fr"],
          ["elodie.coeur@gmail.com", "emilie.lacier@orange.fr"]),
    agent("t.nguyen", "Thi Mai NGUYEN",
          ["maithi.nguyen@gmail.com", "nguyen.thimai@outlook.fr", "tmnguyen@free.fr"],
          ["nguyen@gmail.com", "van.nguyen@orange.fr", "mai@gmail.com"]),
    agent("karim.benali", "Karim BEN ALI",
          ["karim.benali@gmail.com", "benali.karim93@yahoo.fr", "k.benali@hotmail.com"],
          ["samira.benali@gmail.com", "karim.bensaid@orange.fr"]),
    agent("a.roy", "Alice ROY",
          ["alice.roy@gmail.com", "roy.alice1990@orange.fr"],
          ["aroy@gmail.com", "alice@gmail.com", "roy@free.fr", "alain.roy@orange.fr"]),
    agent("yannick.hoarau", "Yannick HOARAU",
          ["yannick.hoarau974@gmail.com", "hoarau.yannick@only.fr", "yhoarau@wanadoo.fr"],
          ["marie.hoarau@only.fr", "yannick.payet@gmail.com"]),
    agent("waimiri.naisseline", "Waimiri NAISSELINE",
          ["waimiri.naisseline@lagoon.nc", "w.naisseline@mls.nc", "naisseline@canl.nc"],
          ["wamo.naisse@lagoon.nc"]),
    agent("teva.tehei", "Teva TEHEI",
          ["teva.tehei@mail.pf", "ttehei@mail.pf"],
          ["tevake.tehiva@mail.pf", "teva@mail.pf"]),
    agent("maria.da-silva-santos", "Maria DA SILVA SANTOS",
          ["maria.santos@gmail.com", "mariadasilva@orange.fr", "m.dasilvasantos@free.fr"],
          ["joao.santos@gmail.com", "marina.silveira@free.fr"]),
    agent("alexandre.tchekhov", "Alexandre TCHEKHOV",
          ["alex.tchekhov@gmail.com", "alexandre.tchekhov@protonmail.com", "sacha.tchekhov@mailo.com"],
          ["alexandra.tcherkov@gmail.com", "alex@gmail.com"]),
    agent("gwenaelle.lebihan", "Gwenaëlle LE BIHAN",
          ["gwen.lebihan@gmail.com", "gwenaelle.le.bihan@orange.fr", "lebihan.g@free.fr"],
          ["erwan.lebihan@orange.fr", "gwenaelle@gmail.com"]),
    agent("bertrand.quemeneur", "Bertrand QUÉMÉNEUR",
          ["pseudo.voileux29@gmail.com", "bquemeneur@gmail.com", "quemeneur@orange.fr"],
          ["anna.quemer@gmail.com"], private=["pseudo.voileux29@gmail.com"]),
]
MARIE, JP, HELENE, CHARLES, SOPHIE, NATHALIE, CHRIS, FX, AS, ELODIE, MAI, KARIM, ALICE, YANNICK, WAIMIRI, TEVA, MARIA, ALEX, GWEN, BERTRAND = AGENTS

PAUL = ("Paul MOREL", f"paul.morel@{INSIDE}")
LISTE = f"claire.fontaine@{INSIDE}"
CITIZENS = [
    ("Jean Citoyen", "jean.citoyen@gmail.com"), ("Lucette Barbotin", "lucette.barbotin@orange.fr"),
    ("Moussa Diarra", "mdiarra78@hotmail.fr"), ("Ginette PERROUX", "gperroux@laposte.net"),
    ("O'Brien Sinead", "sinead.obrien@yahoo.fr"), ("Association Les Amis du Parc", "amisduparc44@gmail.com"),
    ("Tiare Temarii", "t.temarii@mail.pf"), ("", "zouzou.du.62@free.fr"),
]

# --- documents --------------------------------------------------------------------------------------------------------------------


def pdf(text):
    text = text.encode("latin-1", "replace").replace(b"\\", b"").replace(b"(", b"").replace(b")", b"")
    stream = b"BT /F1 12 Tf 72 720 Td (" + text + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, at = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        at.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % n for n in at)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def docx(text, company=None):
    types = ('<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
             '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
             '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
             '<Override PartName="/docProps/app.xml" ContentType="application/vnd.openxmlformats-officedocument.extended-properties+xml"/></Types>')
    rels = ('<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
            '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/extended-properties" Target="docProps/app.xml"/></Relationships>')
    body = (f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
            f'<w:body><w:p><w:r><w:t>{html.escape(text)}</w:t></w:r></w:p></w:body></w:document>')
    app = (f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
           f'<Application>Microsoft Office Word</Application><Company>{company or ""}</Company></Properties>')
    return zipped([("[Content_Types].xml", types), ("_rels/.rels", rels), ("word/document.xml", body), ("docProps/app.xml", app)])


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=")


def file_pdf(name="document.pdf", text="Ordre du jour de la commission du mois prochain"):
    return ("application/pdf", name, pdf(text))


def file_docx(name="note.docx", text="Proposition de calendrier pour les travaux", company=None):
    return (DOCX, name, docx(text, company))


def file_zip(name="dossier.zip"):
    return ("application/zip", name, zipped([("lisez-moi.txt", "Calendrier des travaux du mois prochain.\n")]))


FILES = [file_pdf, file_docx, file_zip]

# --- writing a message ------------------------------------------------------------------------------------------------------------


def word(text):
    return text if text.isascii() else "=?utf-8?B?" + base64.b64encode(text.encode()).decode() + "?="


def person(name, address):
    if not name:
        return address
    plain = all(c.isalnum() or c in " -" for c in name) and name.isascii()
    return f"{word(name) if not name.isascii() else name if plain else chr(34) + name + chr(34)} <{address}>"


def text_part(text, kind="plain"):
    encoded = quopri.encodestring(text.encode()).decode()
    return f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}\n"


def body_of(plain, rich, files, attached):
    parts = []
    if rich is None:
        first = text_part(plain)
    elif plain is None:
        first = text_part(rich, "html")
    else:
        first = ('Content-Type: multipart/alternative; boundary="=_alt"\n\n--=_alt\n' + text_part(plain) + "--=_alt\n"
                 + text_part(rich, "html") + "--=_alt--\n")
    if not files and not attached:
        return first
    parts.append(first)
    for kind, name, octets in files:
        folded = "\n".join(base64.b64encode(octets).decode()[at:at + 76] for at in range(0, len(base64.b64encode(octets)), 76))
        parts.append(f'Content-Type: {kind}; name="{name}"\nContent-Disposition: attachment; filename="{name}"\n'
                     f"Content-Transfer-Encoding: base64\n\n{folded}\n")
    for mail in attached:
        parts.append(f"Content-Type: message/rfc822\nContent-Disposition: attachment\n\n{mail}\n")
    return 'Content-Type: multipart/mixed; boundary="=_mix"\n\n' + "".join(f"--=_mix\n{part}" for part in parts) + "--=_mix--\n"


CASES = {}


def case(name, sender, to, subject, plain, *, expect, facts, rich=None, files=(), attached=(), to_names=None, header=(), cc=(),
         visible=None, thread=(), because="", relay=False, mail_from=None, kind="person", names=None, shown=None, raw_body=None):
    """`to`: the envelope's recipients, the first is the one the facts are about. `visible`: what stands in To instead."""
    assert name not in CASES, name
    to = [to] if isinstance(to, str) else list(to)
    to_names = to_names or {}
    in_to = visible if visible is not None else [a for a in to if a not in cc]
    lines = [f"From: {person(shown if shown is not None else sender['shown'], sender['login'])}"]
    if in_to:
        lines.append("To: " + ", ".join(person(to_names.get(a, ""), a) for a in in_to))
    if cc:
        lines.append("Cc: " + ", ".join(person(to_names.get(a, ""), a) for a in cc))
    lines += [f"Subject: {word(subject)}", "Date: Thu, 12 Nov 2026 10:12:00 +0100",
              f"Message-ID: <{hashlib.sha256(name.encode()).hexdigest()[:20]}@{INSIDE}>"]
    if thread:
        lines.append(f"In-Reply-To: <{thread[-1]}>")
        lines.append("References: " + " ".join(f"<{one}>" for one in thread))
    lines += [f"{key}: {value}" for key, value in header]
    lines.append("MIME-Version: 1.0")
    mail = "\n".join(lines) + "\n" + (raw_body or body_of(plain, rich, files, attached))

    def array(values):
        return "[" + ", ".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "]"

    label = [f'because  = "{because or name}"', f'from     = "{sender["login"]}"', f"to       = {array(to)}"]
    known = names if names is not None else sender["names"]
    if relay:
        label.append("relay    = true")
    else:
        label.append(f"names    = {array(known)}")
        if sender["aliases"]:
            label.append(f"aliases  = {array(sender['aliases'])}")
        if sender["private"]:
            label.append(f"private  = {array(sender['private'])}")
        if kind != "person":
            label.append(f'kind     = "{kind}"')
    if mail_from:
        label.append(f'mail_from = "{mail_from}"')
    label += [f'expect   = "{expect}"', f"facts    = {array(sorted(facts))}"]
    CASES[name] = (mail, "\n".join(label) + "\n")


P, OWN, FWD, AUTO, REPLY, OFFICE, PRO, PRIV = ("to_personal_mailbox", "to_own_mailbox", "forwards_internal_mail", "auto_forwarded",
                                               "replies_to_outsider", "office_attachment", "professional_content", "marked_private")

# --- what clients write -----------------------------------------------------------------------------------------------------------
# Each returns (prefix of the subject, plain text, HTML or None, further header fields) for a mail `q`: dict of name, address, to
# (list of (name, address)), subject, text. `own` is the note above the quotation.

FR, EN = "fr", "en"


def esc(text):
    return html.escape(text).replace("\n", "<br>\n")


def full(pair):
    return f"{pair[0]} <{pair[1]}>" if pair[0] else pair[1]


def quote(text, mark="> "):
    return "\n".join(mark + line for line in text.split("\n"))


def outlook(q, own, lang, plain_only=False):
    keys = ("De :", "Envoyé :", "À :", "Objet :") if lang == FR else ("From:", "Sent:", "To:", "Subject:")
    when = "jeudi 12 novembre 2026 09:41" if lang == FR else "Thursday, November 12, 2026 9:41 AM"
    to = "; ".join(full(p) for p in q["to"])
    rows = list(zip(keys, (full((q["name"], q["address"])), when, to, q["subject"])))
    sep = "-----Message d'origine-----" if lang == FR else "-----Original Message-----"
    plain = f"{own}\n\n{sep}\n" + "\n".join(f"{k} {v} " for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta name="Generator" content="Microsoft Word 15"></head>'
            f'<body lang="{lang.upper()}" link="#0563C1"><div class="WordSection1"><p class="MsoNormal">{esc(own)}<o:p></o:p></p>'
            f'<p class="MsoNormal"><o:p>&nbsp;</o:p></p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
            f'<p class="MsoNormal">' + "<br>\n".join(f"<b>{k.replace(' ', '&nbsp;')}</b> {esc(v)}" for k, v in rows)
            + f'<o:p></o:p></p></div></div><p class="MsoNormal"><o:p>&nbsp;</o:p></p><p class="MsoNormal">{esc(q["text"])}</p></div></body></html>')
    return ("TR: " if lang == FR else "FW: "), plain if plain_only else plain.replace(sep + "\n", ""), None if plain_only else rich, []


def outlook_plain(q, own, lang):
    return outlook(q, own, lang, plain_only=True)


def outlook_names(q, own, lang):
    """Exchange shows colleagues by name alone."""
    bare = dict(q, to=[(name or address.split("@")[0], "") for name, address in q["to"]])
    keys = ("De :", "Envoyé :", "À :", "Objet :") if lang == FR else ("From:", "Sent:", "To:", "Subject:")
    values = (q["name"], "jeudi 12 novembre 2026 09:41", "; ".join(name for name, _ in bare["to"]), q["subject"])
    rich = ('<div class="WordSection1"><p class="MsoNormal">' + esc(own) + '</p><div style="border:none;border-top:solid #B5C4DF 1.0pt">'
            '<p class="MsoNormal">' + "<br>".join(f"<b>{k}</b> {esc(v)}" for k, v in zip(keys, values)) + f"</p></div><p>{esc(q['text'])}</p></div>")
    return ("TR : " if lang == FR else "FW: "), None, rich, []


def owa(q, own, lang):
    keys = ("De :", "Envoyé :", "À :", "Objet :") if lang == FR else ("From:", "Sent:", "To:", "Subject:")
    when = "jeudi 12 novembre 2026 09:41" if lang == FR else "Thursday, November 12, 2026 9:41 AM"
    rows = list(zip(keys, (full((q["name"], q["address"])), when, "; ".join(full(p) for p in q["to"]), q["subject"])))
    plain = f"{own}\n________________________________\n" + "\n".join(f"{k} {v}" for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<div style="font-family:Aptos,Calibri,sans-serif;font-size:12pt">{esc(own)}</div><div id="appendonsend"></div>'
            f'<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif" '
            f'style="font-size:11pt" color="#000000">' + "<br>\n".join(f"<b>{k}</b> {esc(v)}" for k, v in rows)
            + f'</font><div>&nbsp;</div></div><div dir="ltr">{esc(q["text"])}</div>')
    return ("TR: " if lang == FR else "Fw: "), plain, rich, []


def outlook_mobile(q, own, lang):
    get = "Télécharger Outlook pour iOS<https://aka.ms/o0ukef>" if lang == FR else "Get Outlook for Android<https://aka.ms/AAb9ysg>"
    prefix, plain, _, header = owa(q, f"{own}\n\n{get}", lang)
    return prefix, plain, None, header


def thunderbird(q, own, lang):
    head = "Message transféré" if lang == FR else "Forwarded Message"
    keys = ("Sujet :", "Date :", "De :", "Pour :") if lang == FR else ("Subject:", "Date:", "From:", "To:")
    to = ", ".join(full(p) for p in q["to"])
    rows = list(zip(keys, (q["subject"], "Thu, 12 Nov 2026 09:41:00 +0100", full((q["name"], q["address"])), to)))
    plain = f"{own}\n\n\n-------- {head} --------\n" + "\n".join(f"{k} \t{v}" for k, v in rows) + f"\n\n\n\n{q['text']}\n"
    rich = (f'<html><head><meta http-equiv="content-type" content="text/html; charset=UTF-8"></head><body><p>{esc(own)}</p>'
            f'<div class="moz-forward-container"><br><br>-------- {head} --------<table class="moz-email-headers-table" cellspacing="0" '
            f'cellpadding="0" border="0"><tbody>' + "".join(
                f'<tr><th valign="BASELINE" nowrap="nowrap" align="RIGHT">{k.replace(" ", "&nbsp;")} </th><td>{esc(v)}</td></tr>' for k, v in rows)
            + f"</tbody></table><br><br>{esc(q['text'])}</div></body></html>")
    return ("Fwd: "), plain, rich, [("X-Forwarded-Message-Id", f"<a1b2c3@{INSIDE}>"), ("User-Agent", "Mozilla Thunderbird")]


def apple(q, own, lang, ios=False):
    begin = ("Début du message transféré :" if ios else "Début du message réexpédié :") if lang == FR else "Begin forwarded message:"
    keys = ("De:", "Objet:", "Date:", "À:") if lang == FR else ("From:", "Subject:", "Date:", "To:")
    when = "12 novembre 2026 à 09:41:00 UTC+1" if lang == FR else "12 November 2026 at 09:41:00 CET"
    rows = list(zip(keys, (full((q["name"], q["address"])), q["subject"], when, ", ".join(full(p) for p in q["to"]))))
    plain = f"{own}\n\n> {begin}\n> \n" + "\n".join(f"> {k} {v}" for k, v in rows) + "\n> \n" + quote(q["text"]) + "\n"
    rich = (f'<html><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;">{esc(own)}<br>'
            f'<div><br><blockquote type="cite"><div>{begin}</div><br class="Apple-interchange-newline">' + "".join(
                f'<div style="margin: 0px;"><span style="font-family: -webkit-system-font; color:rgba(0, 0, 0, 1.0);"><b>{k} </b></span>'
                f'<span style="font-family: -webkit-system-font;">{esc(v)}<br></span></div>' for k, v in rows)
            + f'<br><div>{esc(q["text"])}</div></blockquote></div></body></html>')
    return ("Tr: " if lang == FR else "Fwd: "), plain, rich, [("X-Mailer", "iPhone Mail (22A3354)" if ios else "Apple Mail (2.3826)")]


def ios(q, own, lang):
    sent = "Envoyé de mon iPhone" if lang == FR else "Sent from my iPhone"
    return apple(q, f"{own}\n\n{sent}", lang, ios=True)


def gmail(q, own, lang):
    de = "De :" if lang == FR else "From:"
    when = "jeu. 12 nov. 2026 à 09:41" if lang == FR else "Thu, 12 Nov 2026 at 09:41"
    to = ", ".join(full(p) for p in q["to"])
    plain = (f"{own}\n\n---------- Forwarded message ---------\n{de} {q['name']} <{q['address']}>\nDate: {when}\nSubject: {q['subject']}\n"
             f"To: {to}\n\n\n{q['text']}\n")
    rich = (f'<div dir="ltr">{esc(own)}<br><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">---------- Forwarded message '
            f'---------<br>{de} <strong class="gmail_sendername" dir="auto">{esc(q["name"])}</strong> <span dir="auto">&lt;<a href="mailto:{q["address"]}">'
            f'{q["address"]}</a>&gt;</span><br>Date: {when}<br>Subject: {esc(q["subject"])}<br>To: {esc(to)}<br></div><br><br>{esc(q["text"])}</div></div>')
    return ("Fwd: "), plain, rich, []


def zimbra(q, own, lang):
    keys = ("De", "À", "Envoyé", "Objet") if lang == FR else ("From", "To", "Sent", "Subject")
    head = "----- Mail transféré -----" if lang == FR else "----- Forwarded Message -----"
    when = "Jeudi 12 Novembre 2026 09:41:00" if lang == FR else "Thursday, November 12, 2026 9:41:00 AM"
    to = ", ".join(f'"{n}" <{a}>' for n, a in q["to"])
    rows = list(zip(keys, (f'"{q["name"]}" <{q["address"]}>', to, when, q["subject"])))
    plain = f"{own}\n\n{head}\n" + "\n".join(f"{k}: {v}" for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<html><body><div style="font-family: arial, helvetica, sans-serif; font-size: 12pt; color: #000000"><div>{esc(own)}</div><br>'
            f'<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__">' + "<br>".join(f"<b>{k}: </b>{esc(v)}" for k, v in rows)
            + f'</div><br><div data-marker="__QUOTED_TEXT__">{esc(q["text"])}</div></div></body></html>')
    return ("Fwd: " if lang == EN else "Tr : "), plain, rich, [("X-Mailer", "Zimbra 9.0.0_GA_4583 (ZimbraWebClient - FF128 (Win)/9.0.0)")]


def bluemind(q, own, lang):
    head = "---- Message Original ----" if lang == FR else "---- Original Message ----"
    keys = ("Objet", "De", "Date", "À") if lang == FR else ("Subject", "From", "Date", "To")
    when = "jeu. 12 nov. 2026 09:41" if lang == FR else "Thu, Nov 12, 2026 09:41"
    rows = list(zip(keys, (q["subject"], full((q["name"], q["address"])), when, ", ".join(full(p) for p in q["to"]))))
    plain = f"{own}\n\n{head}\n" + "\n".join(f"{k}: {v}" for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<div>{esc(own)}</div><br><div id="data-bm-forward-separator"><p style="color: purple;">{head}</p>' + "".join(
        f"<p><strong>{k}</strong>: {esc(v)}</p>" for k, v in rows) + f"</div><br>{esc(q['text'])}")
    return ("Tr: " if lang == FR else "Fwd: "), plain, rich, [("X-Mailer", "BlueMind-MailApp-v5")]


def roundcube(q, own, lang):
    head = "-------- Message original --------" if lang == FR else "-------- Original Message --------"
    keys = ("Objet :", "Date :", "De :", "À :") if lang == FR else ("Subject:", "Date:", "From:", "To:")
    rows = list(zip(keys, (q["subject"], "12/11/2026 09:41" if lang == FR else "2026-11-12 09:41", full((q["name"], q["address"])),
                           ", ".join(full(p) for p in q["to"]))))
    plain = f"{own}\n\n{head}\n" + "\n".join(f"{k} {v}" for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<html><body style="font-size: 10pt"><p>{esc(own)}</p><p id="forwardintro">{head}</p><table border="0" cellspacing="0" cellpadding="0"><tbody>'
            + "".join(f'<tr><th align="right" nowrap="nowrap" valign="baseline">{k}</th><td>{esc(v)}</td></tr>' for k, v in rows)
            + f'</tbody></table><div id="forwardbody1">{esc(q["text"])}</div></body></html>')
    return ("Fwd: "), plain, rich, [("User-Agent", "Roundcube Webmail/1.6.9")]


def k9(q, own, lang):
    head = "-------- Message original --------" if lang == FR else "-------- Original Message --------"
    keys = ("De :", "Envoyé :", "À :", "Objet :") if lang == FR else ("From:", "Sent:", "To:", "Subject:")
    rows = list(zip(keys, (full((q["name"], q["address"])), "12 novembre 2026 09:41:00 GMT+01:00" if lang == FR else "12 November 2026 09:41:00 GMT+01:00",
                           ", ".join(full(p) for p in q["to"]), q["subject"])))
    plain = f"{own}\n\n\n{head}\n" + "\n".join(f"{k} {v}" for k, v in rows) + f"\n\n{q['text']}\n"
    rich = (f'<html><head></head><body>{esc(own)}<br><br><div class="gmail_quote"><div style=\'font-size:10.0pt;font-family:"Tahoma","sans-serif";padding:3.0pt 0in 0in 0in\'>'
            f"<hr style='border:none;border-top:solid #E1E1E1 1.0pt'>" + "<br>\n".join(f"<b>{k}</b> {esc(v)}" for k, v in rows)
            + f"<br>\n</div><br>{esc(q['text'])}</div></body></html>")
    return ("Fwd: "), plain, rich, [("User-Agent", "K-9 Mail for Android")]


def orange_webmail(q, own, lang):
    to = ", ".join(f'"{n}" <{a}>' for n, a in q["to"])
    plain = (f"{own}\n\n> Message du 12/11/26 09:41\n> De : \"{q['name']}\" <{q['address']}>\n> A : {to}\n> Copie à : \n> Objet : {q['subject']}\n> \n"
             + quote(q["text"]) + "\n")
    return "TR: ", plain, None, []


def notes(q, own, lang):
    name = q["name"]
    head = f"----- Transféré par {name}/DRH/EXAMPLE le 12/11/2026 09:41 -----" if lang == FR else f"----- Forwarded by {name}/HR/EXAMPLE on 11/12/2026 09:41 -----"
    keys = ("De :", "A :", "Date :", "Objet :") if lang == FR else ("From:", "To:", "Date:", "Subject:")
    rows = zip(keys, (full((name, q["address"])), ", ".join(a for _, a in q["to"]), "12/11/2026 09:41", q["subject"]))
    return ("Tr : " if lang == FR else "Fw: "), f"{own}\n\n{head}\n\n" + "\n".join(f"{k:<10}{v}" for k, v in rows) + f"\n\n\n{q['text']}\n", None, []


def samsung(q, own, lang):
    head = "-------- Message d'origine --------" if lang == FR else "-------- Original message --------"
    keys = ("De :", "Date :", "À :", "Objet :") if lang == FR else ("From:", "Date:", "To:", "Subject:")
    rows = zip(keys, (full((q["name"], q["address"])), "12/11/2026 09:41 (GMT+01:00)", ", ".join(full(p) for p in q["to"]), q["subject"]))
    return ("TR: " if lang == FR else "Fwd: "), f"{own}\n\n{head}\n" + "\n".join(f"{k} {v} " for k, v in rows) + f"\n\n{q['text']}\n", None, []


FORWARDS = [("outlook", outlook), ("outlook-plain", outlook_plain), ("outlook-names", outlook_names), ("owa", owa),
            ("outlook-mobile", outlook_mobile), ("thunderbird", thunderbird), ("apple-mail", apple), ("ios", ios), ("gmail", gmail),
            ("zimbra", zimbra), ("bluemind", bluemind), ("roundcube", roundcube), ("k9", k9), ("orange-webmail", orange_webmail),
            ("notes", notes), ("samsung", samsung)]


def line_fr(q, when):
    return f"Le {when}, {full((q['name'], q['address']))} a écrit :"


def line_en(q, when):
    return f"On {when}, {full((q['name'], q['address']))} wrote:"


def reply_lines(fr_when, en_when, rich_of, header=(), shown_without_address=False):
    def write(q, own, lang):
        q = dict(q)
        who = q["name"] if shown_without_address and q["name"] else full((q["name"], q["address"]))
        line = f"Le {fr_when}, {who} a écrit :" if lang == FR else f"On {en_when}, {who} wrote:"
        plain = f"{own}\n\n{line}\n{quote(q['text'])}\n"
        return "Re: ", plain, rich_of(own, line, q["text"]) if rich_of else None, list(header)
    return write


def gmail_reply_html(own, line, text):
    return (f'<div dir="ltr">{esc(own)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{esc(line)}<br></div>'
            f'<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">{esc(text)}</blockquote></div>')


def apple_reply_html(own, line, text):
    return (f'<html><body>{esc(own)}<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>{esc(line)}</div><br '
            f'class="Apple-interchange-newline"><div>{esc(text)}</div></blockquote></div></body></html>')


def moz_reply_html(own, line, text):
    return (f'<html><body><p>{esc(own)}</p><div class="moz-cite-prefix">{esc(line)}<br></div><blockquote type="cite" cite="mid:x">{esc(text)}</blockquote></body></html>')


def of_header_block(forward):
    def write(q, own, lang):
        _, plain, rich, header = forward(q, own, lang)
        strip = ("-------- Message transféré --------", "-------- Forwarded Message --------")
        assert plain is None or not any(mark in plain for mark in strip)
        return ("RE: " if lang == FR else "Re: "), plain, rich, header
    return write


def zimbra_reply(q, own, lang):
    _, plain, rich, header = zimbra(q, own, lang)
    return "Re: ", plain.replace("----- Mail transféré -----", "----- Mail original -----").replace("Forwarded Message", "Original Message"), rich, header


REPLIES = [("outlook", of_header_block(outlook)), ("owa", of_header_block(owa)),
           ("thunderbird", reply_lines("12/11/2026 à 09:41", "12/11/2026 09:41", moz_reply_html, shown_without_address=True)),
           ("apple-mail", reply_lines("12 nov. 2026 à 09:41", "12 Nov 2026, at 09:41", apple_reply_html)),
           ("gmail", reply_lines("jeu. 12 nov. 2026 à 09:41", "Thu, 12 Nov 2026 at 09:41", gmail_reply_html)),
           ("zimbra", zimbra_reply),
           ("bluemind", reply_lines("jeu. 12 nov. 2026 09:41", "Thu, Nov 12, 2026 09:41", None)),
           ("roundcube", reply_lines("12/11/2026 09:41", "2026-11-12 09:41", None)),
           ("k9", reply_lines("12 novembre 2026 09:41:00 GMT+01:00", "12 November 2026 09:41:00 GMT+01:00", gmail_reply_html)),
           ("ios", reply_lines("12 nov. 2026 à 09:41", "12 Nov 2026, at 09:41", apple_reply_html)),
           ("outlook-mobile", of_header_block(outlook_mobile))]

# --- cases ------------------------------------------------------------------------------------------------------------------------

INTERNAL_TEXTS = {
    FR: ["Bonjour,\n\nCi-dessous le planning des permanences, à discuter entre nous avant vendredi.\n\nPaul",
         "Bonsoir à tous,\n\nle point sur les travaux du bâtiment B avant la réunion de lundi.\n\nBien à vous,\nPaul Morel",
         "Peux-tu relire mes remarques sur le projet de réorganisation ?\nMerci"],
    EN: ["Hello,\n\nbelow is the rota for next week, to be discussed among us before Friday.\n\nPaul",
         "Hi all,\n\nwhere we stand with building B before Monday's meeting.\n\nKind regards,\nPaul Morel"],
}
NOTES = {FR: ["Pour lire ce soir", "Pour info", "", "Je m'envoie ça", "Voir ci-dessous."], EN: ["For tonight", "FYI", "", "See below."]}
CITIZEN_TEXTS = {FR: "Bonjour,\n\nj'ai déposé ma demande il y a trois semaines et je n'ai pas de nouvelles.\n\nMerci",
                 EN: "Hello,\n\nI filed my request three weeks ago and have heard nothing.\n\nThank you"}
ANSWERS = {FR: "Bonjour,\n\nvotre demande est en cours d'instruction. Vous recevrez une réponse sous quinze jours.\n\nCordialement",
           EN: "Hello,\n\nyour request is being looked at. You will hear from us within two weeks.\n\nKind regards"}
SIGNATURE = ("\n\n--\nService des usagers\nCe message et ses pièces jointes sont confidentiels et destinés exclusivement à leurs destinataires. "
             "Si vous l'avez reçu par erreur, merci de le détruire et d'en avertir l'expéditeur.")


def internal_mail(sender, turn, lang):
    return dict(name=PAUL[0], address=PAUL[1], to=[(sender["shown"], sender["login"])], subject=["Planning", "Bâtiment B", "Réorganisation"][turn % 3],
                text=INTERNAL_TEXTS[lang][turn % len(INTERNAL_TEXTS[lang])])


def citizen_mail(citizen, sender, lang):
    return dict(name=citizen[0], address=citizen[1], to=[("Accueil", f"accueil@{INSIDE}")], subject="Ma demande" if lang == FR else "My request",
                text=CITIZEN_TEXTS[lang])


def own_mailboxes():
    """Every own mailbox of every agent, with a document, a forward or both."""
    turn = 0
    for who in AGENTS:
        for mailbox in who["own"]:
            turn += 1
            name = f"own-{turn:03}-" + mailbox.split("@")[0].replace(".", "-").replace("+", "-")
            lang = EN if turn % 5 == 0 else FR
            if turn % 3 == 0:
                client, forward = FORWARDS[turn % len(FORWARDS)]
                q = internal_mail(who, turn, lang)
                prefix, plain, rich, header = forward(q, NOTES[lang][turn % 3], lang)
                case(f"{name}-{client}", who, mailbox, prefix + q["subject"], plain, rich=rich, header=header, expect="block", facts=[P, OWN, FWD],
                     because=f"an internal mail forwarded to one's own mailbox with {client}")
            else:
                make = FILES[turn % len(FILES)]
                what, subject = [("a document sent to one's own mailbox", "Document"), ("the payslip sent home", "Bulletin de paie"),
                                 ("work for the weekend sent home", "à finir dimanche")][turn % 3]
                case(name, who, mailbox, subject, NOTES[lang][turn % 4] or "Voir pièce jointe", files=[make()], expect="block", facts=[P, OWN, OFFICE], because=what)


def own_harmless():
    """To oneself, but nothing of the house's: passes."""
    rows = [
        ("note", MARIE, "mdupont75@gmail.com", "Courses", "Pain, lait, penser au dentiste", [], [P, OWN]),
        ("train", MARIE, "dupont.marie@orange.fr", "Train", "Départ 17h42 voie 12, place réservée.", [], [P, OWN]),
        ("link", CHRIS, "chris.vasseur@gmail.com", "lien", "https://www.legifrance.example/article à lire", [], [P, OWN]),
        ("photo", JP, "jpmartin59@orange.fr", "Photo du pot", "La photo de vendredi", [("image/jpeg", "pot.jpg", JPEG)], [P, OWN]),
        ("private", ELODIE, "e.coeurdacier@laposte.net", "[PERSONNEL] Rendez-vous", "Rendez-vous chez le médecin mardi.", [], [P, OWN, PRIV]),
        ("private-2", KARIM, "k.benali@hotmail.com", "PRIVÉ : garde des enfants", "Je passe les prendre à 18h.", [], [P, OWN, PRIV]),
        ("empty", ALEX, "alex.tchekhov@gmail.com", "test", "", [], [P, OWN]),
        ("late", FX, "fxlegoff@gmail.com", "Ce soir", "Je rentrerai tard, ne m'attendez pas.", [], [P, OWN]),
    ]
    for name, who, to, subject, text, files, facts in rows:
        case(f"own-harmless-{name}", who, to, subject, text, files=files, expect="allow", facts=facts, because="a private note to oneself")
    q = dict(name="Club de voile", address="secretariat@voile.example", to=[("Bertrand", "pseudo.voileux29@gmail.com")], subject="Sortie", text="Sortie samedi")
    prefix, plain, rich, header = gmail(q, "Pour samedi", FR)
    case("own-harmless-outside-forward", BERTRAND, "bquemeneur@gmail.com", prefix + q["subject"], plain, rich=rich, expect="allow", facts=[P, OWN],
         because="a club's mail, private from end to end, forwarded to oneself")
    q = dict(name="Marie Dupont", address="mdupont75@gmail.com", to=[("", MARIE["login"])], subject="Clés", text="N'oublie pas les clés")
    _, plain, rich, _ = REPLIES[4][1](q, "C'est noté", FR)
    case("own-harmless-reply-to-oneself", MARIE, "mdupont75@gmail.com", "Re: Clés", plain, rich=rich, thread=["CAx1@mail.gmail.com"], expect="allow",
         facts=[P, OWN, REPLY], because="an answer to one's own private note")
    case("own-harmless-calendar", SOPHIE, "sophie.grosjean@gmail.com", "Invitation : dentiste", None, expect="allow", facts=[P, OWN], because="an appointment sent to one's own calendar",
         raw_body="Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//FR\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
         "UID:1@example.gouv.fr\nDTSTAMP:20261112T090000Z\nDTSTART:20261113T160000Z\nSUMMARY:dentiste\nEND:VEVENT\nEND:VCALENDAR\n")


def namesakes():
    """Same family name, same given name, or neither; a document attached: it is somebody else's, and passes."""
    turn = 0
    for who in AGENTS:
        for mailbox in who["others"]:
            turn += 1
            make = FILES[turn % 3]
            subject, text = [("Votre dossier", ANSWERS[FR]), ("Papiers de la voiture", "Voici le papier que tu cherchais."),
                             ("Attestation", "Veuillez trouver ci-joint votre attestation." + SIGNATURE)][turn % 3]
            case(f"namesake-{turn:02}-" + mailbox.split("@")[0].replace(".", "-"), who, mailbox, subject, text, files=[make()], expect="allow", facts=[P, OFFICE],
                 because="somebody else's mailbox, though a part of the name agrees")


def forwards():
    """Each client, both languages: to one's own mailbox (block), to another personal one (looked at), to a company (no rule of mailboxes)."""
    turn = 0
    for client, forward in FORWARDS:
        for lang in (FR, EN):
            if client in ("orange-webmail",) and lang == EN:
                continue
            turn += 1
            who = [MARIE, JP, ELODIE, KARIM, SOPHIE, CHRIS, ALEX][turn % 7]
            q = internal_mail(who, turn, lang)
            prefix, plain, rich, header = forward(q, NOTES[lang][turn % 3], lang)
            thread = [f"x{turn}@{INSIDE}"] if turn % 2 else []
            case(f"forward-{client}-{lang}-own", who, who["own"][0], prefix + q["subject"], plain, rich=rich, header=header, thread=thread, expect="block",
                 facts=[P, OWN, FWD], because=f"{client} forwards an internal mail home")
            other = CITIZENS[turn % len(CITIZENS)]
            plain_of, rich_of = (plain, None) if turn % 3 == 1 and plain else (None, rich) if turn % 3 == 2 and rich else (plain, rich)
            case(f"forward-{client}-{lang}-other", who, other[1], prefix + q["subject"], plain_of, rich=rich_of, header=header, expect="quarantine",
                 facts=[P, FWD], because=f"{client} forwards an internal mail to somebody's personal mailbox")
            if turn % 4 == 0:
                case(f"forward-{client}-{lang}-company", who, "contact@entreprise.example", prefix + q["subject"], plain, rich=rich, header=header,
                     expect="allow", facts=[FWD], because="a forward to a company is no matter of personal mailboxes")


def rewritten():
    """Forwards whose Subject was changed, threads to which an outsider was added, mail attached whole."""
    q = internal_mail(MARIE, 0, FR)
    for client, forward in [("outlook", outlook), ("owa", owa), ("thunderbird", thunderbird), ("zimbra", zimbra), ("gmail", gmail), ("roundcube", roundcube)]:
        _, plain, rich, header = forward(q, "", FR)
        header = [h for h in header if h[0] != "X-Forwarded-Message-Id"]
        case(f"rewritten-{client}-own", MARIE, "dupont.marie@orange.fr", "vacances", plain, rich=rich, header=header, expect="block", facts=[P, OWN, FWD],
             because="the Subject was rewritten, what the client wrote below was not")
        case(f"rewritten-{client}-other", MARIE, "gperroux@laposte.net", "vacances", plain, rich=rich, header=header, expect="quarantine", facts=[P, FWD],
             because="the Subject was rewritten, what the client wrote below was not")
    for client, reply in REPLIES:
        _, plain, rich, header = reply(q, "Je transmets", FR)
        case(f"reply-to-colleague-sent-home-{client}", MARIE, [MARIE["own"][0]], "Re: Planning", plain, rich=rich, header=header, thread=[f"p1@{INSIDE}"],
             expect="block", facts=[P, OWN, FWD], because="an answer to a colleague's mail, but addressed to one's own mailbox")
    for client, reply in REPLIES[:2]:
        _, plain, rich, header = reply(q, "Bonjour Paul, c'est noté.", FR)
        case(f"reply-to-colleague-copy-home-{client}", MARIE, [MARIE["own"][1], PAUL[1]], "RE: Planning", plain, rich=rich, header=header, thread=[f"p1@{INSIDE}"],
             cc=[MARIE["own"][1]], expect="block", facts=[P, OWN, FWD], because="an internal thread with a copy to one's own mailbox")
        case(f"reply-to-colleague-blind-copy-home-{client}", MARIE, [MARIE["own"][1], PAUL[1]], "RE: Planning", plain, rich=rich, header=header, thread=[f"p1@{INSIDE}"],
             visible=[PAUL[1]], expect="block", facts=[P, OWN, FWD], because="an internal thread with a blind copy to one's own mailbox")
        case(f"outsider-joined-{client}", MARIE, ["consultant.idf@gmail.com", PAUL[1]], "RE: Planning", plain, rich=rich, header=header, thread=[f"p1@{INSIDE}"],
             expect="quarantine", facts=[P, FWD], because="a contractor's personal mailbox joined to an internal thread")
    inner = f"From: Paul Morel <{PAUL[1]}>\nTo: {MARIE['login']}\nSubject: Planning\nDate: Thu, 12 Nov 2026 09:41:00 +0100\n\nBonjour, le planning ci-dessous.\n"
    from_citizen = f"From: Jean Citoyen <jean.citoyen@gmail.com>\nTo: accueil@{INSIDE}\nSubject: Ma demande\nDate: Thu, 12 Nov 2026 09:41:00 +0100\n\nBonjour\n"
    case("attached-own", MARIE, MARIE["own"][0], "Planning", "ci-joint", attached=[inner], expect="block", facts=[P, OWN, FWD], because="forwarded as an attachment, home")
    case("attached-other", MARIE, "gperroux@laposte.net", "TR: Planning", "ci-joint", attached=[inner], expect="quarantine", facts=[P, FWD],
         because="forwarded as an attachment to a personal mailbox")
    case("attached-citizen", MARIE, "jean.citoyen@gmail.com", "Votre demande", "Votre message ci-joint est bien arrivé.", attached=[from_citizen], expect="allow",
         facts=[P], because="the citizen's own mail sent back")
    eml = ("application/octet-stream", "Planning.eml", inner.replace("\n", "\r\n").encode())
    case("attached-eml-file-own", MARIE, MARIE["own"][0], "Planning", "ci-joint", files=[eml], expect="block", facts=[P, OWN, FWD], because="a mail saved as a file and sent home")
    case("attached-eml-file-other", MARIE, "gperroux@laposte.net", "Planning", "ci-joint", files=[eml], expect="quarantine", facts=[P, FWD], because="a mail saved as a file")
    digest = f'Content-Type: multipart/digest; boundary="=_d"\n\n--=_d\n\n{inner}\n--=_d\n\n{inner}\n--=_d--\n'
    case("attached-digest-own", MARIE, MARIE["own"][2], "Fwd: 2 messages", None, raw_body=digest, expect="block", facts=[P, OWN, FWD], because="several mails forwarded at once")
    case("resent-own", PAUL_AGENT, "paul.morel.perso@gmail.com", "Planning", INTERNAL_TEXTS[FR][0], header=[("Resent-From", PAUL[1]), ("Resent-To", "paul.morel.perso@gmail.com"),
         ("Resent-Date", "Thu, 12 Nov 2026 10:00:00 +0100")], expect="block", facts=[P, OWN, FWD, AUTO], because="redirected with its header fields kept")
    _, plain, rich, header = outlook(q, "Je te mets ceci ici pour que tu l'aies en cas de panne de messagerie", FR)
    case("colleague-at-home-forward", MARIE, "fontaine.claire84@gmail.com", "TR: Planning", plain, rich=rich, expect="quarantine", facts=[P, FWD],
         because="an internal mail to a colleague's private mailbox")
    case("spouse-forward", MARIE, "paul.dupont@gmail.com", "TR: Planning", plain, rich=rich, expect="quarantine", facts=[P, FWD], because="an internal mail to the spouse, who bears the same name")
    case("two-levels-own", MARIE, MARIE["own"][0], "TR: TR: Planning", f"{plain}\n{outlook(q, '', FR)[1]}", expect="block", facts=[P, OWN, FWD], because="forwarded twice")
    vendor = dict(q, to=[(MARIE["shown"], MARIE["login"]), ("Société Z", "contact@entreprise.example")])
    _, plain, rich, _ = outlook(vendor, "", FR)
    case("partner-in-thread-own", MARIE, MARIE["own"][0], "TR: Planning", plain, rich=rich, expect="block", facts=[P, OWN, FWD],
         because="a colleague's mail home; a partner had a copy, which makes it no private matter")
    x500 = dict(q, address="/O=EXAMPLE/OU=EXCHANGE ADMINISTRATIVE GROUP/CN=RECIPIENTS/CN=PMOREL")
    _, plain, _, _ = outlook_plain(x500, "", FR)
    case("exchange-legacy-name-own", MARIE, MARIE["own"][0], "TR: Planning", plain, expect="block", facts=[P, OWN, FWD], because="Exchange wrote its own kind of address")


PAUL_AGENT = agent("paul.morel", "Paul MOREL", ["paul.morel.perso@gmail.com"], [])


def replies():
    """An answer to a citizen, each client, both languages; some with a document, some with colleagues quoted."""
    turn = 0
    for client, reply in REPLIES:
        for lang in (FR, EN):
            turn += 1
            who = AGENTS[turn % len(AGENTS)]
            citizen = CITIZENS[turn % len(CITIZENS)]
            q = citizen_mail(citizen, who, lang)
            prefix, plain, rich, header = reply(q, ANSWERS[lang] + (SIGNATURE if turn % 2 else ""), lang)
            files = [FILES[turn % 3]()] if turn % 2 else []
            provider = citizen[1].split("@")[1]
            ids = {"gmail.com": "CAx@mail.gmail.com", "hotmail.fr": "A1@PR1.eurprd01.prod.outlook.com"}
            case(f"answer-{client}-{lang}", who, citizen[1], prefix + q["subject"], plain, rich=rich, header=header, files=files, thread=[ids.get(provider, f"1@smtp.{provider}")],
                 to_names={citizen[1]: citizen[0]}, expect="allow", facts=[P, REPLY] + ([OFFICE] if files else []), because="an answer to a citizen")
    q = citizen_mail(CITIZENS[0], MARIE, FR)
    inner = internal_mail(MARIE, 0, FR)
    _, plain, _, _ = owa(q, "", FR)
    _, above, _, _ = owa(inner, ANSWERS[FR], FR)
    case("answer-with-colleagues-quoted", MARIE, CITIZENS[0][1], "RE: Ma demande", above + plain, thread=["CAx@mail.gmail.com", f"p@{INSIDE}"],
         to_names={CITIZENS[0][1]: CITIZENS[0][0]}, expect="allow", facts=[P, REPLY], because="colleagues were asked in between; the thread is the citizen's")
    case("answer-own-document-back", MARIE, CITIZENS[1][1], "Re: Mes papiers", "Bonjour,\n\nvoici en retour votre document tamponné.\n\nLe 12/11/2026 à 09:41, Lucette Barbotin <lucette.barbotin@orange.fr> a écrit :\n> Bonjour, voici mon document",
         files=[file_pdf("formulaire.pdf", "Formulaire de demande")], thread=["1@orange.fr"], expect="allow", facts=[P, REPLY, OFFICE], because="a citizen's own document sent back")
    case("answer-second-letter", MARIE, CITIZENS[0][1], "Re: Votre demande", "Bonjour,\n\nsans réponse de votre part, je me permets de vous relancer.\n\n"
         f"De : DUPONT Marie <{MARIE['login']}>\nEnvoyé : lundi 9 novembre 2026 10:00\nÀ : jean.citoyen@gmail.com\nObjet : Votre demande\n\nBonjour", thread=[f"m1@{INSIDE}"],
         expect="allow", facts=[P], because="a second letter to the citizen, over the first")
    case("answer-namesake", CHRIS, "christine.vasseur@gmail.com", "Re: Ma demande", "Bonjour,\n\nci-joint la réponse.\n\nLe 12/11/2026 à 09:41, Christine Vasseur <christine.vasseur@gmail.com> a écrit :\n> Bonjour",
         files=[file_pdf()], thread=["CAy@mail.gmail.com"], expect="allow", facts=[P, REPLY, OFFICE], because="a citizen of the same family name")
    case("answer-without-quotation", MARIE, CITIZENS[3][1], "Re: Ma demande", ANSWERS[FR], thread=["9@laposte.net"], expect="allow", facts=[P, REPLY], because="an answer without quotation")
    case("answer-copy-to-colleague", MARIE, [CITIZENS[0][1], PAUL[1]], "Re: Ma demande", REPLIES[4][1](q, ANSWERS[FR], FR)[1], cc=[PAUL[1]], thread=["CAx@mail.gmail.com"],
         expect="allow", facts=[P, REPLY], because="an answer to a citizen, a colleague in copy")
    for n, (client, forward) in enumerate(FORWARDS[:13]):
        citizen = CITIZENS[n % len(CITIZENS)]
        if client == "outlook-names":
            continue
        prefix, plain, rich, header = forward(citizen_mail(citizen, MARIE, FR), "Peux-tu regarder ?", FR)
        header = [(k, v.replace(INSIDE, "gmail.com")) if k == "X-Forwarded-Message-Id" else (k, v) for k, v in header]
        case(f"citizen-forwarded-inside-{client}", MARIE, [PAUL[1]], prefix + "Ma demande", plain, rich=rich, header=header, thread=["CAx@mail.gmail.com"], expect="allow",
             facts=[], because="a citizen's mail forwarded to a colleague")
    prefix, plain, rich, header = outlook(citizen_mail(CITIZENS[0], MARIE, FR), "Bonjour Maître, voici la demande de votre client.", FR)
    case("citizen-forwarded-to-lawyer", MARIE, "maitre.lenoir.avocat@gmail.com", prefix + "Ma demande", plain, rich=rich, thread=["CAx@mail.gmail.com"], expect="allow", facts=[P],
         because="a citizen's own mail, passed to their lawyer: nothing internal in it")
    prefix, plain, rich, header = outlook(citizen_mail(CITIZENS[0], MARIE, FR), "Votre demande ci-dessous est transmise.", FR)
    case("citizen-forwarded-back", MARIE, "jean.citoyen@gmail.com", prefix + "Ma demande", plain, rich=rich, expect="allow", facts=[P], because="forwarded where an answer was meant")


def first_letters():
    letters = [
        ("plain", MARIE, CITIZENS[0], "Votre rendez-vous", "Bonjour,\n\nvotre rendez-vous est fixé au mardi 17 novembre à 10 h.", [], []),
        ("pdf", JP, CITIZENS[1], "Décision", "Madame,\n\nveuillez trouver ci-joint la décision.", [file_pdf("decision.pdf")], [OFFICE]),
        ("signature", HELENE, CITIZENS[2], "Votre demande", ANSWERS[FR] + SIGNATURE, [], []),
        ("english", KARIM, CITIZENS[4], "Your request", ANSWERS[EN], [file_docx("form.docx", "Request form")], [OFFICE]),
        ("form", SOPHIE, CITIZENS[3], "Formulaire à compléter", "Merci de compléter le formulaire joint et de le renvoyer.", [file_docx("formulaire.docx", "Formulaire")], [OFFICE]),
        ("association", CHRIS, CITIZENS[5], "Salle des fêtes", "La salle vous est réservée samedi.", [], []),
        ("overseas", TEVA, CITIZENS[6], "Votre courrier", "Ia ora na,\n\nvotre courrier est bien arrivé.", [file_pdf()], [OFFICE]),
        ("no-name", ALEX, CITIZENS[7], "Votre carte", "Votre carte est prête à l'accueil.", [], []),
        ("school", ELODIE, ("Parents de Zoé", "parents.zoe.b@gmail.com"), "Sortie scolaire", "La sortie est déplacée à jeudi.", [], []),
        ("candidate", NATHALIE, ("Ahmed Zerrouki", "ahmed.zerrouki@outlook.fr"), "Votre candidature", "Votre entretien aura lieu lundi à 14 h.", [file_pdf("plan.pdf", "Plan d'accès")], [OFFICE]),
        ("contractor", MARIE, ("Luc Peintre", "luc.peintre.batiment@gmail.com"), "Commande de peinture", "Bon pour accord, merci de commencer lundi.", [file_pdf("devis.pdf", "Devis")], [OFFICE]),
        ("volunteer", GWEN, ("Réserve communale", "reserve.communale.29@gmail.com"), "Exercice", "Exercice samedi 9 h au hangar.", [], []),
        ("union", KARIM, ("Section syndicale", "section.syndicale.exemple@gmail.com"), "Réunion", "La salle du premier étage est libre mardi.", [], []),
        ("colleague-at-home", MARIE, ("Claire", "fontaine.claire84@gmail.com"), "Neige", "Les bureaux sont fermés demain, reste chez toi.", [], []),
        ("spouse", MARIE, ("Paul Dupont", "paul.dupont@gmail.com"), "Ce soir", "Je serai en retard, peux-tu prendre le pain ?", [], []),
        ("spouse-document", MARIE, ("Paul Dupont", "paul.dupont@gmail.com"), "Assurance", "Voici le contrat de la voiture.", [file_pdf("assurance.pdf", "Assurance de la voiture")], [OFFICE]),
        ("family", SOPHIE, ("Maman", "monique.bertholet@orange.fr"), "Dimanche", "Nous arrivons à midi.", [("image/jpeg", "photo.jpg", JPEG)], []),
        ("private", MARIE, ("Docteur Weiss", "cabinet.weiss@wanadoo.fr"), "PERSONNEL - rendez-vous", "Je voudrais déplacer mon rendez-vous.", [], [PRIV]),
        ("subject-like-a-forward", MARIE, CITIZENS[0], "TR : votre dossier", "Bonjour,\n\nvoici où en est votre dossier.", [], []),
        ("many", JP, CITIZENS[1], "Information coupure d'eau", "Une coupure aura lieu jeudi de 9 h à 11 h.", [], []),
    ]
    for name, who, citizen, subject, text, files, facts in letters:
        case(f"letter-{name}", who, citizen[1], subject, text, files=files, to_names={citizen[1]: citizen[0]}, expect="allow", facts=[P] + facts, because="a first letter")
    case("letter-to-two", JP, [CITIZENS[0][1], CITIZENS[1][1]], "Voisinage", "Bonjour à tous les deux,\n\nle rendez-vous est fixé.", expect="allow", facts=[P], because="a letter to two citizens")
    case("letter-mailing", JP, [c[1] for c in CITIZENS[:6]], "Lettre d'information de la commune", "Au sommaire : le marché de Noël.", visible=[],
         header=[("List-Unsubscribe", f"<mailto:lettre@{INSIDE}?subject=stop>"), ("Precedence", "bulk")], expect="allow", facts=[P], because="a newsletter")
    case("letter-calendar", MARIE, CITIZENS[0][1], "Invitation : rendez-vous", None, expect="allow", facts=[P], because="an invitation to a citizen",
         raw_body="Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//FR\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
         "UID:2@example.gouv.fr\nDTSTAMP:20261112T090000Z\nDTSTART:20261117T090000Z\nSUMMARY:Rendez-vous\nEND:VEVENT\nEND:VCALENDAR\n")
    case("letter-that-quotes-prose", MARIE, CITIZENS[0][1], "Votre question", "Bonjour,\n\nLe règlement a écrit :\n« De : 8 h\nà : 17 h »\nObjet : accueil du public\n\nCordialement", expect="allow",
         facts=[P], because="prose that looks a little like a quotation")
    case("letter-agenda", MARIE, CITIZENS[5][1], "Ordre du jour", "Date : mardi 17 novembre\nObjet : réunion publique\nLieu : salle 3\nÀ : 18 h", expect="allow", facts=[P],
         because="an agenda has keys and colons too")


def redirections():
    inside_from = dict(PAUL_AGENT)
    to = "pmorel77@gmail.com"
    traces = [
        ("exchange-rule", [("X-MS-Exchange-Inbox-Rules-Loop", MARIE["login"])]),
        ("exchange-says-so", [("X-MS-Exchange-Organization-AutoForwarded", "true")]),
        ("exchange-mailbox-forwarding", [("X-MS-Exchange-ForwardingLoop", f"{MARIE['login']};8f1c")]),
        ("exchange-rules-agent", [("X-MS-Exchange-Generated-Message-Source", "Mailbox Rules Agent"), ("Auto-Submitted", "auto-generated")]),
        ("x400", [("AutoForwarded", "TRUE")]),
        ("gmail", [("X-Forwarded-To", to), ("X-Forwarded-For", f"{PAUL[1]} {to}"), ("Delivered-To", PAUL[1])]),
        ("sieve-pigeonhole", [("X-Sieve", "Pigeonhole Sieve 0.5.21"), ("X-Sieve-Redirected-From", PAUL[1])]),
        ("sieve-cyrus", [("X-Sieve", "CMU Sieve 3.0")]),
        ("zimbra", [("X-Zimbra-Forwarded", PAUL[1])]),
        ("dot-forward", [("Delivered-To", PAUL[1])]),
        ("postfix-alias", [("X-Original-To", PAUL[1]), ("Delivered-To", PAUL[1])]),
        ("exim", [("Envelope-To", PAUL[1]), ("Delivery-Date", "Thu, 12 Nov 2026 10:00:00 +0100")]),
        ("procmail", [("X-Loop", PAUL[1])]),
        ("auto-submitted", [("Auto-Submitted", "auto-forwarded")]),
        ("resent", [("Resent-From", PAUL[1]), ("Resent-To", to)]),
    ]
    for name, header in traces:
        facts = [P, AUTO] + ([FWD] if name == "resent" else [])
        case(f"redirect-{name}", inside_from, "collectionneur.timbres@gmail.com", "Planning", INTERNAL_TEXTS[FR][0], header=header, relay=True, mail_from=PAUL[1], shown="Paul Morel",
             visible=[MARIE["login"]], expect="block", facts=facts, because="a server's redirection of an internal mail to a personal mailbox")
    for name, mail_from in [("srs0", f"SRS0=Hx9k=CF=gmail.com=jean.citoyen@{INSIDE}"), ("srs1", f"SRS1=ab=relais.example==Hx9k=CF=free.fr=z@{INSIDE}"),
                            ("srs-exchange", f"marie.dupont+SRS=Ab1Cd=EF=gmail.com=jean.citoyen@{INSIDE}")]:
        case(f"redirect-{name}", inside_from, "mdupont75@gmail.com", "Planning", "Bonjour", relay=True, mail_from=mail_from, shown="Paul Morel", visible=[MARIE["login"]],
             expect="block", facts=[P, AUTO] + ([OWN] if "+SRS=" in mail_from else []), because="a redirection with a rewritten sender")
    _, plain, rich, _ = outlook(internal_mail(MARIE, 0, FR), "", FR)
    case("redirect-rule-forward", MARIE, "gperroux@laposte.net", "TR: Planning", plain, rich=rich, header=[("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"),
         ("X-MS-Exchange-Inbox-Rules-Loop", MARIE["login"])], expect="block", facts=[P, AUTO, FWD], because="an Exchange rule forwards, with the original inside")
    absences = [
        ("exchange-fr", "Réponse automatique : Ma demande", [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), ("X-MS-Exchange-Inbox-Rules-Loop", MARIE["login"]),
                                                           ("X-MS-Exchange-Generated-Message-Source", "Mailbox Rules Agent")]),
        ("exchange-en", "Automatic reply: My request", [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), ("X-MS-Exchange-Inbox-Rules-Loop", MARIE["login"])]),
        ("exchange-old", "Absence du bureau : Ma demande", [("X-Auto-Response-Suppress", "All"), ("Auto-Submitted", "auto-generated")]),
        ("sieve", "Auto: Ma demande", [("Auto-Submitted", "auto-replied (vacation)"), ("X-Sieve", "Pigeonhole Sieve 0.5.21 (f6cd4b8e)"), ("Precedence", "bulk")]),
        ("zimbra", "Re: Ma demande", [("Auto-Submitted", "auto-replied (zimbra; vacation)"), ("Precedence", "bulk")]),
        ("bluemind", "Re: Ma demande", [("Auto-Submitted", "auto-replied"), ("X-Sieve", "CMU Sieve 3.0")]),
        ("gmail", "Absence Re: Ma demande", [("Auto-Submitted", "auto-replied"), ("X-Autoreply", "yes"), ("Precedence", "bulk")]),
    ]
    for name, subject, header in absences:
        case(f"absence-{name}", MARIE, CITIZENS[0][1], subject, "Je suis absente jusqu'au 20 novembre. En cas d'urgence, écrivez à l'accueil.", header=header, thread=["CAx@mail.gmail.com"],
             relay=True, mail_from=MARIE["login"], shown="Marie Dupont", expect="allow", facts=[P, REPLY], because="a vacation answer")
    liste = f"riverains@listes.{INSIDE}"
    case("list-expansion", dict(PAUL_AGENT), [c[1] for c in CITIZENS[:3]], "[riverains] Travaux", "La rue sera fermée lundi.", visible=[liste], relay=True, mail_from=f"riverains-owner@listes.{INSIDE}",
         shown="Paul Morel", header=[("List-Id", f"<riverains.listes.{INSIDE}>"), ("List-Post", f"<mailto:{liste}>"), ("Delivered-To", liste), ("X-Loop", liste), ("Precedence", "list")],
         expect="allow", facts=[P], because="a public mailing list of ours sends to its subscribers")
    case("list-then-forwarded", dict(PAUL_AGENT), ["collectionneur.timbres@gmail.com"], "[agents] Travaux", "La rue sera fermée lundi.", visible=[liste], relay=True,
         mail_from=f"agents-owner@listes.{INSIDE}", shown="Paul Morel", header=[("List-Id", f"<agents.listes.{INSIDE}>"), ("List-Post", f"<mailto:{liste}>"), ("Delivered-To", MARIE["login"])],
         expect="block", facts=[P, AUTO], because="a list's mail that an agent's mailbox sends on")
    case("machine-notice", dict(PAUL_AGENT), [CITIZENS[0][1]], "Votre dossier a changé d'état", "Connectez-vous pour le voir.", relay=True, mail_from=PAUL[1], shown="Téléservice",
         header=[("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")], expect="allow", facts=[P], because="a machine's notice")
    case("exchange-says-no", MARIE, CITIZENS[0][1], "Votre dossier", ANSWERS[FR], header=[("X-MS-Exchange-Organization-AutoForwarded", "false")], expect="allow", facts=[P],
         because="Exchange says that it was not forwarded")


def vanity():
    doc = [file_docx()]
    rows = [
        ("dupont-marie", MARIE, "contact@dupont-marie.fr", True), ("mariedupont", MARIE, "moi@mariedupont.fr", True), ("grosjean", SOPHIE, "sophie@grosjean.fr", True),
        ("lefranc-grosjean", SOPHIE, "sophie@lefranc-grosjean.fr", True), ("coeurdacier", ELODIE, "elodie@coeurdacier.org", True),
        ("family-name", MARIE, "marie@dupont.fr", True), ("name-tld", KARIM, "karim@benali.name", True), ("below", ALEX, "alexandre@mail.tchekhov.fr", True),
        ("full-at-family", MARIE, "marie.dupont@dupont.family", True),
        ("company-of-the-name", SOPHIE, "contact@grosjean.fr", False), ("bakery", MARIE, "commande@boulangerie-dupont.fr", False), ("brother", SOPHIE, "luc@grosjean.fr", False),
        ("namesake-at-company", JP, "philippe.martin@entreprise.example", False), ("common-namesake-at-company", MARIE, "marie.dupont@entreprise.example", False),
        ("namesake-at-ministry", ELODIE, "elodie.coeurdacier@autre.gouv.fr", False), ("namesake-at-academy", ELODIE, "elodie.coeurdacier@ac-exemple.fr", False),
        ("lawyers", SOPHIE, "accueil@lefranc-associes.fr", False),
    ]
    for name, who, to, own in rows:
        case(f"vanity-{name}", who, to, "Document", "ci-joint", files=doc, expect="block" if own else "allow", facts=([OWN] if own else []) + [OFFICE],
             because="a domain of one's own" if own else "a domain that is not one's own")


def displays():
    doc = [file_docx()]
    rows = [
        ("full", MARIE, "pseudo99@gmail.com", "Marie Dupont", True), ("reversed", MARIE, "pseudo98@gmail.com", "DUPONT Marie (perso)", True),
        ("initial", MARIE, "pseudo97@gmail.com", "M. Dupont", True), ("me", MARIE, "etoile.du.sud@orange.fr", "moi", True), ("me-perso", KARIM, "etoile.du.nord@orange.fr", "Moi perso", True),
        ("given-perso", NATHALIE, "bretonne.2935@gmail.com", "Nathalie perso", True),
        ("given", MARIE, "pseudo96@gmail.com", "Marie", False), ("brother", MARIE, "pseudo95@gmail.com", "Paul Dupont", False), ("couple", MARIE, "pseudo94@gmail.com", "Paul et Luc Dupont", False),
        ("mother", MARIE, "pseudo93@gmail.com", "Maman", False), ("other-perso", MARIE, "pseudo92@gmail.com", "Paul perso", False),
    ]
    for name, who, to, shown, own in rows:
        case(f"display-{name}", who, to, "Document", "ci-joint", files=doc, to_names={to: shown}, expect="block" if own else "allow", facts=[P] + ([OWN] if own else []) + [OFFICE],
             because="the name that the message shows for the recipient")


def accounts():
    doc = [file_docx()]
    case("private-exact", BERTRAND, "Pseudo.Voileux29@gmail.com", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="a private address the directory knows")
    case("private-dots", BERTRAND, "pseudovoileux29@gmail.com", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="Gmail ignores dots")
    case("private-googlemail-plus", BERTRAND, "pseudo.voileux29+travail@googlemail.com", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE],
         because="Gmail by its other name, with a tag")
    other = agent("l.weber", "Lena WEBER", [], [], private=["atelier@ceramique.example"])
    case("private-elsewhere", other, "atelier@ceramique.example", "Document", "ci-joint", files=doc, expect="block", facts=[OWN, OFFICE], because="a private address at no provider")
    case("private-of-another", other, "atelier2@ceramique.example", "Document", "ci-joint", files=doc, expect="allow", facts=[OFFICE], because="not that address")
    alias = agent("u123456", "Clotilde VERSPIEREN", [], [], aliases=["clotilde.verspieren", "c.verspieren"])
    case("login-is-a-number", alias, "clo.verspieren@gmail.com", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="the login tells nothing, the aliases do")
    case("login-is-a-number-by-alias", alias, "clotildeverspieren@orange.fr", "Document", "ci-joint", files=doc, names=[], shown="", expect="block", facts=[P, OWN, OFFICE],
         because="only the aliases bear the name")
    former = agent("sylvie.tanguy", "Sylvie TANGUY", [], [], names=["Sylvie TANGUY", "Sylvie LE FLOCH"])
    case("former-name", former, "sylvie.lefloch@orange.fr", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="a former name that the directory knows")
    case("former-name-other", former, "erwan.lefloch@orange.fr", "Document", "ci-joint", files=doc, expect="allow", facts=[P, OFFICE], because="somebody of the former name")
    service = agent("secretariat", "Secrétariat du service", [], [])
    for n, (to, shown) in enumerate([("secretariat.club@gmail.com", ""), ("secretariat@orange.fr", ""), ("service.du.secretariat@free.fr", "Secrétariat")]):
        case(f"service-to-alike-{n}", service, to, "Dossier", "ci-joint", files=doc, to_names={to: shown}, kind="service", expect="allow", facts=[P, OFFICE],
             because="a shared mailbox has no private mailbox of its name")
    rh = agent("ressources-humaines", "Ressources humaines", [], [])
    case("service-to-agent-at-home", rh, "mdupont75@gmail.com", "Votre attestation", "ci-joint", files=[file_pdf("attestation.pdf", "Attestation")], kind="service", expect="allow", facts=[P, OFFICE],
         because="the personnel office writes to an agent at home")
    relay = dict(MARIE)
    case("relay-own", relay, "mdupont75@gmail.com", "Document", "ci-joint", files=doc, relay=True, mail_from=MARIE["login"], expect="block", facts=[P, OWN, OFFICE], because="through a mail server before us")
    case("relay-own-by-display", agent("u98765", "DUPONT Marie", [], []), "dupont.marie@orange.fr", "Document", "ci-joint", files=doc, relay=True, mail_from=f"u98765@{INSIDE}", expect="block",
         facts=[P, OWN, OFFICE], because="through a mail server: only From tells the name")
    case("relay-other", relay, "paul.dupont@gmail.com", "Document", "ci-joint", files=doc, relay=True, mail_from=MARIE["login"], expect="allow", facts=[P, OFFICE], because="through a mail server, to another")
    dept = agent("marie.dupont2", "DUPONT Marie (DGFiP/SRH/Bureau de la paie)", [], [])
    case("display-with-office", dept, "dupont.marie33@orange.fr", "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="the display name bears the office too")
    case("display-with-office-other", dept, "bureau.paie.exemple@gmail.com", "Document", "ci-joint", files=doc, expect="allow", facts=[P, OFFICE], because="words of an office are no name")
    case("colleague-inside", MARIE, f"mdupont@{INSIDE}", "Document", "ci-joint", files=doc, expect="allow", facts=[OFFICE], because="a namesake inside")
    case("own-among-citizens", MARIE, ["mdupont75@gmail.com", CITIZENS[0][1]], "Document", "ci-joint", files=doc, expect="block", facts=[P, OWN, OFFICE], because="one's own mailbox beside a citizen's")


def professional():
    for name, header in [("sensitivity", [("Sensitivity", "Company-Confidential")]), ("label", [("msip_labels", "MSIP_Label_1_Enabled=true; MSIP_Label_1_Name=Usage interne;")])]:
        case(f"marked-{name}-other", MARIE, CITIZENS[0][1], "Point d'étape", "Voici où nous en sommes.", header=header, expect="block", facts=[P, PRO], because="marked internal, to a personal mailbox")
        case(f"marked-{name}-own", MARIE, MARIE["own"][0], "Point d'étape", "Voici où nous en sommes.", header=header, expect="block", facts=[P, OWN, PRO], because="marked internal, home")
    case("marked-public-label", MARIE, CITIZENS[0][1], "Guide", "Voici le guide.", header=[("msip_labels", "MSIP_Label_1_Enabled=true; MSIP_Label_1_Name=Public;")], expect="allow", facts=[P],
         because="marked public")
    case("marked-private-and-internal", MARIE, MARIE["own"][0], "[PERSONNEL] point", "Voici où nous en sommes.", header=[("msip_labels", "MSIP_Label_1_Name=Usage interne")], expect="block",
         facts=[P, OWN, PRO, PRIV], because="calling it private does not make it so")
    case("document-of-the-house", MARIE, CITIZENS[0][1], "Compte rendu", "ci-joint", files=[file_docx("cr.docx", "Compte rendu", company=INSIDE)], expect="block", facts=[P, PRO, OFFICE],
         because="a document with the organisation's properties")


def fewer_parts():
    """Forms of names that real mailboxes have, one by one."""
    doc = [file_pdf()]
    rows = [
        ("prefix", MARIE, "ma.dupont@gmail.com", True), ("suffix-word", MARIE, "marie.dupont.photo@gmail.com", True), ("filler", MARIE, "marie.dupont.perso@gmail.com", True),
        ("pro", MARIE, "mariedupont.pro@gmail.com", True), ("underscores", MARIE, "__marie_dupont__@yahoo.fr", True), ("digits-between", MARIE, "marie75dupont@gmail.com", True),
        ("department", MARIE, "dupont.m.92@orange.fr", True), ("dots", MARIE, "m.a.r.i.e.dupont@gmail.com", True), ("capitals", MARIE, "Marie.DUPONT@Free.fr", True),
        ("couple", MARIE, "marie.et.paul.dupont@orange.fr", True), ("couple-2", MARIE, "paul-et-marie.dupont@orange.fr", True),
        ("couple-others", MARIE, "luc.et.paul.dupont@orange.fr", False), ("compound", MARIE, "marie-claude.dupont@orange.fr", False),
        ("masculine", agent("jeanne.lacombe", "Jeanne LACOMBE", [], []), "jean.lacombe@gmail.com", False), ("sister", agent("louise.blanchet", "Louise BLANCHET", [], []), "louis.blanchet@gmail.com", False),
        ("benoit", agent("benoit.tillier", "Benoît TILLIER", [], []), "ben.tillier@gmail.com", True), ("fred", agent("frederic.noiret", "Frédéric NOIRET", [], []), "fred.noiret@free.fr", True),
        ("steph", agent("stephanie.noiret", "Stéphanie NOIRET", [], []), "steph_noiret@hotmail.fr", True), ("isa", agent("isabelle.caradec", "Isabelle CARADEC", [], []), "isa.caradec@orange.fr", True),
        ("manu", agent("emmanuel.sorel", "Emmanuel SOREL", [], []), "manu.sorel@gmail.com", True), ("babeth", agent("elisabeth.sorel", "Élisabeth SOREL", [], []), "babeth.sorel@gmail.com", True),
        ("titi", agent("thierry.sorel", "Thierry SOREL", [], []), "titi@gmail.com", False), ("kate", agent("catherine.brel", "Catherine BREL", [], []), "cathy.brel@sfr.fr", True),
        ("jmi", agent("jean-michel.brossard", "Jean-Michel BROSSARD", [], []), "jeanmi.brossard@orange.fr", True), ("jm", agent("jean-michel.brossard", "Jean-Michel BROSSARD", [], []), "jmb.brossard@orange.fr", False),
        ("initial-of-another", agent("jean-michel.brossard", "Jean-Michel BROSSARD", [], []), "paul.brossard@orange.fr", False),
        ("longer-name", MARIE, "mdupontel@gmail.com", False), ("shorter-name", agent("marie.dupontel", "Marie DUPONTEL", [], []), "paul.dupont12@gmail.com", False),
        ("only-given-and-year", MARIE, "marie1982@gmail.com", False), ("only-family-and-year", MARIE, "dupont1982@gmail.com", False),
        ("apostrophe", agent("m.darc", "Mathilde D'ARC", [], []), "mathilde.darc@gmail.com", True), ("saint", agent("luc.saint-martin", "Luc SAINT-MARTIN", [], []), "lucsaintmartin@gmail.com", True),
        ("saint-short", agent("luc.saint-martin", "Luc SAINT-MARTIN", [], []), "lsaintmartin64@gmail.com", True), ("von", agent("karl.von-stein", "Karl VON STEIN", [], []), "karl.vonstein@gmail.com", True),
        ("mac", agent("fiona.macleod", "Fiona MacLeod", [], []), "fionamacleod@gmail.com", True), ("ellipsis", agent("ismael.ait-ouarab", "Ismaël AÏT OUARAB", [], []), "ismael.aitouarab@gmail.com", True),
        ("el", agent("youssef.el-amrani", "Youssef EL AMRANI", [], []), "y.elamrani@gmail.com", True), ("amrani", agent("youssef.el-amrani", "Youssef EL AMRANI", [], []), "sara.elamrani@gmail.com", False),
        ("diallo", agent("aminata.diallo", "Aminata DIALLO", [], []), "aminatadiallo224@gmail.com", True), ("diallo-other", agent("aminata.diallo", "Aminata DIALLO", [], []), "amadou.diallo@gmail.com", False),
        ("polish", agent("lukasz.zielinski", "Łukasz ZIELIŃSKI", [], []), "l.zielinski@wp.pl", True), ("german", agent("jurgen.strauss", "Jürgen STRAUẞ", [], []), "juergen.strauss@gmx.de", True),
        ("two-family", agent("ines.garcia", "Inès GARCIA LOPEZ", [], []), "ines.lopez@gmail.com", True), ("maiden", agent("clara.vidal", "Clara VIDAL ép. ROUVIERE", [], []), "clara.rouviere@free.fr", True),
        ("compound-half", agent("marie-christine.lagarrigue", "Marie-Christine LAGARRIGUE", [], []), "christine.lagarrigue@orange.fr", True),
        ("compound-initials", agent("marie-christine.lagarrigue", "Marie-Christine LAGARRIGUE", [], []), "mc.lagarrigue@orange.fr", True),
        ("rare-alone", agent("anne.lapeyronnie", "Anne LAPEYRONNIE", [], []), "lapeyronnie31@orange.fr", True),
        ("protonmail", ALEX, "alexandre.tchekhov@proton.me", True), ("icloud", ALEX, "tchekhov.alexandre@icloud.com", True), ("lilo", ALEX, "alexandre.tchekhov@lilo.org", True),
        ("caramail", ALEX, "alexandretchekhov@caramail.com", True), ("numericable", ALEX, "a.tchekhov@numericable.fr", True), ("ool", YANNICK, "yannick.hoarau@izi.re", True),
    ]
    for name, who, to, own in rows:
        case(f"name-{name}", who, to, "Document", "ci-joint", files=doc, expect="block" if own else "allow", facts=[P] + ([OWN] if own else []) + [OFFICE],
             because="a form of the sender's name" if own else "another's name")


# A second round, labelled when the facts had been tuned to the first and before they were tried on it.


def titled(prefix, head, keys, when, order, tail=""):
    def write(q, own, lang):
        values = dict(f=full((q["name"], q["address"])), d=when, t=", ".join(full(p) for p in q["to"]), s=q["subject"])
        block = "\n".join(f"{key} {values[one]}" for key, one in zip(keys, order))
        return prefix, f"{own}\n\n{head}\n{block}\n\n{q['text']}\n{tail}", None, []
    return write


MORE_FORWARDS = [
    ("yahoo", titled("Tr : ", "----- Message transféré -----", ("De :", "À :", "Envoyé :", "Objet :"), "jeudi 12 novembre 2026 à 09:41:00 UTC+1", "ftds")),
    ("proton", titled("TR: ", "------- Message transféré -------", ("De :", "Date :", "Objet :", "À :"), "Le jeudi 12 novembre 2026 à 09:41", "fdst")),
    ("proton-en", titled("Fw: ", "------- Forwarded Message -------", ("From:", "Date:", "Subject:", "To:"), "On Thursday, November 12th, 2026 at 9:41 AM", "fdst")),
    ("claws", titled("Fw: ", "Début du message transféré :\n", ("Date:", "De:", "À:", "Sujet:"), "Thu, 12 Nov 2026 09:41:00 +0100", "dfts")),
    ("mutt", titled("", "----- Forwarded message from Paul MOREL <paul.morel@example.gouv.fr> -----\n", ("Date:", "From:", "To:", "Subject:"),
                    "Thu, 12 Nov 2026 09:41:00 +0100", "dfts", "----- End forwarded message -----\n")),
    ("kmail", titled("Fwd: ", "----------  Message transmis  ----------\n", ("Sujet :", "Date :", "De :", "À :"), "jeudi 12 novembre 2026, 09:41:00", "sdft")),
    ("evolution", titled("Fwd: ", "-------- Message transféré --------", ("De:", "À:", "Objet:", "Date:"), "Thu, 12 Nov 2026 09:41:00 +0100", "ftsd")),
    ("windows-mail", titled("TR: ", "\nProvenance : Courrier pour Windows\n", ("De :", "Envoyé le :", "À :", "Objet :"), "jeudi 12 novembre 2026 09:41", "fdts")),
    ("sogo", titled("Fwd: ", "-------- Original Message --------", ("Sujet:", "Date:", "De:", "À:"), "Jeudi 12 Novembre 2026 09:41 CET", "sdft")),
    ("outlook-bold-marks", titled("TR: ", "", ("*De :*", "*Envoyé :*", "*À :*", "*Objet :*"), "jeudi 12 novembre 2026 09:41", "fdts")),
    ("horde", titled("Fwd: ", "----- Message transféré de Paul MOREL <paul.morel@example.gouv.fr> -----", ("   Date:", "     De:", "      À:", "  Objet:"),
                     "Thu, 12 Nov 2026 09:41:00 +0100", "dfts", "----- Fin du message transféré -----\n")),
    ("german", titled("WG: ", "", ("Von:", "Gesendet:", "An:", "Betreff:"), "Donnerstag, 12. November 2026 09:41", "fdts")),
]

STEPHANE = agent("stephane.le-guennec", "Stéphane LE GUENNEC", ["leguennec.stephane@orange.fr", "stef.leguennec35@gmail.com", "sleguennec@free.fr", "stephane_leguennec@hotmail.com"],
                 ["stephanie.leguennec@orange.fr", "yann.leguennec@gmail.com", "stephane.guenee@free.fr"])
LAURE = agent("anne-laure.de-kergorlay", "Anne-Laure DE KERGORLAY", ["al.dekergorlay@gmail.com", "annelaure.kergorlay@orange.fr", "kergorlay@laposte.net", "anne-laure.dekergorlay@me.com"],
              ["laure.kervella@gmail.com", "anne.kergoat@orange.fr"])
ANH = agent("ngoc-anh.tran", "Ngoc Anh TRAN", ["ngocanh.tran@gmail.com", "tran.ngoc.anh@yahoo.fr", "tranngocanh88@gmail.com"], ["minh.tran@gmail.com", "tran75013@gmail.com", "anh@free.fr"])
BAPTISTE = agent("jean-baptiste.petit", "Jean-Baptiste PETIT", ["jb.petit@gmail.com", "jbpetit@free.fr", "petitjb38@orange.fr", "jean.baptiste.petit@sfr.fr", "jeanbapt.petit@gmail.com"],
                 ["jean.petit@orange.fr", "baptiste.petit@gmail.com", "b.petit@free.fr", "lepetit.jb.prince@gmail.com"])
VERO = agent("veronique.martin-dubois", "Véronique MARTIN-DUBOIS", ["veronique.dubois@gmail.com", "v.martindubois@orange.fr", "vero.martin@free.fr", "martin.dubois.veronique@bbox.fr"],
             ["virgile.dubois@gmail.com", "luc.martin-dubois@orange.fr", "veronique.marchand@gmail.com"])
LOIC = agent("loic.roy", "Loïc ROY", ["loic.roy@gmail.com", "royloic29@orange.fr", "loicroy@neuf.fr"], ["lroy@gmail.com", "lucas.roy@orange.fr", "loicroyer@gmail.com"])
FATOU = agent("fatoumata.kone", "Fatoumata KONÉ", ["fatoumata.kone@gmail.com", "kone.fatoumata94@yahoo.fr", "fatou.kone@hotmail.fr", "fkone@orange.fr"], ["ibrahim.kone@gmail.com", "fatou@gmail.com"])
PIERRE = agent("pierre-yves.lallement", "Pierre-Yves LALLEMENT", ["py.lallement@gmail.com", "pylallement54@numericable.fr", "pierreyves.lallement@club-internet.fr", "lallement.py@aliceadsl.fr"],
               ["yvette.lallement@orange.fr", "pierrette.lallemand@free.fr"])
SECOND = [STEPHANE, LAURE, ANH, BAPTISTE, VERO, LOIC, FATOU, PIERRE]


def second_round():
    turn = 0
    for who in SECOND:
        for mailbox in who["own"]:
            turn += 1
            short = mailbox.split("@")[0].replace(".", "-")
            if turn % 2:
                client, forward = MORE_FORWARDS[turn % len(MORE_FORWARDS)]
                q = internal_mail(who, turn, FR)
                prefix, plain, rich, header = forward(q, "", FR)
                case(f"second-own-{short}-{client}", who, mailbox, prefix + q["subject"], plain, rich=rich, expect="block", facts=[P, OWN, FWD], because=f"{client} forwards home")
            else:
                case(f"second-own-{short}", who, mailbox, "doc", "", files=[FILES[turn % 3]()], expect="block", facts=[P, OWN, OFFICE], because="a document sent home")
        for mailbox in who["others"]:
            case(f"second-other-{mailbox.split('@')[0].replace('.', '-')}", who, mailbox, "Votre courrier", ANSWERS[FR], files=[file_pdf()], expect="allow", facts=[P, OFFICE],
                 because="somebody else's mailbox")
    for n, (client, forward) in enumerate(MORE_FORWARDS):
        q = internal_mail(MARIE, n, FR)
        prefix, plain, rich, header = forward(q, "Pour info", FR)
        case(f"second-forward-{client}-other", MARIE, CITIZENS[n % 4][1], prefix + q["subject"], plain, rich=rich, expect="quarantine", facts=[P, FWD], because=f"{client} forwards an internal mail")
        citizen = citizen_mail(CITIZENS[n % 4], MARIE, FR)
        prefix, plain, rich, header = forward(citizen, "Peux-tu regarder ?", FR)
        plain = plain.replace("Paul MOREL <paul.morel@example.gouv.fr>", full((citizen["name"], citizen["address"])))
        case(f"second-citizen-inside-{client}", MARIE, [PAUL[1]], prefix + "Ma demande", plain, rich=rich, expect="allow", facts=[], because="a citizen's mail forwarded to a colleague")
    names = [
        ("digits-first", "75marie.dupont@gmail.com", True), ("year-behind", "dupont_marie_1975@yahoo.fr", True), ("postcode", "mariedupont.75013@gmail.com", True),
        ("perso-before", "perso.dupont.marie@gmail.com", True), ("hyphens", "marie-dupont-perso@orange.fr", True), ("family-initial", "dupont.m@free.fr", True),
        ("city", "marie.dupont.paris@gmail.com", True), ("maman", "maman.dupont@orange.fr", False), ("parents", "les.parents.dupont@free.fr", False),
        ("married-other", "dupont.martine@orange.fr", False), ("m-a", "marieange.dupont@orange.fr", False), ("cousin", "mathieu.dupont@laposte.net", False),
        ("dupontel", "marie.dupontel@gmail.com", False), ("duponts", "marion.dupont@gmail.com", False), ("company", "dupont.plomberie@orange.fr", False),
    ]
    for name, mailbox, own in names:
        case(f"second-name-{name}", MARIE, mailbox, "Document", "ci-joint", files=[file_pdf()], expect="block" if own else "allow", facts=[P] + ([OWN] if own else []) + [OFFICE],
             because="a form of the sender's name" if own else "another's name")
    doc = [file_docx()]
    case("second-copy-home-of-a-letter", MARIE, [MARIE["own"][0], CITIZENS[0][1]], "Votre demande", ANSWERS[FR], files=doc, cc=[MARIE["own"][0]], expect="block", facts=[P, OWN, OFFICE],
         because="a copy of a letter with a document, home")
    case("second-blind-copy-home", MARIE, [MARIE["own"][1], PAUL[1]], "Compte rendu", "ci-joint", files=doc, visible=[PAUL[1]], expect="block", facts=[P, OWN, OFFICE], because="a blind copy home")
    q = citizen_mail(CITIZENS[0], MARIE, FR)
    before = dict(name=MARIE["shown"], address=MARIE["login"], to=[(CITIZENS[0][0], CITIZENS[0][1])], subject="Votre demande", text="Bonjour, il manque une pièce.")
    deep = owa(q, ANSWERS[FR], FR)[1] + owa(before, "", FR)[1] + owa(q, "", FR)[1]
    case("second-long-thread", MARIE, CITIZENS[0][1], "RE: RE: Ma demande", deep, thread=["CAx@mail.gmail.com", f"m@{INSIDE}", "CAz@mail.gmail.com"], expect="allow", facts=[P, REPLY], because="a long thread with a citizen")
    case("second-spouse-of-citizen-added", MARIE, [CITIZENS[1][1], CITIZENS[0][1]], "RE: Ma demande", owa(q, ANSWERS[FR], FR)[1], thread=["CAx@mail.gmail.com"], expect="allow", facts=[P],
         because="somebody whom the citizen asks to be told too")
    case("second-citizen-in-copy-of-colleagues", MARIE, [CITIZENS[0][1], PAUL[1]], "RE: Votre dossier", owa(dict(name=PAUL[0], address=PAUL[1], to=[(MARIE["shown"], MARIE["login"]), CITIZENS[0]],
         subject="Votre dossier", text="Je transmets à Marie."), "Merci Paul, je m'en occupe.", FR)[1], thread=[f"p@{INSIDE}"], expect="allow", facts=[P], because="the citizen had a copy of the colleague's mail")
    report = ("Content-Type: multipart/report; report-type=disposition-notification; boundary=\"=_r\"\n\n--=_r\nContent-Type: text/plain\n\nLu.\n--=_r\n"
              f"Content-Type: message/disposition-notification\n\nReporting-UA: Outlook\nFinal-Recipient: rfc822;{MARIE['login']}\nOriginal-Message-ID: <CAx@mail.gmail.com>\n"
              "Disposition: manual-action/MDN-sent-manually; displayed\n--=_r--\n")
    case("second-read-receipt", MARIE, CITIZENS[0][1], "Lu : Ma demande", None, raw_body=report, expect="allow", facts=[P], because="a read receipt")
    inner = internal_mail(MARIE, 0, FR)
    for name, to, names_, expect, facts in [
        # [interne] is a protective marking: refused, not held.
        ("union", "section.syndicale.exemple@gmail.com", {}, "block", [P, FWD, PRO]),
        ("spouse", "paul.dupont@gmail.com", {"paul.dupont@gmail.com": "Paul Dupont"}, "block", [P, FWD, PRO]),
        ("colleague", "morel.paul91@gmail.com", {}, "block", [P, FWD, PRO]),
        ("trainee", "stagiaire.lucie@outlook.fr", {}, "block", [P, FWD, PRO]),
    ]:
        _, plain, rich, _ = outlook(inner, "", FR)
        case(f"second-internal-to-{name}", MARIE, to, "[interne] TR: Planning", plain, rich=rich, to_names=names_, expect=expect, facts=facts, because="an internal mail to a personal mailbox")
    case("second-external-tag", MARIE, CITIZENS[0][1], "RE: [EXTERNE] Ma demande", owa(q, ANSWERS[FR], FR)[1], thread=["CAx@mail.gmail.com"], expect="allow", facts=[P, REPLY], because="the gateway's tag in the Subject")
    case("second-relative-shown", MARIE, "m.dupont@orange.fr", "Votre demande", ANSWERS[FR], files=doc, to_names={"m.dupont@orange.fr": "Michel Dupont"}, expect="allow", facts=[P, OFFICE],
         because="a citizen of the same initial, whose name the message shows")
    case("second-public-notice", JP, CITIZENS[1][1], "Avis de travaux", "Madame, Monsieur,\n\nDe : 8 h\nÀ : 17 h\nDate : lundi\nObjet : coupure d'eau\n\nLe maire", expect="allow", facts=[P], because="a notice that looks like a header block")
    case("second-minutes-to-association", JP, CITIZENS[5][1], "Compte rendu de la réunion publique", "Veuillez trouver le compte rendu." + SIGNATURE, files=[file_pdf("cr.pdf")], expect="allow", facts=[P, OFFICE], because="minutes of a public meeting")
    case("second-tender-to-craftsman", JP, "sarl.peinture.noiret@orange.fr", "Consultation", "Merci de nous adresser votre devis avant le 30.", files=[file_zip("dce.zip")], expect="allow", facts=[P, OFFICE], because="a craftsman's only mailbox")
    case("second-doctor", LAURE, "dr.kergoat@wanadoo.fr", "Certificat", "Docteur,\n\nmerci de compléter le formulaire.", files=[file_pdf("formulaire.pdf")], expect="allow", facts=[P, OFFICE], because="a doctor at an access provider")
    case("second-zipped-eml-own", MARIE, MARIE["own"][0], "archives", "", files=[("application/zip", "mails.zip", zipped([("Planning.eml", f"From: Paul <{PAUL[1]}>\r\nTo: {MARIE['login']}\r\nSubject: x\r\n\r\nx\r\n")]))],
         expect="block", facts=[P, OWN, FWD, OFFICE], because="an archive of mail sent home")
    for client, reply in [("gmail", REPLIES[4][1]), ("roundcube", REPLIES[7][1]), ("apple-mail", REPLIES[3][1])]:
        _, plain, rich, header = reply(inner, "Vous trouverez ci-dessous nos échanges.", FR)
        case(f"third-outsider-joined-{client}", MARIE, ["consultant.idf@gmail.com", PAUL[1]], "Re: Planning", plain, rich=rich, header=header, thread=[f"p1@{INSIDE}"], expect="quarantine",
             facts=[P, FWD], because="an outsider joined to an internal thread")
        _, plain, rich, header = reply(dict(before, subject="Votre demande"), "Je me permets de vous relancer.", FR)
        case(f"third-second-letter-{client}", MARIE, CITIZENS[0][1], "Re: Votre demande", plain, rich=rich, header=header, thread=[f"m1@{INSIDE}"], expect="allow", facts=[P],
             because="a second letter over one's own first")
    short = agent("pmorel", "", [], [])
    for to, own in [("pmorel@gmail.com", True), ("pmorel75@orange.fr", True), ("pmoreau@gmail.com", False), ("morel@free.fr", False)]:
        case(f"third-short-login-{to.split('@')[0]}", short, to, "Document", "ci-joint", files=doc, names=[], expect="block" if own else "allow", facts=[P] + ([OWN] if own else []) + [OFFICE],
             because="a login of one word, and no name known")
    for n, to in enumerate(["zoe.pasquier@pasquier.fr", "pasquier.zoe@zoepasquier.com"]):
        case(f"second-vanity-{n}", agent("zoe.pasquier", "Zoé PASQUIER", [], []), to, "Document", "ci-joint", files=doc, expect="block", facts=[OWN, OFFICE], because="a domain of one's own")
    for n, to in enumerate(["contact@pasquier.fr", "zoe@boulangerie.example", "accueil@pasquier-freres.fr"]):
        case(f"second-no-vanity-{n}", agent("zoe.pasquier", "Zoé PASQUIER", [], []), to, "Document", "ci-joint", files=doc, expect="allow", facts=[OFFICE], because="a company's domain")


def main():
    for make in (own_mailboxes, own_harmless, namesakes, forwards, rewritten, replies, first_letters, redirections, vanity, displays, accounts, professional, fewer_parts, second_round):
        make()
    wanted = {f"{name}.{ending}": text.encode() for name, (mail, label) in CASES.items() for ending, text in (("eml", mail), ("toml", label))}
    if "--check" in sys.argv:
        there = {path.name: path.read_bytes() for path in HERE.iterdir()} if HERE.exists() else {}
        wrong = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        for name in wrong:
            print(f"not as it would be written: {name}")
        sys.exit(1 if wrong else 0)
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    for name, octets in wanted.items():
        (HERE / name).write_bytes(octets)
    print(f"{len(CASES)} cases")


main()
