#!/usr/bin/env python3
"""Shows sealed messages in the real Thunderbird, headless, and says as JSON lines what a person sees of each.

thunderbird.py FOLDER: holds jobs.json, a list of {"name", "file" (.eml), "address" (the recipient's)}, and the keys:
  smime.p12 files (password "x") and authority.pem for the certificates' database; *.secret.asc and *.public.asc for OpenPGP.
Thunderbird is driven through Marionette, its own interface for tests, over a plain socket.
"""
import base64, glob, json, os, socket, subprocess, sys, time

folder = os.path.abspath(sys.argv[1])
profile = os.path.join(folder, "profile")
home = os.path.join(folder, "home")


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Marionette:
    """Messages are LENGTH:JSON; a command is [0, id, name, parameters], its answer [1, id, error, result]."""

    def __init__(self, port, seconds):
        end = time.time() + seconds
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
                break
            except OSError:
                if time.time() > end:
                    raise SystemExit("Thunderbird does not listen")
                time.sleep(0.3)
        self.rest, self.last = b"", 0
        self.read()

    def read(self):
        while b":" not in self.rest:
            self.rest += self.receive()
        length, rest = self.rest.split(b":", 1)
        length = int(length)
        while len(rest) < length:
            rest += self.receive()
        self.rest = rest[length:]
        return json.loads(rest[:length])

    def receive(self):
        octets = self.socket.recv(65536)
        if not octets:
            raise SystemExit("Thunderbird closed the connection")
        return octets

    def command(self, name, parameters):
        self.last += 1
        text = json.dumps([0, self.last, name, parameters]).encode()
        self.socket.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(f"{name}: {error.get('message')}")
        return result

    def run(self, script, *arguments):
        """The script gets `done`, and its arguments in `given`; what it hands to `done` comes back."""
        body = """const given = [...arguments]; const done = given.pop();
            (async () => { %s })().then(value => done({ value }), why => done({ why: String(why) + ' ' + (why.stack ?? '') }));"""
        answer = self.command(
            "WebDriver:ExecuteAsyncScript", {"script": body % script, "args": list(arguments), "sandbox": "system", "newSandbox": False}
        )["value"]
        if "why" in answer:
            raise RuntimeError(answer["why"])
        return answer.get("value")


PREFERENCES = {
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.shell.checkDefaultClient": False,
    "mail.spam.version": 1,
    "mail.openMessageBehavior": 0,
    "mailnews.start_page.enabled": False,
    "mail.openpgp.allow_external_gnupg": False,
    "mail.phishing.detection.enabled": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "network.proxy.type": 0,
    "browser.dom.window.dump.enabled": False,
    "mail.accounthub.enabled": False,
    "intl.date_time.pattern_override.date_short": "yyyy-MM-dd",
}

ACCOUNT = """
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  try { MailServices.accounts.createLocalMailAccount(); } catch (already) {}
  const identity = MailServices.accounts.createIdentity();
  identity.email = given[0]; identity.fullName = "Someone";
  const account = MailServices.accounts.accounts[0];
  account.addIdentity(identity);
  return account.incomingServer.prettyName;
"""

CERTIFICATES = """
  const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  const file = path => { const one = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile); one.initWithPath(path); return one; };
  database.addCertFromBase64(given[0], "CT,CT,CT");
  return given[1].map(path => database.importPKCS12File(file(path), "x"));
"""

OPENPGP = """
  const { RNP } = ChromeUtils.importESModule("chrome://openpgp/content/modules/RNP.sys.mjs");
  const { EnigmailKeyRing } = ChromeUtils.importESModule("chrome://openpgp/content/modules/keyRing.sys.mjs");
  const { BondOpenPGP } = ChromeUtils.importESModule("chrome://openpgp/content/BondOpenPGP.sys.mjs");
  await BondOpenPGP.init();
  const window = Services.wm.getMostRecentWindow("mail:3pane");
  const [secret, known] = given;
  const results = [];
  for (const block of secret) {
    const made = await RNP.importSecKeyBlockImpl(window, () => "", false, block, false, []);
    results.push(made.exitCode);
    for (const id of made.importedKeys ?? []) {
      const { PgpSqliteDb2 } = ChromeUtils.importESModule("chrome://openpgp/content/modules/sqliteDb.sys.mjs");
      await PgpSqliteDb2.acceptAsPersonalKey(id.replace(/^0x/, ""));
    }
  }
  for (const block of known) {
    const made = await RNP.importPubkeyBlockAutoAcceptImpl(window, block, "verified", false, []);
    results.push(made.exitCode);
  }
  EnigmailKeyRing.clearCache();
  return results;
"""

