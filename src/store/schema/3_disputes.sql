-- disputes: refusals that their senders may answer within the hour, each once.
CREATE TABLE disputes (
    reference  TEXT PRIMARY KEY,
    sender     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    -- keyed digest of what the message holds
    content    BLOB NOT NULL,
    -- recipients, counts of findings, policies that may be confirmed, as JSON
    terms      TEXT NOT NULL,
    used_at    INTEGER,
    used_by    TEXT,
    CHECK ((used_at IS NULL) = (used_by IS NULL))
) STRICT;
CREATE INDEX disputes_at ON disputes (at);

-- Which of several refusals were of one and the same message.
ALTER TABLE refusals ADD COLUMN version BLOB;

-- Notices about refusals, so that nobody gets too many.
CREATE TABLE coached (
    reference TEXT PRIMARY KEY,
    sender    TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX coached_sender ON coached (sender, at);
CREATE INDEX coached_at ON coached (at);
