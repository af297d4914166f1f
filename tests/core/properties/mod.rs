//! What holds for every text that a stranger may write, and for every order in which grants come and go.

mod allowlist;
mod fold;
mod review;
mod routes;
mod text;
