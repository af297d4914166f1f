//! A tunnel's bytes: both ways, until both have ended.

use super::refusal::Cause;
use super::splice::Pipe;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// What is moved at once. A thread has one such buffer for all its tunnels: an idle tunnel holds none, and one whose
/// reader is slow at most as much as this in each direction.
pub(super) const BUFFER: usize = 64 * 1024;

/// Full buffers after which one direction of a tunnel counts as bulk, and is moved by the kernel alone.
const BULK: usize = 16;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// Which end broke.
#[derive(Clone, Copy)]
pub(super) enum Broken {
    Read,
    Write,
}

/// What one read and one write came to.
enum Moved {
    /// Everything that was there, so many bytes.
    All(usize),
    /// More than the other side takes now; this is left.
    Part(Vec<u8>),
    /// The end.
    End,
}

/// Copies both ways until both have ended; `first` was read from the client before. Whether the client has said
/// everything: nothing of it can lie unread then.
pub(super) async fn both_ways(
    client: &mut TcpStream,
    server: &mut TcpStream,
    first: Vec<u8>,
) -> bool {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let result = pipe(&mut from_client, &mut to_server, first).await;
        let said_all = result.is_ok();
        tolerate(result).map(|()| said_all)
    };
    let down = async { tolerate(pipe(&mut from_server, &mut to_client, Vec::new()).await) };
    tokio::try_join!(up, down).is_ok_and(|(said_all, ())| said_all)
}

/// Copies one way; the end of the one is passed on as the end of the other.
pub(super) async fn pipe(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    first: Vec<u8>,
) -> Result<(), Broken> {
    to.write_all(&first).await.map_err(|_| Broken::Write)?;
    drop(first);
    let (mut full, mut tried) = (0, false);
    loop {
        match move_once(from, to).await? {
            Moved::All(count) => full += usize::from(count == BUFFER),
            Moved::Part(rest) => {
                to.write_all(&rest).await.map_err(|_| Broken::Write)?;
                full += 1;
            }
            Moved::End => break,
        }
        if full >= BULK && !tried {
            tried = true;
            if let Some(pipe) = Pipe::open()
                && pipe.carry(from.as_ref(), to.as_ref()).await?
            {
                break;
            }
        }
        // Two ends that are always ready would leave no time to anybody else.
        tokio::task::consume_budget().await;
    }
    // An error here is a peer that is gone already.
    let _ = to.shutdown().await;
    Ok(())
}

/// Waits for bytes, and passes on what there is.
async fn move_once(from: &mut ReadHalf<'_>, to: &WriteHalf<'_>) -> Result<Moved, Broken> {
    poll_fn(|context| {
        SHARED.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            // Unlike `try_read` this takes a buffer that isn't full for all there is, and saves the call that says so.
            match Pin::new(&mut *from).poll_read(context, &mut read) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Read)),
                Poll::Ready(Ok(())) => Poll::Ready(pass(read.filled(), to)),
            }
        })
    })
    .await
}

fn pass(bytes: &[u8], to: &WriteHalf<'_>) -> Result<Moved, Broken> {
    if bytes.is_empty() {
        return Ok(Moved::End);
    }
    let written = match to.try_write(bytes) {
        Ok(written) => written,
        Err(error) if later(&error) => 0,
        Err(_) => return Err(Broken::Write),
    };
    Ok(if written == bytes.len() {
        Moved::All(written)
    } else {
        Moved::Part(bytes[written..].to_vec())
    })
}

fn later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Whether the other direction has to stop too. A peer that takes nothing any more may still have sent something
/// that lies unread; one that can't be read is gone.
pub(super) fn tolerate(result: Result<(), Broken>) -> Result<(), Option<Cause>> {
    match result {
        Ok(()) | Err(Broken::Write) => Ok(()),
        Err(Broken::Read) => Err(None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    /// Two ends of one connection.
    pub async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn a_reader_that_is_slow_gets_everything() {
        let sent: Vec<u8> = (0..40 * BUFFER)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        let ((mut client, mut client_end), (mut server, mut server_end)) =
            tokio::join!(pair(), pair());
        tokio::spawn(async move { both_ways(&mut client, &mut server, b"first".to_vec()).await });
        let kept = sent.clone();
        tokio::spawn(async move {
            server_end.write_all(&kept).await.unwrap();
            let mut first = String::new();
            server_end.shutdown().await.unwrap();
            server_end.read_to_string(&mut first).await.unwrap();
            assert_eq!(first, "first");
        });
        let mut got = Vec::new();
        let mut piece = [0; 1000];
        loop {
            let count = client_end.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&piece[..count]);
        }
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    }

    #[tokio::test]
    async fn an_end_is_passed_on_while_the_other_direction_goes_on() {
        let ((mut client, mut client_end), (mut server, mut server_end)) =
            tokio::join!(pair(), pair());
        let tunnel =
            tokio::spawn(
                async move { both_ways(&mut client, &mut server, b"first".to_vec()).await },
            );
        client_end.write_all(b" second").await.unwrap();
        client_end.shutdown().await.unwrap();
        let mut up = String::new();
        server_end.read_to_string(&mut up).await.unwrap();
        assert_eq!(up, "first second");
        server_end.write_all(b"answer").await.unwrap();
        drop(server_end);
        let mut down = String::new();
        client_end.read_to_string(&mut down).await.unwrap();
        assert_eq!(down, "answer");
        tunnel.await.unwrap();
    }
}
