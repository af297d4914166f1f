//! PURE: the server name in a TLS `ClientHello`, from the first bytes that a client sends.
//!
//! Strict on purpose. What another parser could read in another way (a second name, a repeated extension, a record
//! of another kind in between) is [`Hello::Malformed`], because what we check must be what the server sees.

use std::ops::ControlFlow;

/// Most bytes that are looked at: more than any real `ClientHello`, post-quantum key shares included.
pub const MAX_HELLO: usize = 16 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// No TLS handshake.
    NotTls,
    /// A TLS handshake that isn't a well-formed `ClientHello`, or too long a one.
    Malformed,
    /// A `ClientHello`, and the name that it asks for, as sent.
    Complete(Option<String>),
}

/// Reads the first bytes of a connection; call it again with more after [`Hello::Incomplete`].
pub fn read(bytes: &[u8]) -> Hello {
    // Content type handshake, and the major version that all of TLS has on its records.
    match bytes {
        [] | [0x16] => return Hello::Incomplete,
        [0x16, 0x03, ..] => {}
        _ => return Hello::NotTls,
    }
    let handshake = match join_records(bytes) {
        ControlFlow::Continue(joined) => joined,
        ControlFlow::Break(hello) => return hello,
    };
    let Some((message, after)) = Reader(&handshake).message() else {
        return if bytes.len() >= MAX_HELLO {
            Hello::Malformed
        } else {
            Hello::Incomplete
        };
    };
    if !after.is_empty() {
        return Hello::Malformed;
    }
    match server_name(message) {
        Some(name) => Hello::Complete(name),
        None => Hello::Malformed,
    }
}

/// The handshake bytes of the records that are there, the last one perhaps in part; stops early when the first
/// byte says that this is no `ClientHello`.
fn join_records(bytes: &[u8]) -> ControlFlow<Hello, Vec<u8>> {
    let mut joined = Vec::new();
    let mut rest = &bytes[..bytes.len().min(MAX_HELLO)];
    while !rest.is_empty() {
        // A complete message needs no look at what follows: early data are records of another kind.
        if Reader(&joined).message().is_some() {
            break;
        }
        if rest[0] != 0x16 || rest.get(1).is_some_and(|major| *major != 0x03) {
            return ControlFlow::Break(Hello::Malformed);
        }
        let Some(header) = rest.get(..5) else { break };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 {
            return ControlFlow::Break(Hello::Malformed);
        }
        let end = rest.len().min(5 + length);
        joined.extend_from_slice(&rest[5..end]);
        rest = &rest[end..];
    }
    if joined.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return ControlFlow::Break(Hello::Malformed);
    }
    ControlFlow::Continue(joined)
}

/// Handshake type.
const CLIENT_HELLO: u8 = 1;
/// Extension type.
const SERVER_NAME: u16 = 0;
/// The one name type that was ever defined.
const HOST_NAME: u8 = 0;

/// The name in the body of a `ClientHello`; the outer `None` is a malformed one.
#[expect(
    clippy::option_option,
    reason = "malformed and nameless are different answers"
)]
fn server_name(body: &[u8]) -> Option<Option<String>> {
    let mut reader = Reader(body);
    reader.take(2 + 32)?; // version, random
    reader.vector8()?; // session id
    reader.vector16()?; // cipher suites
    reader.vector8()?; // compression methods
    if reader.0.is_empty() {
        return Some(None); // extensions are optional before TLS 1.3
    }
    let mut extensions = Reader(reader.vector16()?);
    reader.finished()?;
    let mut name = None;
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        if seen.contains(&kind) {
            return None;
        }
        seen.push(kind);
        if kind == SERVER_NAME {
            name = Some(only_host_name(content)?);
        }
    }
    Some(name)
}

/// The content of the extension: a list of exactly one host name.
fn only_host_name(content: &[u8]) -> Option<String> {
    let mut content = Reader(content);
    let mut list = Reader(content.vector16()?);
    content.finished()?;
    let kind = list.take(1)?[0];
    let name = list.vector16()?;
    list.finished()?;
    let plain = kind == HOST_NAME && !name.is_empty() && name.is_ascii();
    plain.then(|| String::from_utf8(name.to_vec()).ok())?
}

