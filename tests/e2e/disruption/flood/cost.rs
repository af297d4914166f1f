//! What a flood takes of what all share: an operator's memory, and etcd's disk.

use crate::disruption::machine;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// What the flood costs those that everybody shares: looked at once a second, from outside.
pub struct Cost {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<(u64, u64, u64)>>,
}

impl Cost {
    /// Begins.
    pub fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let thread = thread::spawn(move || {
            let (mut memory, mut first, mut disk) = (0, 0, 0);
            while !ended.load(Ordering::Relaxed) {
                let (now, etcd) = (operators_memory(), etcd_size());
                memory = memory.max(now);
                disk = disk.max(etcd);
                first = if first == 0 { etcd } else { first };
                thread::sleep(Duration::from_secs(1));
            }
            (memory, first, disk)
        });
        Self {
            over,
            thread: Some(thread),
        }
    }

    /// The most memory of an operator, etcd at the beginning, and at its largest: MiB.
    pub fn end(mut self) -> (u64, u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// MiB of the larger of the two.
fn operators_memory() -> u64 {
    let said = machine(
        "for id in $(pidof operator); do awk '/^VmRSS/ { print $2 }' /proc/$id/status; done",
    );
    let kilobytes = said.out.lines().filter_map(|line| line.parse::<u64>().ok());
    kilobytes.max().unwrap_or_default() / 1024
}

/// MiB that etcd has in use: what is stored, and what was within the last minutes. Its file never becomes smaller.
fn etcd_size() -> u64 {
    let said = machine(
        "curl -s http://127.0.0.1:2379/metrics | sed -n 's/^etcd_mvcc_db_total_size_in_use_in_bytes //p'",
    );
    let bytes: f64 = said.out.trim().parse().unwrap_or_default();
    format!("{:.0}", bytes / f64::from(1 << 20))
        .parse()
        .unwrap_or_default()
}
