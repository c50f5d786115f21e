//! The manual: how the house works, for those who build and run it.

#[doc = include_str!("life_of_a_message.md")]
pub mod life_of_a_message {}

#[doc = include_str!("other_peoples_bugs.md")]
pub mod other_peoples_bugs {}

#[doc = include_str!("standards.md")]
pub mod standards {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("store_states.md")]
pub mod store_states {}

#[doc = include_str!("formats.md")]
pub mod formats {}
