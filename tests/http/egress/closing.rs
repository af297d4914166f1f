//! The end of a tunnel loses nothing.

use crate::support::proxy::{Proxy, rest_bytes};
use crate::support::upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn fifty_megabytes_each_way_arrive_and_a_half_close_loses_nothing() {
    const SIZE: usize = 50_000_000;
    // Sends its own bytes only after the client has ended: the way up closes long before the way down.
    let server = upstream::serve(|mut stream| async move {
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        stream.write_all(&got).await.unwrap();
    })
    .await;
    let proxy = Proxy::start("a.example:9000\n").await;
    proxy.dns.answer("a.example", &[server]);
    let mut stream = proxy.tunnel("a.example:9000").await;
    let sent: Vec<u8> = (0..SIZE)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let got = rest_bytes(&mut stream).await;
    assert!(got == sent, "{} of {SIZE} bytes, or other ones", got.len());
}

#[tokio::test]
async fn an_upstream_that_closes_first_loses_nothing_that_it_sent() {
    // Fits into the proxy's socket buffer: what the server's own reset would take from the wire isn't ours to save.
    const SIZE: usize = 40_000;
    let server = upstream::serve(|mut stream| async move {
        // Closing with unread bytes resets the connection behind the answer.
        stream.readable().await.unwrap();
        stream.write_all(&vec![7; SIZE]).await.unwrap();
    })
    .await;
    let proxy = Proxy::start("a.example:9000\n").await;
    proxy.dns.answer("a.example", &[server]);
    let mut stream = proxy.tunnel("a.example:9000").await;
    // The client talks on, into a closed connection, while the answer is still on its way.
    let (mut reader, mut writer) = stream.split();
    let talk = async {
        for _ in 0..50 {
            if writer.write_all(&[1; 10_000]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writer.shutdown().await;
    };
    let mut got = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut got), talk);
    assert!(
        read.is_ok() && got.len() == SIZE,
        "{read:?}, {} bytes",
        got.len()
    );
}
