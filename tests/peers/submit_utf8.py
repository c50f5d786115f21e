"""Submits one message with an address beyond ASCII and with wishes for delivery reports, by Python's smtplib.

submit_utf8.py HOST PORT CA LOGIN PASSWORD-FILE RECIPIENT…
"""
import email.policy
import smtplib
import ssl
import sys
from email.message import EmailMessage

host, port, ca, login, password_file, *recipients = sys.argv[1:]
message = EmailMessage(policy=email.policy.SMTPUTF8)
message["From"] = login
message["To"] = recipients[0]
message["Subject"] = "Été"
message["Message-ID"] = "<utf8@client.example.org>"
message.set_content("Déjà l'été\n.\nfin\n", cte="8bit")

context = ssl.create_default_context(cafile=ca)
with smtplib.SMTP(host, int(port)) as server:
    server.starttls(context=context)
    with open(password_file) as file:
        server.login(login, file.read().strip())
    assert server.has_extn("smtputf8") and server.has_extn("dsn") and server.has_extn("chunking")
    refused = server.send_message(
        message,
        to_addrs=recipients,
        mail_options=["RET=HDRS", "ENVID=python1"],
        rcpt_options=["NOTIFY=FAILURE,DELAY"],
    )
    assert not refused, refused
