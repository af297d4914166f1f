//! Bulk, moved inside the kernel: from socket to pipe to socket, without a copy into this program.

use super::copy::Broken;
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What a pipe is asked to hold; an ordinary user may ask for as much as this. Where the kernel gives less, less is
/// moved at once.
const SIZE: usize = 1 << 20;
/// Pipes of one thread at once: two file descriptors each, and memory of the kernel's. Beyond it, bytes are copied.
const MOST: usize = 64;

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// An empty pipe.
pub(super) struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    /// None where there are enough of them, or the system gives none.
    pub(super) fn open() -> Option<Self> {
        if OPEN.get() >= MOST {
            return None;
        }
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        let _ = fcntl_setpipe_size(&into, SIZE);
        OPEN.set(OPEN.get() + 1);
        Some(Self { out, into })
    }

    /// Moves everything until `from` ends. `Ok(false)` when this can't be done here: nothing was moved then.
    pub(super) async fn carry(&self, from: &TcpStream, to: &TcpStream) -> Result<bool, Broken> {
        let mut first = true;
        loop {
            from.readable().await.map_err(|_| Broken::Read)?;
            let moved = from.try_io(Interest::READABLE, || step(from, &self.into, SIZE));
            let mut held = match moved {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(_) if first => return Ok(false),
                Err(_) => return Err(Broken::Read),
            };
            first = false;
            while held > 0 {
                to.writable().await.map_err(|_| Broken::Write)?;
                match to.try_io(Interest::WRITABLE, || step(&self.out, to, held)) {
                    Ok(count) => held -= count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return Err(Broken::Write),
                }
            }
            // As when copying: others have their turn.
            tokio::task::consume_budget().await;
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        OPEN.set(OPEN.get().saturating_sub(1));
    }
}

fn step(from: impl AsFd, to: impl AsFd, count: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    // At once again: to say "not ready" here would wait for an event that has been.
    Ok(retry_on_intr(|| {
        splice(&from, None, &to, None, count, flags)
    })?)
}

#[cfg(test)]
mod tests {
    use super::super::copy::tests::pair;
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn everything_arrives_in_its_order_however_slow_the_reader() {
        let sent: Vec<u8> = (0..5 << 20)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        let ((mut source, from), (to, mut sink)) = tokio::join!(pair(), pair());
        let kept = sent.clone();
        let writer = tokio::spawn(async move {
            source.write_all(&kept).await.unwrap();
        });
        let carried = tokio::spawn(async move {
            let pipe = Pipe::open().unwrap();
            let done = pipe.carry(&from, &to).await;
            assert!(matches!(done, Ok(true)));
        });
        let mut got = Vec::new();
        let mut piece = [0; 3000];
        loop {
            let count = sink.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&piece[..count]);
        }
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
        writer.await.unwrap();
        carried.await.unwrap();
    }

    #[tokio::test]
    async fn pipes_are_bounded_and_given_back() {
        let held: Vec<_> = std::iter::from_fn(Pipe::open).collect();
        assert_eq!(held.len(), MOST);
        drop(held);
        assert!(Pipe::open().is_some());
    }
}
