//! What the kernel keeps an agent to, by its cgroup.

use super::{container, docker};
use crate::scenarios::manifest;
use crate::world::{PATIENCE, Place as _, Runtime, World, text, within};

fn with(resources: &str) -> String {
    manifest("").replace(
        "    command:",
        &format!("    resources: {resources}\n    command:"),
    )
}

/// Memory, memory with swap, and CPU in microseconds of a tenth of a second.
fn limits(world: &World) -> String {
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.CpuQuota}}/{{.HostConfig.CpuPeriod}}";
    let seen = docker(&["inspect", "-f", format, &container(world, "agent")]);
    seen.trim().to_owned()
}

fn become_(world: &World, wanted: &str) {
    let done = within(PATIENCE, || (limits(world) == wanted).then_some(()));
    assert!(
        done.is_some(),
        "{} and not {wanted}\n{}",
        limits(world),
        world.logs()
    );
}

fn pid(world: &World) -> String {
    docker(&[
        "inspect",
        "-f",
        "{{.State.Pid}}",
        &container(world, "agent"),
    ])
}

#[test]
fn limits_are_the_kernel_s_and_change_in_place_or_with_a_new_pod() {
    const MIB: u64 = 1 << 20;
    let world = World::running_from(
        Runtime::Docker,
        &with("{limits: {memory: 256Mi, cpu: 500m}, requests: {cpu: 1}}"),
    );
    become_(&world, &format!("{0} {0} 50000/100000", 256 * MIB));
    // The kernel's own word. An agent that wants more is ended, and the bottle stays.
    let hog = "/usr/bin/python3 -c 'x = bytearray(600 << 20)'; echo ended with $?";
    let said = world.inside(hog);
    assert!(!said.contains("ended with 0"), "{said}");
    let before = pid(&world);

    world.apply_file(&with("{limits: {memory: 1Gi, cpu: 1500m}}"));
    become_(&world, &format!("{0} {0} 150000/100000", 1024 * MIB));
    let said = world.inside(hog);
    assert!(said.contains("ended with 0"), "{said}");
    assert_eq!(pid(&world), before, "it was started again");

    // A limit can't be taken from one that runs: it is another.
    world.apply_file(&manifest(""));
    let anew = within(PATIENCE, || {
        let output = std::process::Command::new("docker")
            .args([
                "inspect",
                "-f",
                "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.State.Running}}",
            ])
            .arg(container(&world, "agent"))
            .output()
            .unwrap();
        (text(&output).trim() == "0 0 true").then_some(())
    });
    assert!(anew.is_some(), "{}", world.logs());
    assert_ne!(pid(&world), before);
    assert!(world.inside("true").contains("exit 0"));
}

#[test]
fn limits_of_a_class_count_and_those_that_no_container_has_are_named() {
    let world = World::of(Runtime::Docker);
    let class = |resources: &str| {
        format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass\nmetadata: {{name: small}}\nspec: {{agent: {{resources: {resources}}}}}\n---\n{}",
            manifest("  class: small\n")
        )
    };
    let output = world.try_apply_file(&class("{limits: {ephemeral-storage: 1Gi}}"), &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let named = "spec.agent.resources.limits.ephemeral-storage of class small can't be honoured by the runtime docker";
    assert!(said.contains(named), "{said}");
    world.apply_file(&class("{limits: {memory: 128Mi}}"));
    assert!(world.inside("true").contains("exit 0"));
    become_(&world, &format!("{0} {0} 0/0", 128 << 20));
    // Also while nobody keeps it: the next keeper brings it to what is said now.
    let keeper = world.keeper().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(keeper),
        nix::sys::signal::SIGKILL,
    )
    .unwrap();
    within(PATIENCE, || world.keeper().is_none().then_some(()));
    let before = pid(&world);
    world.apply_file(&class("{limits: {memory: 192Mi}}"));
    become_(&world, &format!("{0} {0} 0/0", 192 << 20));
    assert_eq!(pid(&world), before, "it was started again");
}
