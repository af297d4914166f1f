//! SHELL: the signals that end a program of ours.

use std::{future::Future, io};
use tokio::signal::unix::{SignalKind, signal};

/// Completes at SIGTERM or SIGINT with the exit code that goes with it, 143 or 130. The handlers stand from the return
/// of this on, so no signal is missed before the first poll. Must be called in a Tokio runtime.
pub fn ended() -> io::Result<impl Future<Output = u8>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => 143,
            _ = interrupt.recv() => 130,
        }
    })
}

/// The same where a missing handler is no error: without one, the default action ends the program anyway.
pub async fn ended_or_killed() {
    match ended() {
        Ok(ended) => drop(ended.await),
        Err(_) => std::future::pending().await,
    }
}
