//! ConfigMaps that a person made: held to an API server's rules, and laid where a bottle's containers read them.

use super::{Error, identity, mount, place::Place, shelf::Shared, shelf::Shelf, state::State};
use crate::{names, telemetry::chain};
use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Container, Pod};
use std::{collections::BTreeMap, path::PathBuf};

/// An API server's bound for all that a ConfigMap holds.
const SIZE_MAX: usize = 1024 * 1024;
/// And for a key.
const KEY_MAX: usize = 253;

impl Shared for ConfigMap {
    const KIND: &'static str = "ConfigMap";
    const COUNTED: bool = false;

    fn says_as(&self, other: &Self) -> bool {
        self.data == other.data
            && self.binary_data == other.binary_data
            && self.immutable == other.immutable
    }
}

/// What an API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A bottle's own.
    #[error(
        "the ConfigMap {0} would have the name of a bottle's own: choose one that does not end in -bottle"
    )]
    Own(String),
    /// A key that would be no file.
    #[error(
        "the key {0:?} of a ConfigMap must have letters, digits and -._ and not begin with two dots"
    )]
    Key(String),
    /// One key, two values.
    #[error("the key {0:?} is in data and in binaryData: remove one")]
    Twice(String),
    /// Too much.
    #[error("it holds {0} bytes, and a ConfigMap takes 1048576")]
    Size(usize),
    /// Said to stay as it is.
    #[error("it is immutable: delete it first")]
    Immutable,
}

/// Whether a ConfigMap may be written over `old`.
pub fn check(new: &ConfigMap, old: Option<&ConfigMap>) -> Result<(), Invalid> {
    let name = new.metadata.name.clone().unwrap_or_default();
    if name.ends_with(&names::object_name("")) {
        return Err(Invalid::Own(name));
    }
    let texts = new.data.iter().flatten();
    let bytes = new.binary_data.iter().flatten();
    let mut size = 0;
    for (key, length) in texts
        .map(|(key, text)| (key, text.len()))
        .chain(bytes.map(|(key, bytes)| (key, bytes.0.len())))
    {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let good = !key.is_empty() && key.len() <= KEY_MAX && key.bytes().all(legal);
        if !good || key == "." || key.starts_with("..") {
            return Err(Invalid::Key(key.clone()));
        }
        size += length;
    }
    let both = |key: &&String| new.data.iter().flatten().any(|(one, _)| one == *key);
    if let Some(key) = new.binary_data.iter().flatten().map(|one| one.0).find(both) {
        return Err(Invalid::Twice(key.clone()));
    }
    if size > SIZE_MAX {
        return Err(Invalid::Size(size));
    }
    match old {
        Some(old) if old.immutable == Some(true) && !new.says_as(old) => Err(Invalid::Immutable),
        _ => Ok(()),
    }
}

impl State {
    /// The ConfigMaps of a project that a person made.
    pub fn config_maps(&self, project: &str) -> Result<Shelf<ConfigMap>, Error> {
        identity::check_project(project)?;
        // A leading dot can't be a bottle's name.
        let directory = self.root().join(project).join(".config-maps");
        Ok(Shelf::new(self, directory))
    }
}

/// Lays them where the pod's containers read them, as a kubelet does; each time one may have changed.
pub(super) fn deliver(place: &Place, pod: &Pod) -> Result<(), Error> {
    let shelf = place.state().config_maps(&place.key().project)?;
    for (volume, source) in sources(pod) {
        let found = match shelf.get(&source.name) {
            Err(error @ Error::Object { .. }) => {
                tracing::error!(error = chain(&error), "A ConfigMap is left as it was");
                continue;
            }
            found => found?,
        };
        mount::swap(&directory(place, volume), &files(found, source))?;
    }
    Ok(())
}

/// Where a volume's files are on this machine.
fn directory(place: &Place, volume: &str) -> PathBuf {
    place.path("run/volumes").join(volume)
}

