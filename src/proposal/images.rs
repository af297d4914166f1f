//! What a Dockerfile changes, as a reviewer reads it, and where its images may come from.

use super::{
    change::ImageChange,
    today::{Today, Unfit},
};
use crate::config::{
    dockerfile::daemon::{self, is_id},
    text,
};

/// What a cluster that builds images takes as a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases {
    /// The image that the Bottle declares, and the registry's own part for this namespace.
    pub own: Vec<String>,
    /// Images, or the beginnings of their names up to a `/`, that the cluster's values list; none: what the bottle's
    /// allowlist lets it reach.
    pub listed: Vec<String>,
    /// The Docker daemon of this machine builds: it would pull and fetch by itself.
    pub daemon: bool,
}

/// Whether the change can be made to what is in force.
pub(super) fn fits(change: &ImageChange, today: &Today) -> Result<(), Unfit> {
    let bases = today.bases.as_ref().ok_or(Unfit::NoBuilds(today.runtime))?;
    if !same(&change.base, &today.dockerfile) {
        return Err(Unfit::Dockerfile);
    }
    if bases.daemon {
        daemon::plain(&change.dockerfile).map_err(|error| Unfit::Instruction(error.to_string()))?;
    }
    match change
        .bases
        .iter()
        .find(|base| !allowed(base, bases, today))
    {
        Some(base) => Err(Unfit::Base(base.clone())),
        None => Ok(()),
    }
}

/// The same file, but for the line end at its end: what `supervise` takes as the same.
pub fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned();
    plain(one) == plain(other)
}

fn allowed(base: &str, bases: &Bases, today: &Today) -> bool {
    if bases.own.iter().any(|own| covers(own, base)) {
        return true;
    }
    // By its id any image could be had that somebody has at the daemon.
    if bases.daemon && is_id(base) {
        return false;
    }
    if !bases.listed.is_empty() {
        return bases.listed.iter().any(|listed| covers(listed, base));
    }
    let (host, port) = registry(base);
    today.allowlist.allows(host, port).is_allowed()
}

/// `listed` is the image itself, its name without tag and digest, or what its name begins with, up to a `/`.
fn covers(listed: &str, base: &str) -> bool {
    let Some(rest) = base.strip_prefix(listed.trim_end_matches('/')) else {
        return false;
    };
    rest.is_empty() || rest.starts_with(['/', ':', '@'])
}

/// The registry of an image: as every program reads it, the part before the first `/` if it looks like a host.
fn registry(image: &str) -> (&str, u16) {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => {
            match host.rsplit_once(':') {
                Some((name, port)) => (name, port.parse().unwrap_or(0)),
                None => (host, 443),
            }
        }
        _ => ("docker.io", 443),
    }
}

/// The change in short.
pub(super) fn lines(change: &ImageChange) -> Vec<String> {
    let diff = text::diff(&change.base, &change.dockerfile);
    let marked = |sign: char| {
        diff.iter()
            .filter(move |line| line.starts_with(sign))
            .map(|line| line.trim_end().to_owned())
    };
    let lines: Vec<String> = marked('+').chain(marked('-')).collect();
    if lines.is_empty() {
        vec!["no line of the Dockerfile changes".into()]
    } else {
        lines
    }
}

/// What must not be missed.
pub(super) fn warnings(change: &ImageChange, today: Option<&Today>) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(today) = today else { return warnings };
    let own = today
        .bases
        .as_ref()
        .map(|bases| bases.own.as_slice())
        .unwrap_or_default();
    for base in &change.bases {
        if !own.iter().any(|own| covers(own, base)) {
            warnings.push(format!(
                "takes the image {base}, which is not the one that the Bottle declares"
            ));
        }
        if !base.contains("@sha256:") && !own.iter().any(|own| own == base) {
            warnings.push(format!(
                "{base} has no digest: what is behind that name can change"
            ));
        }
    }
    if change
        .dockerfile
        .lines()
        .any(|line| line.trim_start().to_ascii_uppercase().starts_with("ADD "))
    {
        warnings.push(
            "ADD brings a file from the network into the image, and nobody checks what it is"
                .into(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::allowlist::Allowlist;

    fn change(bases: &[&str]) -> ImageChange {
        ImageChange {
            base: "FROM one.example/a:1\n".into(),
            dockerfile: "FROM one.example/a:1\nRUN true\n".into(),
            bases: bases.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    fn today(listed: &[&str]) -> Today {
        Today {
            allowlist: Allowlist::parse_declared("ghcr.io\nmirror.example:5000\n").unwrap(),
            dockerfile: "FROM one.example/a:1".into(),
            bases: Some(Bases {
                own: vec![
                    "one.example/a:1".into(),
                    "push.example/bottles/garden".into(),
                ],
                listed: listed.iter().map(|one| (*one).to_owned()).collect(),
                daemon: false,
            }),
            ..Today::default()
        }
    }

    #[test]
    fn a_dockerfile_holds_on_its_base_only() {
        let mut other = today(&[]);
        assert_eq!(fits(&change(&["one.example/a:1"]), &other), Ok(()));
        other.dockerfile.push_str("\nRUN more");
        assert_eq!(
            fits(&change(&["one.example/a:1"]), &other),
            Err(Unfit::Dockerfile)
        );
    }

    #[test]
    fn without_a_registry_nothing_can_be_built() {
        let mut none = today(&[]);
        none.bases = None;
        assert_eq!(fits(&change(&[]), &none), Err(Unfit::NoBuilds(None)));
        none.runtime = Some("sandbox");
        let error = fits(&change(&[]), &none).unwrap_err().to_string();
        assert!(
            error.contains("runtime sandbox") && !error.contains("chart"),
            "{error}"
        );
    }

    #[test]
    fn a_daemon_is_given_nothing_that_it_would_fetch_itself() {
        let mut by_daemon = today(&["debian", "ab"]);
        let mut add = change(&["one.example/a:1"]);
        add.dockerfile.push_str("ADD https://x.example/f /\n");
        assert_eq!(fits(&add, &by_daemon), Ok(()));
        if let Some(bases) = &mut by_daemon.bases {
            bases.daemon = true;
        }
        assert!(matches!(fits(&add, &by_daemon), Err(Unfit::Instruction(_))));
        assert_eq!(fits(&change(&["debian:12"]), &by_daemon), Ok(()));
        let id = "sha256:0123".to_owned();
        assert_eq!(
            fits(&change(&[&id]), &by_daemon),
            Err(Unfit::Base(id.clone()))
        );
        if let Some(bases) = &mut by_daemon.bases {
            bases.own.push(id.clone());
        }
        assert_eq!(fits(&change(&[&id]), &by_daemon), Ok(()));
    }

    #[test]
    fn images_come_from_the_list_or_from_where_the_bottle_may_reach() {
        let may = |base: &str, listed: &[&str]| fits(&change(&[base]), &today(listed)).is_ok();
        for base in [
            "one.example/a:1",
            "push.example/bottles/garden@sha256:ab",
            "ghcr.io/x/y",
            "mirror.example:5000/z",
        ] {
            assert!(may(base, &[]), "{base}");
        }
        for base in [
            "one.example/a:12",
            "push.example/bottles/gardener",
            "debian",
            "mirror.example/z",
            "ghcr.io.evil.example/x",
        ] {
            assert!(!may(base, &[]), "{base}");
        }
        assert!(may("debian:12", &["debian"]) && may("base.example/x/y:1", &["base.example/x/"]));
        // The list is the whole of it.
        assert!(!may("ghcr.io/x/y", &["debian"]) && !may("debian-evil", &["debian"]));
    }
}
