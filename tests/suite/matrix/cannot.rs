//! What a reader cannot do, and why. The list is tried like everything else: an entry that begins to work fails the test.

/// Reader, row of the table, reason.
pub const CANNOT: &[(&str, &str, &str)] = &[
    ("gpgsm", "P-256", "gpgsm 2.2 imports no elliptic private key"),
    ("gpgsm", "P-384", "gpgsm 2.2 imports no elliptic private key"),
    ("gpgsm", "X25519", "gpgsm 2.2 imports no elliptic private key"),
    ("gpgsm", "P-256, AES-GCM", "gpgsm 2.2 imports no elliptic private key"),
    ("gpgsm", "RSA-2048, AES-GCM", "gpgsm 2.2 knows no AuthEnvelopedData"),
    ("gpgsm", "RSA-3072, OAEP", "gpgsm 2.2 knows no OAEP"),
    ("NSS", "P-256", "NSS 3.87 knows no ECDH with SHA-256 as key derivation"),
    ("NSS", "P-384", "NSS 3.87 knows no ECDH with SHA-256 as key derivation"),
    ("NSS", "P-256, AES-GCM", "NSS 3.87 knows no AuthEnvelopedData"),
    ("NSS", "X25519", "NSS 3.87 knows no X25519"),
    ("NSS", "RSA-2048, AES-GCM", "NSS 3.87 knows no AuthEnvelopedData"),
    ("NSS", "RSA-3072, OAEP", "NSS 3.87 knows no OAEP"),
    ("openssl", "X25519", "OpenSSL 3.0 knows no X25519 in CMS"),
    ("BouncyCastle", "X25519", "BouncyCastle 1.72 knows no HKDF in CMS"),
    ("gpg", "v6", "GnuPG 2.2 knows no version 6"),
    ("sq", "v6", "sq 0.27 knows no version 6"),
    ("rnp", "v6", "rnp 0.16 knows no version 6"),
    ("gpg", "v6 ML-KEM", "GnuPG 2.2 knows no version 6"),
    ("sq", "v6 ML-KEM", "sq 0.27 knows no version 6"),
    ("rnp", "v6 ML-KEM", "rnp 0.16 knows no version 6"),
    ("OpenPGP.js", "v6 ML-KEM", "OpenPGP.js 6.3 knows no post-quantum algorithm; Proton's branch does"),
];

pub fn reason(reader: &str, row: &str) -> Option<&'static str> {
    CANNOT.iter().find(|(name, form, _)| *name == reader && *form == row).map(|(_, _, reason)| *reason)
}
