//! Turns an outgoing copy into one that carries our DKIM signatures, last of all.
