//! What breaks around bottles: the API server, etcd, the kubelet, the node, a tenant that floods. Meanwhile agents work
//! behind their wall; afterwards what was decided before is applied, once, and every call has its answer.
//!
//! Most take a minute or more and are `#[ignore]`: `tests/run long -- disruption`.

mod api_server;
mod check;
mod flood;
mod node;
mod parts;
mod random;
mod slow;
mod work;

pub use check::{Trail, in_order};
pub use parts::{machine, take_away};
pub use work::{Question, Work};
