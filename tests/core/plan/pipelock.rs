//! A Bottle whose allowlist is kept by pipelock.

use super::world::{BOTTLE, World};
use crate::golden;
use bot_bottle::{
    config::{allowlist::Allowlist, pipelock},
    names,
    plan::{engine::LISTEN, sealed::leaks, settings::Pipelock},
    yaml,
};

fn world(more: &str) -> World {
    let mut world = World::new(BOTTLE);
    world.bottle.spec.egress = yaml::from_str(&format!("{{engine: Pipelock{more}}}")).unwrap();
    world.settings.pipelock = Some(Pipelock {
        image: "registry.example.com/pipelock:2.3".into(),
        program: "/pipelock".into(),
    });
    world
}

fn message(world: &mut World) -> String {
    world.settle();
    assert!(world.pod.is_none());
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "Unsupported", "{message}");
    message
}

#[test]
fn the_config_is_as_reviewed() {
    let list = Allowlist::parse_declared("api.example.com\n.docs.example.org\n").unwrap();
    let hash = "0123456789abcdef".repeat(4);
    golden::check(
        "pipelock.yaml",
        &pipelock::render(&list, &hash, LISTEN).unwrap(),
    );
    let empty = pipelock::render(&Allowlist::default(), &hash, LISTEN).unwrap();
    // pipelock would refuse an empty list and keep the old one.
    assert!(empty.contains(".invalid"), "{empty}");
}

#[test]
fn pipelocks_container_sees_its_own_config_and_nothing_else_of_ours() {
    let mut world = world("");
    world.settle();
    let pod = world.pod.clone().unwrap();
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(leaks(&pod, 1000), []);
    let egress = spec
        .containers
        .iter()
        .find(|one| one.name == names::container::EGRESS);
    golden::check(
        "pipelock-container.yaml",
        &yaml::to_string(egress.unwrap()).unwrap(),
    );
    for container in spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
    {
        let mounts = container.volume_mounts.iter().flatten();
        let shares = mounts.clone().any(|mount| mount.name == "pipelock");
        assert_eq!(
            shares,
            ["prepare", "supervise", "egress"].contains(&&*container.name)
        );
        let flag = container
            .args
            .iter()
            .flatten()
            .any(|word| word == "--pipelock");
        assert_eq!(flag, ["prepare", "supervise"].contains(&&*container.name));
    }
}

#[test]
fn what_pipelock_would_not_keep_is_refused_by_name() {
    let rows = [
        (
            ", allowInternal: [10.20.0.0/16]",
            "spec.egress.allowInternal",
        ),
        (
            ", parentProxy: 'http://proxy.example.com:3128'",
            "spec.egress.parentProxy",
        ),
    ];
    for (more, field) in rows {
        let said = message(&mut world(more));
        assert!(said.starts_with(field), "{said}");
    }
    let mut ported = world("");
    ported
        .bottle
        .spec
        .allowlist
        .push("db.example.com:5432".into());
    let said = message(&mut ported);
    assert!(
        said.starts_with("db.example.com:5432 of spec.allowlist"),
        "{said}"
    );
    let mut public = world("");
    public.settings.deny = vec![
        "10.96.0.0/16".parse().unwrap(),
        "8.8.8.0/24".parse().unwrap(),
    ];
    let said = message(&mut public);
    assert!(
        said.starts_with("8.8.8.0/24 of the operator's clusterRanges"),
        "{said}"
    );
    let mut without = world("");
    without.settings.pipelock = None;
    assert!(message(&mut without).contains("pipelock.image"));
}

#[test]
fn another_engine_is_another_pod() {
    let mut world = World::running();
    world.settings.pipelock = self::world("").settings.pipelock;
    world.bottle.spec.egress = yaml::from_str("{engine: Pipelock}").unwrap();
    let done = world.settle();
    assert!(
        done.contains(&"DeletePod".to_owned()) && done.contains(&"CreatePod".to_owned()),
        "{done:?}"
    );
}
