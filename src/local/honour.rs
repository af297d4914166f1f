//! CORE: what a local runtime can't do for a Bottle: each an error that names the field and the runtime.

use super::{
    record::{Record, Runtime},
    resources::{self, Limits},
};
use crate::{
    api::{Bottle, BottleClass, BottleClassSpec, Engine, PodTemplate},
    names::container,
    plan::overlay,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::{collections::BTreeMap, path::Path};

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

/// Refuses the first field that `record`'s runtime can't honour of what the Bottle and its class say together.
pub fn bottle(
    bottle: &Bottle,
    class: Option<&BottleClass>,
    record: &Record,
) -> Result<(), NotHonoured> {
    let spec = overlay::together(&bottle.spec, class);
    let alone = overlay::own(&bottle.spec);
    let refuse = |field: String, hint: &str| Err(NotHonoured::new(field, record.runtime, hint));
    let of = |own: bool| match class {
        Some(class) if !own => format!(" of class {}", class.name_any()),
        _ => String::new(),
    };
    let agent = &spec.agent;
    let of_image = of(alone.agent.image.is_some());
    if record.runtime == Runtime::Docker {
        if agent.image.as_deref() == Some(HOST_IMAGE) || record.host_programs {
            let hint = "a container has its image's programs, not this machine's; name an image";
            return refuse(format!("spec.agent.image \"host\"{of_image}"), hint);
        }
        if !record.readable.is_empty() {
            let hint = "a container has its image's programs";
            return refuse("--readable".to_owned(), hint);
        }
    } else if let Some(image) = agent.image.as_deref().filter(|image| *image != HOST_IMAGE)
        && !record.host_programs
    {
        let hint = "it runs this machine's own programs; say --host-programs if those shall stand for the image";
        return refuse(format!("spec.agent.image {image:?}{of_image}"), hint);
    }
    for ((set, field), (own, _)) in fields(&spec).into_iter().zip(fields(&alone)) {
        // A container may have a terminal to which nobody is attached yet.
        let honoured = record.runtime == Runtime::Docker && field == "spec.agent.tty";
        if set && !honoured {
            let hint = "remove it, or run the Bottle in a cluster";
            return refuse(format!("{field}{}", of(own)), hint);
        }
    }
    if let Some(resources) = &agent.resources {
        let refused = match resources::read(resources) {
            Err(unkept) => Some((unkept.field, unkept.hint)),
            Ok(limits) if limits != Limits::default() && record.runtime != Runtime::Docker => {
                let hint = "it keeps nobody to limits: remove them, or use the runtime docker";
                Some(("limits".to_owned(), hint))
            }
            Ok(_) => None,
        };
        if let Some((field, hint)) = refused {
            let of = of(alone.agent.resources.is_some());
            return refuse(format!("spec.agent.resources.{field}{of}"), hint);
        }
    }
    if bottle.spec.ttl_after_finished.is_some() {
        let hint = "remove it, or run the Bottle in a cluster";
        return refuse("spec.ttlAfterFinished".to_owned(), hint);
    }
    if record.runtime == Runtime::Process {
        if agent.user.is_some() {
            let field = format!("spec.agent.user{}", of(alone.agent.user.is_some()));
            return refuse(field, "the agent is a process of your own user");
        }
        let path = |spec: &BottleClassSpec| spec.workspace.clone().and_then(|one| one.mount_path);
        let here = |path: &String| record.workspace.as_deref() == Some(Path::new(path));
        if path(&spec).is_some_and(|path| !here(&path)) {
            let field = format!("spec.workspace.mountPath{}", of(path(&alone).is_some()));
            let hint = "nothing is mounted: directories are where they are";
            return refuse(field, hint);
        }
    }
    Ok(())
}

fn fields(spec: &BottleClassSpec) -> [(bool, &'static str); 9] {
    let workspace = spec.workspace.clone().unwrap_or_default();
    let template = spec.pod_template.clone().unwrap_or_default();
    // Labels and annotations are kept on the pod object, where people look for them.
    let rest = PodTemplate {
        labels: BTreeMap::default(),
        annotations: BTreeMap::default(),
        ..template
    };
    [
        (spec.agent.home.is_some(), "spec.agent.home"),
        (spec.agent.tty.is_some(), "spec.agent.tty"),
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
        bottle(&yaml::from_str(&text).unwrap(), None, record).map_err(|error| error.to_string())
    }

    fn check_with_class(spec: &str, class: &str, record: &Record) -> Result<(), String> {
        let head = "apiVersion: bot-bottle.dev/v1alpha1\nmetadata: {name: small}\n";
        let class = yaml::from_str(&format!("{head}kind: BottleClass\nspec: {class}\n")).unwrap();
        let own = yaml::from_str(&format!("{head}kind: Bottle\nspec: {spec}\n")).unwrap();
        bottle(&own, Some(&class), record).map_err(|error| error.to_string())
    }

    #[test]
    fn a_field_of_the_class_is_named_as_the_class_s() {
        let record = Record::default();
        for (class, said) in [
            (
                "{runtimeClassName: gvisor}",
                "spec.runtimeClassName of class small can't",
            ),
            (
                "{agent: {image: x:1}}",
                "spec.agent.image \"x:1\" of class small can't",
            ),
            (
                "{workspace: {size: 1Gi}}",
                "spec.workspace.size of class small can't",
            ),
        ] {
            let error = check_with_class("{class: small}", class, &record).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        // The Bottle's own word wins, and is named as its own.
        let host = "{class: small, agent: {image: host}}";
        assert_eq!(
            check_with_class(host, "{agent: {image: x:1}}", &record),
            Ok(())
        );
        let both = check_with_class(
            "{class: small, runtimeClassName: kata}",
            "{runtimeClassName: gvisor}",
            &record,
        );
        assert!(both.unwrap_err().starts_with("spec.runtimeClassName can't"));
    }

    #[test]
    fn each_field_that_would_be_ignored_is_named_with_its_runtime() {
        for (spec, field) in [
            (
                "{agent: {image: registry.example.com/agent:1}}",
                "spec.agent.image",
            ),
            ("{ttlAfterFinished: 1h}", "spec.ttlAfterFinished"),
            (
                "{agent: {resources: {limits: {memory: 1Gi}}}}",
                "spec.agent.resources.limits",
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
        for spec in [
            "{podTemplate: {labels: {a: b}}}",
            "{agent: {resources: {requests: {cpu: 1, memory: 1Gi}}}}",
        ] {
            assert_eq!(check(spec, &Record::default()), Ok(()), "{spec}");
        }
    }

    #[test]
    fn containers_are_kept_to_limits_of_cpu_and_memory_and_to_no_others() {
        let record = Record {
            runtime: Runtime::Docker,
            ..Record::default()
        };
        let limits = |text: &str| format!("{{agent: {{resources: {{limits: {{{text}}}}}}}}}");
        assert_eq!(check(&limits("cpu: 500m, memory: 1Gi"), &record), Ok(()));
        for (text, field) in [
            (
                "ephemeral-storage: 1Gi",
                "spec.agent.resources.limits.ephemeral-storage can't",
            ),
            ("memory: 1gi", "spec.agent.resources.limits.memory can't"),
        ] {
            let error = check(&limits(text), &record).unwrap_err();
            assert!(error.starts_with(field), "{error}");
        }
        let class = limits("hugepages-2Mi: 1Gi");
        let error = check_with_class("{class: small}", &class, &record).unwrap_err();
        assert!(error.contains("hugepages-2Mi of class small"), "{error}");
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
