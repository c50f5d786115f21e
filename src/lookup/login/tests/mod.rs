//! What judges of logins answer, against servers that answer as they should and as they should not.
