-- accounts
-- What SCRAM-SHA-256 compares with; NULL: none was derived yet.
ALTER TABLE accounts ADD COLUMN scram TEXT;
-- Grows with every change that ends open sessions.
ALTER TABLE accounts ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
-- Person or service, private mailboxes, groups: JSON.
ALTER TABLE accounts ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN password_at INTEGER NOT NULL DEFAULT 0;
-- 1: its main password is not taken from mail clients.
ALTER TABLE accounts ADD COLUMN app_passwords_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN created_because TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN disabled_at INTEGER;
ALTER TABLE accounts ADD COLUMN disabled_because TEXT NOT NULL DEFAULT '';
UPDATE accounts SET password_at = changed_at, disabled_at = CASE disabled WHEN 1 THEN changed_at END;

-- Random passwords of single programs. AUTOINCREMENT: open sessions are known by the number.
CREATE TABLE app_passwords (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    mark       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    -- days since 1970
    used_on    INTEGER,
    UNIQUE (account, name)
) STRICT;
