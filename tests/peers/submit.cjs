// Submits one message that nodemailer composes itself: text, an attachment, To and Bcc.
//
//   node submit.cjs NODEMAILER_FOLDER HOST PORT starttls|implicit CERTIFICATE SERVERNAME LOGIN PASSWORD_FILE TO BCC TEXT_FILE ATTACHMENT
const fs = require('fs');
const [folder, host, port, tls, certificate, servername, login, passwordFile, to, bcc, text, attachment] = process.argv.slice(2);
const nodemailer = require(folder);
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: tls === 'implicit',
  requireTLS: true,
  tls: { ca: fs.readFileSync(certificate), servername },
  auth: { user: login, pass: fs.readFileSync(passwordFile, 'utf8').replace(/\n$/, '') },
});
transport
  .sendMail({
    from: login,
    to,
    bcc,
    subject: 'Réunion de service',
    text: fs.readFileSync(text, 'utf8'),
    attachments: [{ filename: 'notes.txt', path: attachment, contentType: 'text/plain' }],
  })
  .then((info) => {
    if (info.rejected.length) throw new Error('refused: ' + info.rejected.join(', '));
  })
  .catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
