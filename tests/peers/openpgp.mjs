// Makes OpenPGP keys and opens OpenPGP messages with OpenPGP.js, which reads its jobs as JSON lines from standard input and answers
// each with one. Argument: the folder of the module.
//   {"make": "v4"|"v6"|"pqc", "address": A, "secret": FILE, "public": FILE}
//   {"open": FILE, "key": FILE, "signer": FILE, "out": FILE}
import { pathToFileURL } from 'node:url';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const openpgp = await import(pathToFileURL(`${process.argv[2]}/dist/node/openpgp.mjs`).href);
const text = (file) => readFileSync(file, 'utf8');

async function make(job) {
  const form = {
    v4: { type: 'ecc', curve: 'curve25519Legacy', config: { v6Keys: false } },
    v6: { type: 'curve25519', config: { v6Keys: true, aeadProtect: true } },
    pqc: { type: 'pqc', config: { v6Keys: true, aeadProtect: true } },
  }[job.make];
  // A day ago: the clock of the message may be a second behind.
  const date = new Date(Date.now() - 86400_000);
  const made = await openpgp.generateKey({ ...form, userIDs: [{ name: 'Someone', email: job.address }], date, format: 'armored' });
  writeFileSync(job.secret, made.privateKey);
  writeFileSync(job.public, made.publicKey);
}

async function open(job) {
  const verificationKeys = await openpgp.readKey({ armoredKey: text(job.signer) });
  const message = await openpgp.readMessage({ armoredMessage: text(job.open) });
  const { data, signatures } = await openpgp.decrypt({
    message,
    decryptionKeys: await openpgp.readPrivateKey({ armoredKey: text(job.key) }),
    verificationKeys,
    format: 'binary',
  });
  if (signatures.length !== 1) throw new Error(`${signatures.length} signatures`);
  await signatures[0].verified;
  writeFileSync(job.out, data);
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  try {
    await (job.make ? make(job) : open(job));
    console.log(JSON.stringify({ ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, why: String(error.message ?? error) }));
  }
}
