//! Questions through the API, as many as a token is good for.

use crate::support::Bottle;
use bot_bottle::api::{Proposal, ProposalSpec};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Requests that the flood has under way at once.
const AT_ONCE: u32 = 16;
/// After a refusal, so that the test leaves the machine some time.
const BREATH: Duration = Duration::from_millis(200);

/// Creates as many Proposals as it may, with a bottle's own token.
pub struct Flood {
    made: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    /// `count` questions of `size` bytes in the name of `bottle`, whose uid is `uid`, within `limit`.
    pub fn begin(
        kubeconfig: &Path,
        bottle: &Bottle<'_>,
        uid: &str,
        (count, size): (u32, usize),
        limit: Duration,
    ) -> Self {
        let (made, over) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, ended) = (made.clone(), over.clone());
        let (namespace, name, uid) = (
            bottle.namespace.name.clone(),
            bottle.name.clone(),
            uid.to_owned(),
        );
        let kubeconfig = kubeconfig.to_owned();
        let end = Instant::now() + limit;
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let file = Kubeconfig::read_from(kubeconfig).unwrap();
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(file, &options)
                    .await
                    .unwrap();
                let client = Client::try_from(config).unwrap();
                let next = AtomicU32::new(0);
                let workers = (0..AT_ONCE).map(|_| {
                    let proposals = Api::<Proposal>::namespaced(client.clone(), &namespace);
                    let (next, counted, name, uid) = (&next, &counted, &name, &uid);
                    async move {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= count || Instant::now() > end {
                                return;
                            }
                            let object = question(name, uid, number, size);
                            // Refused or not: the flood goes on.
                            let parameters = PostParams::default();
                            let made = proposals.create(&parameters, &object);
                            if made.await.is_ok() {
                                counted.fetch_add(1, Ordering::Relaxed);
                            } else {
                                tokio::time::sleep(BREATH).await;
                            }
                        }
                    }
                });
                futures::future::join_all(workers).await;
            });
            ended.store(true, Ordering::Relaxed);
        });
        Self {
            made,
            over,
            thread: Some(thread),
        }
    }

    /// Whether it goes on.
    pub fn lasts(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// How many were taken in, once it is over.
    pub fn end(mut self) -> u32 {
        self.thread.take().unwrap().join().unwrap();
        self.made.load(Ordering::Relaxed)
    }
}

fn question(bottle: &str, uid: &str, number: u32, size: usize) -> Proposal {
    let line = format!("h{number}.example.net\n");
    let filler = "# filler\n".repeat(size.saturating_sub(line.len()) / 9);
    let spec = serde_json::json!({
        "bottle": bottle, "bottleUID": uid, "tool": "pipelock-block", "justification": "flood",
        "proposedFile": format!("{line}{filler}"), "baseFile": filler,
    });
    let spec: ProposalSpec = serde_json::from_value(spec).unwrap();
    Proposal::new(&format!("{bottle}-{number:012x}"), spec)
}
