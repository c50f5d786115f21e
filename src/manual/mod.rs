//! The manual: how the house works, for those who build and run it.
