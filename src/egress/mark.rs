//! Sockets with a mark, by which the lock of a build's pod knows its proxy: a build step can take any uid, but sets
//! no mark.

use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use nix::sys::socket::{setsockopt, sockopt};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// What a connection of hickory's may take, unless it says otherwise.
const CONNECT: Duration = Duration::from_secs(5);

/// A TCP connection whose packets carry `mark`.
pub(crate) async fn connect(address: SocketAddr, mark: Option<u32>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    set(&socket, mark)?;
    socket.connect(address).await
}

fn set(socket: &impl AsFd, mark: Option<u32>) -> io::Result<()> {
    match mark {
        Some(mark) => Ok(setsockopt(socket, sockopt::Mark, &mark)?),
        None => Ok(()),
    }
}

type Made<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

/// Sockets for DNS.
#[derive(Clone)]
pub(super) struct Marked {
    inner: TokioRuntimeProvider,
    mark: Option<u32>,
}

impl Marked {
    pub(super) fn new(mark: Option<u32>) -> Self {
        Self {
            inner: TokioRuntimeProvider::default(),
            mark,
        }
    }
}

impl RuntimeProvider for Marked {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.inner.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        bind: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Made<Self::Tcp> {
        let Some(mark) = self.mark else {
            return self.inner.connect_tcp(server, bind, timeout);
        };
        Box::pin(async move {
            let connecting = connect(server, Some(mark));
            let stream = tokio::time::timeout(timeout.unwrap_or(CONNECT), connecting).await??;
            stream.set_nodelay(true)?;
            Ok(hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd(
                stream,
            ))
        })
    }

    fn bind_udp(&self, local: SocketAddr, _server: SocketAddr) -> Made<Self::Udp> {
        let mark = self.mark;
        Box::pin(async move {
            let socket = UdpSocket::bind(local).await?;
            set(&socket, mark)?;
            Ok(socket)
        })
    }
}
