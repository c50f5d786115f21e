//! postern: an outbound mail gate. This page is the map of the house.
//!
//! A message comes in by a door ([`receive`]), walks through the stages ([`pipeline`]), is written to memory ([`store`])
//! and leaves by another door ([`relay`]). Imports only go downwards:
//!
//! | floor | rooms |
//! |---|---|
//! | house | [`config`], [`serve`], [`cli`] |
//! | doors | [`receive`], [`relay`], [`console`], [`lookup`], [`worker`] |
//! | walk | [`pipeline`] |
//! | memory | [`store`], [`vault`], [`accounts`], [`spool`], [`quarantine`], [`quotas`], [`audit`], [`notices`] |
//! | stages | [`smtp`], [`dkim`] < [`domains`], [`mime`] < [`extract`] < [`detect`] < [`facts`] < [`policy`] < [`protect`] |
//! | words | [`mail`], [`world`] |
//!
//! The longer story is in [`manual`].

pub mod accounts;
pub mod audit;
pub mod cli;
pub mod config;
pub mod console;
pub mod detect;
pub mod dkim;
pub mod domains;
pub mod extract;
pub mod facts;
pub mod lookup;
pub mod mail;
pub mod manual;
pub mod mime;
pub mod notices;
pub mod pipeline;
pub mod policy;
pub mod protect;
pub mod quarantine;
pub mod quotas;
pub mod receive;
pub mod relay;
pub mod serve;
pub mod smtp;
pub mod spool;
pub mod store;
pub mod vault;
pub mod worker;
pub mod world;
