//! Pods beside a bottle's own: one that builds an image, one that tries it. Each is a file, and a task that carries it
//! out and writes its status, as a kubelet would.

use super::{
    Error, docker,
    place::{Locked, Place, names_in, put, read},
    record::Record,
    write,
};
use crate::plan::builds;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::task::JoinSet;

/// Their directory.
pub(super) const HELPERS: &str = "helpers";

/// The tasks of those that are not over, by uid. Dropped, they end.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    tasks: BTreeMap<String, JoinSet<()>>,
}

impl Helpers {
    /// Has exactly the stored ones carried out. One that an earlier keeper had begun begins anew.
    pub(super) fn follow(&mut self, place: &Place, record: &Record) -> Result<(), Error> {
        let pods = place.helpers()?;
        let uids: Vec<String> = pods.iter().filter_map(|pod| pod.uid()).collect();
        self.tasks.retain(|uid, _| uids.contains(uid));
        for pod in pods {
            let Some(uid) = pod.uid().filter(|_| !is_over(&pod)) else {
                continue;
            };
            let (place, record) = (place.clone(), record.clone());
            self.tasks.entry(uid).or_insert_with(|| {
                let mut task = JoinSet::new();
                task.spawn(docker::build::carry_out(
                    place,
                    record,
                    Arc::unwrap_or_clone(pod),
                ));
                task
            });
        }
        Ok(())
    }
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What the bottle's builds have brought and the daemon still has, by the pods that built it.
pub(super) async fn known(
    place: &Place,
    record: &Record,
) -> Result<BTreeMap<String, String>, Error> {
    let (proposals, bottle) = (place.proposals()?, place.bottle()?);
    let bottle = bottle.as_ref();
    if !proposals.iter().any(builds::begins) && !bottle.is_some_and(builds::begins_for) {
        return Ok(BTreeMap::new());
    }
    let own = bottle.and_then(builds::brought_by_bottle);
    let brought = proposals.iter().filter_map(builds::brought).chain(own);
    let brought = brought.collect();
    Ok(docker::build::there(record, brought).await)
}

impl Place {
    /// The pods beside the bottle's own.
    pub fn helpers(&self) -> Result<Vec<Arc<Pod>>, Error> {
        names_in(&self.path(HELPERS))?
            .iter()
            .filter_map(|name| read(&self.helper_path(name)).transpose())
            .map(|pod| pod.map(Arc::new))
            .collect()
    }

    /// Writes the part of such a pod that whoever carries it out owns; nothing when it is another, or gone.
    pub(super) fn change_helper(
        &self,
        seen: &Pod,
        change: impl FnOnce(&mut Pod),
    ) -> Result<(), Error> {
        let locked = self.lock()?;
        let stored: Option<Pod> = read(&self.helper_path(&seen.name_any()))?;
        let Some(mut pod) = stored.filter(|pod| pod.metadata.uid == seen.metadata.uid) else {
            return Ok(());
        };
        change(&mut pod);
        locked.put_helper(pod).map(drop)
    }

    fn helper_path(&self, name: &str) -> PathBuf {
        self.path(HELPERS).join(format!("{name}.yaml"))
    }
}

impl Locked<'_> {
    /// Writes such a pod over the version that it was read as.
    pub(super) fn put_helper(&self, pod: Pod) -> Result<Pod, Error> {
        let path = self.place.helper_path(&pod.name_any());
        put(&path, "Pod", pod)
    }

    /// Removes such a pod, this very one.
    pub(super) fn remove_helper(&self, name: &str, uid: &str) -> Result<(), Error> {
        let path = self.place.helper_path(name);
        match read::<Pod>(&path)? {
            Some(pod) if pod.metadata.uid.as_deref() == Some(uid) => {
                write::remove(&path).map_err(Error::file("remove", &path))
            }
            _ => Ok(()),
        }
    }
}