/// The volumes that are a person's ConfigMaps.
fn sources(pod: &Pod) -> impl Iterator<Item = (&str, &ConfigMapVolumeSource)> {
    let own = pod.metadata.name.as_deref().unwrap_or_default();
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter_map(|volume| Some((&*volume.name, volume.config_map.as_ref()?)))
        .filter(move |(_, source)| source.name != own)
}

/// Where the container sees each of them, and where that is on this machine.
pub(super) fn seen_by(place: &Place, pod: &Pod, container: &Container) -> Vec<(PathBuf, PathBuf)> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .filter(|mount| sources(pod).any(|(volume, _)| volume == mount.name))
        .map(|mount| ((&*mount.mount_path).into(), directory(place, &mount.name)))
        .collect()
}

/// One that is not there has none: who needs them says so.
fn files(found: Option<ConfigMap>, source: &ConfigMapVolumeSource) -> BTreeMap<String, Vec<u8>> {
    let found = found.unwrap_or_default();
    let texts = found.data.unwrap_or_default().into_iter();
    let bytes = found.binary_data.unwrap_or_default().into_iter();
    let all = texts
        .map(|(key, text)| (key, text.into_bytes()))
        .chain(bytes.map(|(key, bytes)| (key, bytes.0)));
    let Some(items) = &source.items else {
        return all.collect();
    };
    let path = |key: &String| items.iter().find(|item| item.key == *key);
    all.filter_map(|(key, content)| Some((path(&key)?.path.clone(), content)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn config_map(rest: &str) -> ConfigMap {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fly}}\n{rest}");
        yaml::from_str(&text).unwrap()
    }

    #[test]
    fn a_key_is_a_file_s_name_and_nothing_else() {
        for key in ["SKILL.md", "a", ".hidden", "a..b", "A-b_c.1"] {
            let one = config_map(&format!("data: {{{key:?}: x}}"));
            assert_eq!(check(&one, None), Ok(()), "{key}");
        }
        for key in ["..", ".", "../x", "..data", "a/b", "", "a b", "ä"] {
            for field in ["data", "binaryData"] {
                let one = config_map(&format!("{field}: {{{key:?}: eA==}}"));
                assert_eq!(check(&one, None), Err(Invalid::Key(key.into())), "{key}");
            }
        }
    }

    #[test]
    fn what_an_api_server_refuses_is_refused() {
        let twice = config_map("data: {a: x}\nbinaryData: {a: eA==}");
        assert_eq!(check(&twice, None), Err(Invalid::Twice("a".into())));
        let large = config_map(&format!("data: {{a: {}}}", "x".repeat(SIZE_MAX + 1)));
        assert_eq!(check(&large, None), Err(Invalid::Size(SIZE_MAX + 1)));
        let mut own = config_map("data: {a: x}");
        own.metadata.name = Some("demo-bottle".into());
        assert_eq!(check(&own, None), Err(Invalid::Own("demo-bottle".into())));
        let fixed = config_map("data: {a: x}\nimmutable: true");
        let other = config_map("data: {a: y}\nimmutable: true");
        assert_eq!(check(&other, Some(&fixed)), Err(Invalid::Immutable));
        let loose = config_map("data: {a: x}");
        assert_eq!(check(&loose, Some(&fixed)), Err(Invalid::Immutable));
        assert_eq!(check(&fixed, Some(&fixed)), Ok(()));
        assert_eq!(check(&fixed, Some(&loose)), Ok(()));
    }

    #[test]
    fn only_the_named_items_are_laid_and_bytes_stay_bytes() {
        let mut source = ConfigMapVolumeSource::default();
        let both = config_map("data: {ca.crt: text}\nbinaryData: {logo: /w==}");
        let all = files(Some(both.clone()), &source);
        assert_eq!(all["logo"], [0xff]);
        assert_eq!(all["ca.crt"], b"text");
        source.items = Some(vec![k8s_openapi::api::core::v1::KeyToPath {
            key: "ca.crt".into(),
            path: "company.crt".into(),
            mode: None,
        }]);
        let items = files(Some(both), &source);
        assert_eq!(items.keys().collect::<Vec<_>>(), ["company.crt"]);
        assert!(files(None, &source).is_empty());
    }
}
