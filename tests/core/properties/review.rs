//! What the operator stores about a proposal fits into its schema and hides nothing, whatever its files hold: a status
//! that the API server refuses would stop everything else that this bottle's plan has to do.

use super::{allowlist, routes, text};
use crate::plan::world::World;
use bot_bottle::api::{Decision, ProposalStatus, Tool};
use bot_bottle::config::text::is_forbidden;
use proptest::prelude::*;
use proptest::sample::select;

fn file() -> impl Strategy<Value = String> {
    prop_oneof![
        text::long(),
        proptest::collection::vec(allowlist::host(), 0..80).prop_map(|hosts| hosts.join("\n")),
        routes::file(),
        routes::file().prop_map(|file| file.replace("example", &"x".repeat(1_900))),
    ]
}

fn fits(status: &ProposalStatus) {
    let within = |text: &str, most: usize| {
        assert!(
            text.chars().count() <= most,
            "{} characters of {most}",
            text.chars().count()
        );
        assert!(!text.contains(|c| is_forbidden(c) || c == '\t'), "{text:?}");
    };
    let all = |texts: &[String], count: usize, most: usize| {
        assert!(texts.len() <= count, "{} of {count}", texts.len());
        texts.iter().for_each(|text| within(text, most));
    };
    all(&status.change, 64, 300);
    all(&status.diff, 1_024, 2_048);
    all(&status.warnings, 32, 512);
    assert!(status.diff.iter().map(String::len).sum::<usize>() <= 67_000);
    within(status.summary.as_deref().unwrap_or_default(), 512);
    within(status.message.as_deref().unwrap_or_default(), 4_096);
    within(status.reason.as_deref().unwrap_or_default(), 128);
    for condition in &status.conditions {
        within(&condition.message, 4_096);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_files_hold_the_status_can_be_stored(
        tool in select(vec![Tool::PipelockBlock, Tool::CredProxyBlock, Tool::CapabilityBlock]),
        base in file(), proposed in file().prop_filter("the API server takes no empty file", |file| !file.is_empty()), edited in proptest::option::of(file()),
        decision in select(vec![Decision::Pending, Decision::Approved, Decision::Rejected]),
    ) {
        let mut world = World::running();
        world.ask("blue-1", &proposed);
        let spec = world.decide("blue-1", decision);
        spec.tool = tool;
        spec.base_file = base;
        spec.final_file = edited.filter(|_| decision == Decision::Approved);
        world.settle();
        fits(world.proposal("blue-1").status.as_ref().unwrap());
    }
}
