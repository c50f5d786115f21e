"""Submits one message with Python's smtplib.

    submit.py HOST PORT starttls|implicit CERTIFICATE LOGIN PASSWORD_FILE MESSAGE RECIPIENT…
"""
import email, email.policy, smtplib, ssl, sys

host, port, tls, certificate, login, password_file, message, *recipients = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
context.check_hostname = False
password = open(password_file, encoding="utf-8").read().rstrip("\n")
data = open(message, "rb").read()
if tls == "implicit":
    server = smtplib.SMTP_SSL(host, int(port), context=context, timeout=30)
else:
    server = smtplib.SMTP(host, int(port), timeout=30)
    server.starttls(context=context)
with server:
    server.login(login, password)
    # The library's two ways: octets as they are, and a message object, which it writes itself and relieves of its Bcc.
    if tls == "implicit":
        refused = server.sendmail(login, recipients, data)
    else:
        refused = server.send_message(email.message_from_bytes(data, policy=email.policy.SMTP), login, recipients)
    assert not refused, refused
