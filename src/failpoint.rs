//! Named points where the kill tests stop a program; nothing in a release.

/// Ends this process as SIGKILL would, when the variable `FAILPOINTS` says so and the feature `failpoints` is on.
pub fn stop_at(point: &str) {
    fail::fail_point!(point, |_| {
        tracing::warn!(point, "killed by a kill test");
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    });
    let _ = point;
}