/// Takes big-endian pieces from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|two| u16::from_be_bytes([two[0], two[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// The body of the first handshake message, when all of it is there, and what follows.
    fn message(&self) -> Option<(&'a [u8], &'a [u8])> {
        let header = self.0.get(..4)?;
        let length = u32::from_be_bytes([0, header[1], header[2], header[3]]);
        self.0[4..].split_at_checked(length as usize)
    }

    fn finished(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// What rustls sends for `name`.
    fn real(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = name.to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// One record around a hello with these extensions.
    fn made(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, content) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend(vector(content));
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(vector(&list));
        record(&message(&body))
    }

    fn vector(content: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(content);
        bytes
    }

    fn message(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![CLIENT_HELLO, 0];
        bytes.extend(vector(body));
        bytes
    }

    fn record(content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x16, 3, 1];
        bytes.extend(vector(content));
        bytes
    }

    fn names(names: &[(u8, &str)]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, name) in names {
            list.push(*kind);
            list.extend(vector(name.as_bytes()));
        }
        vector(&list)
    }

    #[test]
    fn a_real_hello_is_read_at_its_last_byte_and_not_before() {
        let bytes = real("api.example.com");
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Hello::Incomplete, "{end}");
        }
        let name = Hello::Complete(Some("api.example.com".into()));
        assert_eq!(read(&bytes), name);
        let mut followed = bytes.clone();
        followed.extend([0x17, 3, 3, 0, 1, 0]);
        assert_eq!(read(&followed), name);
    }

    #[test]
    fn a_hello_split_over_many_records_is_joined() {
        let whole = real("api.example.com");
        let split: Vec<u8> = whole[5..].chunks(7).flat_map(record).collect();
        assert_eq!(
            read(&split),
            Hello::Complete(Some("api.example.com".into()))
        );
    }

    #[test]
    fn other_protocols_are_told_apart_by_their_first_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0-",
            b"\x16\x02",
            b"\x80\x2e\x01\x03",
        ] {
            assert_eq!(read(bytes), Hello::NotTls);
        }
    }

    #[test]
    fn a_hello_without_a_name_is_complete() {
        assert_eq!(read(&made(&[(43, vec![2, 3, 4])])), Hello::Complete(None));
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_malformed() {
        let good = names(&[(0, "a.example")]);
        assert_eq!(
            read(&made(&[(0, good.clone())])),
            Hello::Complete(Some("a.example".into()))
        );
        let twice = vec![(0, good.clone()), (0, names(&[(0, "b.example")]))];
        let mut trailing = good.clone();
        trailing.push(0);
        let cases = [
            twice,
            vec![(5, vec![]), (5, vec![]), (0, good)],
            vec![(0, names(&[(0, "a.example"), (0, "b.example")]))],
            vec![(0, names(&[(1, "a.example")]))],
            vec![(0, names(&[]))],
            vec![(0, names(&[(0, "")]))],
            vec![(0, names(&[(0, "\u{e4}.example")]))],
            vec![(0, trailing)],
            vec![(0, vec![])],
        ];
        for extensions in cases {
            assert_eq!(read(&made(&extensions)), Hello::Malformed, "{extensions:?}");
        }
    }

    #[test]
    fn odd_records_before_the_end_of_the_hello_are_malformed() {
        let whole = real("a.example");
        let (first, second) = whole[5..].split_at(50);
        let alert = [0x15, 3, 3, 0, 2, 1, 0];
        let empty = record(&[]);
        for between in [&alert[..], &empty] {
            let bytes = [&record(first)[..], between, &record(second)].concat();
            assert_eq!(read(&bytes), Hello::Malformed);
        }
        let coalesced = record(&[&whole[5..], &whole[5..]].concat());
        assert_eq!(read(&coalesced), Hello::Malformed);
        let mut other = whole.clone();
        other[5] = 2;
        assert_eq!(read(&other), Hello::Malformed);
    }

    #[test]
    fn an_endless_hello_is_given_up_at_the_limit() {
        let mut body = message(&[0; 60000]);
        body.truncate(MAX_HELLO + 100);
        let bytes: Vec<u8> = body.chunks(4000).flat_map(record).collect();
        assert_eq!(read(&bytes[..MAX_HELLO - 1]), Hello::Incomplete);
        assert_eq!(read(&bytes[..MAX_HELLO]), Hello::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
            let _ = read(&bytes);
            let mut mixed = real("a.example");
            let at = at.min(mixed.len());
            mixed.truncate(at);
            mixed.extend(bytes);
            let _ = read(&mixed);
        }
    }
}
