//! Turns a login and a password into an identity, at a cost that cannot be used against us.
