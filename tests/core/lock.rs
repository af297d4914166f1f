//! The lock's text, as a reviewer reads it.

use crate::golden;
use bot_bottle::prepare::lock::{Lock, ruleset};

#[test]
fn lock_with_api_servers_of_both_families() {
    let lock = Lock {
        api: vec![
            "10.96.0.1:443".parse().unwrap(),
            "[fd00:10:96::1]:443".parse().unwrap(),
        ],
    };
    golden::check("lock.nft", &ruleset(&lock));
}
