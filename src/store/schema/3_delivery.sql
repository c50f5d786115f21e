-- delivery
-- What the client asked of the transport (SMTPUTF8, RET, ENVID, NOTIFY, ORCPT), as JSON; NULL: nothing.
ALTER TABLE copies ADD COLUMN transport TEXT;
