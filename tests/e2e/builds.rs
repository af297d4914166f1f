//! Approved Dockerfiles: built behind the bottle's wall, pushed, tried, run in place, and only then answered.

mod away;
mod declared;
mod hostile;
mod kill;
mod kit;
mod place;
mod registry;
mod road;
