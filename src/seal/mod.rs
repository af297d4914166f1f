//! `seal`.

pub mod wall;
