//! Certificates that must not be believed, and why each is not.

mod openssl;
mod paths;
