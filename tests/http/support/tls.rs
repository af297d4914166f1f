//! TLS ends: a server with a certificate of its own, and a client that trusts it.

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// Answers one line with the same line, once per connection; returns where, and how to trust it.
pub fn line_echo(names: &[&str]) -> (SocketAddr, Arc<ClientConfig>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(server);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut tls = StreamOwned::new(connection, stream);
            let mut line = [0; 5];
            if tls.read_exact(&mut line).is_ok() {
                let _ = tls.write_all(&line);
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (address, Arc::new(client))
}

/// Says `hello` over TLS for `name` on a stream that is open already, and returns the answer.
pub async fn hello(
    stream: tokio::net::TcpStream,
    config: Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<String> {
    let name: ServerName<'static> = name.to_owned().try_into().unwrap();
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    tokio::task::spawn_blocking(move || say(stream, config, name))
        .await
        .unwrap()
}

fn say(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> std::io::Result<String> {
    let connection = ClientConnection::new(config, name).unwrap();
    let mut tls = StreamOwned::new(connection, stream);
    tls.write_all(b"hello")?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first bytes that a client sends to ask for `name`.
pub fn client_hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}