OPEN = """
  const { MailUtils } = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(given[0]);
  MailUtils.openEMLFile(Services.wm.getMostRecentWindow("mail:3pane"), file, Services.io.newFileURI(file));
"""

LOOK = """
  const window = Services.wm.getMostRecentWindow("mail:messageWindow");
  const page = window?.document.getElementById("messageBrowser")?.contentWindow;
  const subject = page?.document?.getElementById("expandedsubjectBox");
  if (!subject) return null;
  const mark = id => {
    const icon = page.document.getElementById(id);
    if (!icon || icon.hidden || page.getComputedStyle(icon).display === "none") return "none";
    const source = (icon.getAttribute("src") || icon.src || "").match(/message-(encrypted|signed)-([a-z]+)/);
    return source ? source[2] : "shown";
  };
  const body = page.document.getElementById("messagepane")?.contentDocument?.body;
  return {
    subject: subject.textContent.trim(),
    body: (body?.textContent ?? "").slice(0, 5000),
    pictures: [...(body?.querySelectorAll("img") ?? [])].filter(image => image.naturalWidth > 0).length,
    attachments: [...(page.currentAttachments ?? [])].map(one => one.name),
    lock: mark("encryptedHdrIcon"),
    seal: mark("signedHdrIcon"),
    technology: page.document.getElementById("encryptionTechBtn")?.textContent.trim() ?? "",
  };
"""

CLOSE = """Services.wm.getMostRecentWindow("mail:messageWindow")?.close();"""


def show(tb, file):
    """Decryption and the marks come one after the other: what does not change for two seconds is what a person sees."""
    tb.run(OPEN, file)
    end, seen, since = time.time() + 40, None, time.time()
    while time.time() < end:
        time.sleep(0.25)
        now = tb.run(LOOK)
        if now != seen:
            seen, since = now, time.time()
        # Without a lock it may still be coming.
        if seen and time.time() - since > (2 if seen["lock"] != "none" and seen["seal"] != "none" else 10):
            break
    tb.run(CLOSE)
    return seen


def text(file):
    with open(file, encoding="utf-8") as opened:
        return opened.read()


def main():
    os.makedirs(profile, exist_ok=True)
    os.makedirs(home, exist_ok=True)
    port = free_port()
    with open(os.path.join(profile, "user.js"), "w") as out:
        for name, value in {**PREFERENCES, "marionette.port": port}.items():
            out.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
    environment = {**os.environ, "HOME": home, "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment.pop("DISPLAY", None)
    command = ["thunderbird", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", profile]
    with open(os.path.join(folder, "thunderbird.log"), "wb") as log:
        program = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        tb = Marionette(port, 120)
        tb.command("WebDriver:NewSession", {})
        tb.command("Marionette:SetContext", {"value": "chrome"})
        with open(os.path.join(folder, "jobs.json")) as opened:
            jobs = json.load(opened)
        for _ in range(100):
            if tb.run('return !!Services.wm.getMostRecentWindow("mail:3pane")?.document.getElementById("tabmail");'):
                break
            time.sleep(0.3)
        say("account", tb.run(ACCOUNT, jobs[0]["address"]))
        authority = "".join(line for line in text(os.path.join(folder, "authority.pem")).splitlines() if "-----" not in line)
        say("certificates", tb.run(CERTIFICATES, authority, sorted(glob.glob(os.path.join(folder, "*.p12")))))
        secret = [text(file) for file in sorted(glob.glob(os.path.join(folder, "*.secret.asc")))]
        known = [text(file) for file in sorted(glob.glob(os.path.join(folder, "*.sender.asc")))]
        say("openpgp", tb.run(OPENPGP, secret, known))
        for job in jobs:
            shown = show(tb, os.path.join(folder, job["file"]))
            print(json.dumps({"name": job["name"], "shown": shown}), flush=True)
    finally:
        program.terminate()
        try:
            program.wait(20)
        except subprocess.TimeoutExpired:
            program.kill()


main()
