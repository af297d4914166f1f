//! The shared scenarios, in the sandbox.

use crate::scenarios::{self, attempts, same};
use crate::world::{Runtime, World};

#[test]
fn what_a_person_decides_is_in_force_when_the_agent_has_its_answer() {
    scenarios::what_a_person_decides_is_in_force_when_the_agent_has_its_answer::<World>();
}

#[test]
fn a_revoked_grant_and_one_whose_time_is_over_are_closed() {
    scenarios::a_revoked_grant_and_one_whose_time_is_over_are_closed::<World>();
}

#[test]
fn the_same_question_asked_again_has_the_same_answer_at_once() {
    scenarios::the_same_question_asked_again_has_the_same_answer_at_once::<World>();
}

#[test]
fn a_route_is_there_as_long_as_its_grant() {
    scenarios::a_route_is_there_as_long_as_its_grant::<World>();
}

#[test]
fn a_dockerfile_that_can_not_be_built_is_answered_with_the_reason() {
    let (file, word) = (
        "FROM host\nRUN get jq\n",
        "the runtime sandbox of this machine builds no images",
    );
    scenarios::a_dockerfile_that_can_not_be_built_is_answered_with_the_reason::<World>(file, word);
}

#[test]
fn no_way_out_is_open() {
    let world = World::running();
    assert_eq!(
        attempts::got_out(&world, &attempts::everywhere()),
        [""; 0],
        "these got out"
    );
}

#[test]
fn config_settings_and_answers_are_those_of_every_place() {
    let world = World::running_from(Runtime::Sandbox, &same::file());
    same::compare(&world, &world.config_map());
}
