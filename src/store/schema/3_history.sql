-- What was taken from whom, by the minute: account, group and sender stand as keyed digests, whose key is not here.
CREATE TABLE taken (
    subject    BLOB NOT NULL,
    minute     INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    octets     INTEGER NOT NULL,
    PRIMARY KEY (subject, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX taken_minute ON taken (minute);

-- Different values that each sender tried to send outside: as keyed digests. AUTOINCREMENT: a larger number is a later value.
CREATE TABLE tried (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sender     BLOB NOT NULL,
    rule       TEXT NOT NULL,
    value      BLOB NOT NULL,
    category   TEXT NOT NULL,
    -- 1 low, 2 medium, 3 high
    confidence INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    UNIQUE (sender, rule, value)
) STRICT;
CREATE INDEX tried_sender ON tried (sender, at);
CREATE INDEX tried_at ON tried (at);
