//! CORE: what a local runtime can't do for a Bottle: each an error that names the field and the runtime.

use super::record::{Record, Runtime};
use crate::{
    api::{Bottle, BottleSpec, Engine, PodTemplate},
    names::container,
};
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// The image's name when the agent's programs are those of this machine.
pub const HOST_IMAGE: &str = "host";

/// A field that would have been ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} can't be honoured by the runtime {runtime}: {hint}")]
pub struct NotHonoured {
    field: String,
    runtime: &'static str,
    hint: String,
}

impl NotHonoured {
    /// This field, by this runtime; what to do instead.
    pub fn new(field: impl Into<String>, runtime: Runtime, hint: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            runtime: runtime.as_str(),
            hint: hint.into(),
        }
    }
}

/// Refuses the first field of the Bottle that `record`'s runtime can't honour.
pub fn bottle(bottle: &Bottle, record: &Record) -> Result<(), NotHonoured> {
    let refuse = |field: &str, hint: &str| {
        Err(NotHonoured {
            field: field.to_owned(),
            runtime: record.runtime.as_str(),
            hint: hint.to_owned(),
        })
    };
    let spec = &bottle.spec;
    let agent = &spec.agent;
    if record.runtime == Runtime::Docker {
        if agent.image.as_deref() == Some(HOST_IMAGE) || record.host_programs {
            let hint = "a container has its image's programs, not this machine's; name an image";
            return refuse("spec.agent.image \"host\"", hint);
        }
        if !record.readable.is_empty() {
            return refuse("--readable", "a container has its image's programs");
        }
    } else if let Some(image) = agent.image.as_deref().filter(|image| *image != HOST_IMAGE)
        && !record.host_programs
    {
        let hint = "it runs this machine's own programs; say --host-programs if those shall stand for the image";
        return refuse(&format!("spec.agent.image {image:?}"), hint);
    }
    for (set, field) in fields(spec) {
        // A container may have a terminal to which nobody is attached yet.
        let honoured = record.runtime == Runtime::Docker && field == "spec.agent.tty";
        if set && !honoured {
            return refuse(field, "remove it, or run the Bottle in a cluster");
        }
    }
    if record.runtime == Runtime::Process {
        if agent.user.is_some() {
            return refuse("spec.agent.user", "the agent is a process of your own user");
        }
        let own = |path: &str| record.workspace.as_deref() == Some(std::path::Path::new(path));
        let path = spec
            .workspace
            .as_ref()
            .and_then(|one| one.mount_path.as_deref());
        if path.is_some_and(|path| !own(path)) {
            return refuse(
                "spec.workspace.mountPath",
                "nothing is mounted: directories are where they are",
            );
        }
    }
    Ok(())
}

fn fields(spec: &BottleSpec) -> [(bool, &'static str); 14] {
    let workspace = spec.workspace.clone().unwrap_or_default();
    let template = spec.pod_template.clone().unwrap_or_default();
    // Labels and annotations are kept on the pod object, where people look for them.
    let rest = PodTemplate {
        labels: BTreeMap::default(),
        annotations: BTreeMap::default(),
        ..template
    };
    [
        (spec.class.is_some(), "spec.class"),
        (spec.agent.resources.is_some(), "spec.agent.resources"),
        (spec.agent.home.is_some(), "spec.agent.home"),
        (spec.agent.tty.is_some(), "spec.agent.tty"),
        (!spec.agent.skills.is_empty(), "spec.agent.skills"),
        (spec.egress.ca_bundle.is_some(), "spec.egress.caBundle"),
        (
            spec.egress.engine == Some(Engine::Pipelock),
            "spec.egress.engine Pipelock",
        ),
        (!spec.image_pull_secrets.is_empty(), "spec.imagePullSecrets"),
        (spec.runtime_class_name.is_some(), "spec.runtimeClassName"),
        (workspace.size.is_some(), "spec.workspace.size"),
        (
            workspace.storage_class_name.is_some(),
            "spec.workspace.storageClassName",
        ),
        (workspace.git.is_some(), "spec.workspace.git"),
        (spec.ttl_after_finished.is_some(), "spec.ttlAfterFinished"),
        (rest != PodTemplate::default(), "spec.podTemplate"),
    ]
}

/// Refuses a pod with a container that is not known here: a part of the plan that this runtime must learn first.
pub fn pod(pod: &Pod, runtime: Runtime) -> Result<(), NotHonoured> {
    let known = [
        container::PREPARE,
        container::SUPERVISE,
        container::EGRESS,
        container::CRED_PROXY,
        container::AGENT,
    ];
    let spec = pod.spec.iter();
    let unknown = spec
        .flat_map(|spec| {
            spec.init_containers
                .iter()
                .flatten()
                .chain(&spec.containers)
        })
        .find(|container| !known.contains(&container.name.as_str()));
    match unknown {
        None => Ok(()),
        Some(container) => Err(NotHonoured {
            field: format!("container {}", container.name),
            runtime: runtime.as_str(),
            hint: "this version runs bottles that need it in a cluster only".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn check(spec: &str, record: &Record) -> Result<(), String> {
        let text = format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: b}}\nspec: {spec}\n"
        );
        bottle(&yaml::from_str(&text).unwrap(), record).map_err(|error| error.to_string())
    }

    #[test]
    fn each_field_that_would_be_ignored_is_named_with_its_runtime() {
        for (spec, field) in [
            (
                "{agent: {image: registry.example.com/agent:1}}",
                "spec.agent.image",
            ),
            ("{class: small}", "spec.class"),
            (
                "{agent: {resources: {limits: {memory: 1Gi}}}}",
                "spec.agent.resources",
            ),
            ("{agent: {home: /home/agent}}", "spec.agent.home"),
            (
                "{imagePullSecrets: [{name: pull}]}",
                "spec.imagePullSecrets",
            ),
            ("{runtimeClassName: gvisor}", "spec.runtimeClassName"),
            ("{podTemplate: {nodeSelector: {a: b}}}", "spec.podTemplate"),
        ] {
            let error = check(spec, &Record::default()).unwrap_err();
            assert!(
                error.starts_with(field) && error.contains("sandbox"),
                "{error}"
            );
        }
        assert_eq!(
            check("{podTemplate: {labels: {a: b}}}", &Record::default()),
            Ok(())
        );
    }

    #[test]
    fn the_programs_of_this_machine_stand_for_an_image_only_when_a_person_said_so() {
        let record = Record {
            host_programs: true,
            ..Record::default()
        };
        assert_eq!(check("{agent: {image: x:1}}", &record), Ok(()));
        assert_eq!(check("{agent: {image: host}}", &Record::default()), Ok(()));
    }

    #[test]
    fn processes_have_no_mounts_and_no_other_user() {
        let record = Record {
            runtime: Runtime::Process,
            workspace: Some("/src".into()),
            ..Record::default()
        };
        assert!(
            check("{agent: {user: 1001}}", &record)
                .unwrap_err()
                .contains("spec.agent.user")
        );
        assert!(
            check("{workspace: {mountPath: /w}}", &record)
                .unwrap_err()
                .contains("process")
        );
        assert_eq!(check("{workspace: {mountPath: /src}}", &record), Ok(()));
    }
}
