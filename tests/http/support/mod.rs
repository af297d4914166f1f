//! Helpers of this tier.

pub mod proxy;
pub mod tls;
pub mod upstream;
