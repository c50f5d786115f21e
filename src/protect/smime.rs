//! S/MIME (RFC 8551).

/// A recipient's certificate that was judged usable.
#[derive(Debug)]
pub struct RecipientCertificate {}

/// A sender's certificate with its private key.
#[derive(Debug)]
pub struct Signer {}
