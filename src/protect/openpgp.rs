//! OpenPGP (RFC 9580) in PGP/MIME (RFC 3156).

/// A recipient's certificate that was judged usable.
#[derive(Debug)]
pub struct RecipientCertificate {}

/// A key of ours that signs.
#[derive(Debug)]
pub struct Signer {}
