//! Fills in who decided and when, for clusters that serve no MutatingAdmissionPolicy.
//!
//! It only adds what the chart's ValidatingAdmissionPolicy then holds every decision to, so nothing is trusted that
//! this page answers: without it, or with another in its place, a decision is refused.

mod bundle;
mod certificate;
mod review;
mod serve;

pub use serve::{WebhookError, Where, run};
