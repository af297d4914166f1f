//! Where the agent's input and output are: a person's terminal, this process' own files, or the bottle's log.

use super::{DockerError, daemon::Daemon};
use crate::local::{Error, place::Place, runner::Attach};
use bollard::{
    container::LogOutput,
    query_parameters::{
        AttachContainerOptionsBuilder, LogsOptionsBuilder, ResizeContainerTTYOptionsBuilder,
    },
};
use futures::{Stream, StreamExt as _};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::{Duration, UNIX_EPOCH},
};
use tokio::{
    io::AsyncWriteExt as _,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

/// How long the daemon may take to let a terminal through.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest head of its answer.
const MAX_HEAD: usize = 16 * 1024;

/// What to do once the agent runs.
pub(super) enum Joined {
    /// Nothing: its terminal is in these hands.
    Terminal(OwnedFd),
    /// Copying.
    Copies(JoinSet<()>),
}

/// Joins an agent that has not started yet, so that nothing is missed.
pub(super) async fn join(
    daemon: &Daemon,
    name: &str,
    place: &Place,
    attach: Attach,
) -> Result<Joined, Error> {
    match attach {
        Attach::Terminal => {
            let (path, name) = (daemon.socket.clone(), name.to_owned());
            let taken = tokio::task::spawn_blocking(move || terminal(&path, &name)).await;
            let taken = taken.unwrap_or_else(|error| Err(io::Error::other(error)));
            let terminal = taken.map_err(DockerError::io("take the terminal"))?;
            Ok(Joined::Terminal(terminal))
        }
        Attach::Log => Ok(Joined::Copies(JoinSet::new())),
        Attach::Inherit | Attach::Output => {
            let options = AttachContainerOptionsBuilder::new()
                .stdin(attach == Attach::Inherit)
                .stdout(true)
                .stderr(true)
                .stream(true)
                .build();
            let attached = daemon
                .docker
                .attach_container(name, Some(options))
                .await
                .map_err(DockerError::asked("attach to the agent"))?;
            let log = open_log(place)?;
            let mut tasks = JoinSet::new();
            tasks.spawn(to_own_files(attached.output, attach, log));
            if attach == Attach::Inherit {
                tasks.spawn(from_own_input(attached.input));
            }
            Ok(Joined::Copies(tasks))
        }
    }
}

/// The raw bytes of a container's terminal. By hand: the client library takes a first byte below 3 for a header, and
/// what an agent writes is its own.
fn terminal(socket: &std::path::Path, name: &str) -> io::Result<OwnedFd> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "POST /containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\nConnection: \
         Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > MAX_HEAD || stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !matches!(status, "101" | "200") {
        let first = head.lines().next().unwrap_or_default();
        return Err(io::Error::other(format!("the daemon said {first:?}")));
    }
    stream.set_read_timeout(None)?;
    Ok(stream.into())
}

/// Gives the agent's terminal the size of the person's, now and whenever that changes.
pub(super) async fn follow_size(daemon: Daemon, name: String) {
    let Ok(mut changed) = signal(SignalKind::window_change()) else {
        return;
    };
    loop {
        if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout()) {
            let options = ResizeContainerTTYOptionsBuilder::new()
                .h(size.ws_row.into())
                .w(size.ws_col.into())
                .build();
            let _ = daemon.docker.resize_container_tty(&name, options).await;
        }
        if changed.recv().await.is_none() {
            return;
        }
    }
}

async fn to_own_files(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    attach: Attach,
    mut log: File,
) {
    while let Some(Ok(part)) = output.next().await {
        let written = match part {
            LogOutput::StdErr { message } if attach == Attach::Output => log.write_all(&message),
            LogOutput::StdErr { message } => io::stderr().write_all(&message),
            part => {
                let mut own = io::stdout();
                own.write_all(&part.into_bytes()).and_then(|()| own.flush())
            }
        };
        if written.is_err() {
            return;
        }
    }
}

/// Nothing can interrupt a read of standard input, so a thread of its own does it and ends with the program.
async fn from_own_input(mut input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(4);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = io::stdin().read(&mut buffer) {
            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    while let Some(bytes) = receiver.recv().await {
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

fn open_log(place: &Place) -> Result<File, Error> {
    let path = place.path("log/agent");
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    opened.map_err(Error::file("write", &path))
}

/// Copies what the agent writes into the bottle's log. Of an agent that was taken over that is what came since the log
/// was last written: a line may stand there twice, none is missing.
pub(super) async fn log(daemon: Daemon, name: String, place: Place, taken_over: bool) {
    let since = if taken_over {
        fs::metadata(place.path("log/agent"))
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i32::try_from(since.as_secs()).ok())
            .unwrap_or_default()
    } else {
        0
    };
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .since(since)
        .build();
    let Ok(mut file) = open_log(&place) else {
        return;
    };
    let mut parts = Box::pin(daemon.docker.logs(&name, Some(options)));
    while let Some(Ok(part)) = parts.next().await {
        if let Err(error) = file.write_all(part.as_ref()) {
            tracing::warn!(%error, "The agent's log can't be written");
            return;
        }
    }
}
