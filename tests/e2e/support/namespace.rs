//! A namespace of one test.

use super::{Bottle, Said, bottle_yaml, number, run, state};
use std::{ffi::OsStr, process::Command, thread};

/// A namespace of one test, gone at its end.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new() -> Self {
        let name = format!("e2e-{}-{}", std::process::id(), number());
        run("kubectl", ["create", "namespace", &name], "").good();
        Self { name }
    }

    pub fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        self.kubectl_with(arguments, "")
    }

    pub fn kubectl_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        let mut all = vec![
            OsStr::new("-n").to_owned(),
            OsStr::new(&self.name).to_owned(),
        ];
        all.extend(arguments.into_iter().map(|one| one.as_ref().to_owned()));
        run("kubectl", all, input)
    }

    pub fn apply(&self, yaml: &str) -> Said {
        self.kubectl_with(["apply", "-f", "-"], yaml)
    }

    /// One with a Secret, whose only entry is this `key=value`, and with the outside world's authority as `outside`.
    pub fn with_secret(name: &str, entry: &str) -> Self {
        let namespace = Self::new();
        let entry = format!("--from-literal={entry}");
        namespace
            .kubectl(["create", "secret", "generic", name, &entry])
            .good();
        let authority = state().join("outside/ca.crt");
        let file = format!("--from-file=ca.crt={}", authority.display());
        namespace
            .kubectl(["create", "configmap", "outside", &file])
            .good();
        namespace
    }

    /// One field, by JSONPath.
    pub fn field(&self, object: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(["get", object, "-o", &path]).out
    }

    /// `kubectl edit` with sed as the editor.
    pub fn edit(&self, object: &str, sed: &str) -> Said {
        let output = Command::new("kubectl")
            .args(["-n", &self.name, "edit", object])
            .env("KUBE_EDITOR", format!("sed -i -e '{sed}'"))
            .output()
            .unwrap();
        Said::of(&output)
    }

    /// Applies the Bottle `name` with this allowlist and waits until it is Ready.
    pub fn bottle(&self, name: &str, allowlist: &[&str]) -> Bottle<'_> {
        self.bottle_with(name, allowlist, "")
    }

    /// The same, with more lines of its spec.
    pub fn bottle_with(&self, name: &str, allowlist: &[&str], more: &str) -> Bottle<'_> {
        self.apply(&(bottle_yaml(name, allowlist) + more)).good();
        let bottle = Bottle {
            namespace: self,
            name: name.to_owned(),
        };
        bottle.ready();
        bottle
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if thread::panicking() {
            let about = self
                .kubectl(["get", "bottles,proposals,pods", "-o", "wide"])
                .all();
            let events = self
                .kubectl(["get", "events", "--sort-by=.lastTimestamp"])
                .all();
            eprintln!("{about}\n{events}");
        }
        let _ = run(
            "kubectl",
            ["delete", "namespace", &self.name, "--wait=false"],
            "",
        );
    }
}
