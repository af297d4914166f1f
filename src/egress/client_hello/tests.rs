//! Hellos as rustls sends them, and made ones that nobody should send.

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
fn a_record_that_goes_on_behind_the_hello_is_malformed_whenever_the_rest_comes() {
    let whole = real("a.example");
    let mut twice = record(&[&whole[5..], &whole[5..]].concat());
    assert_eq!(read(&twice), Hello::Malformed);
    twice.truncate(whole.len());
    assert_eq!(read(&twice), Hello::Malformed);
}

#[test]
fn bytes_that_come_one_at_a_time_are_judged_as_all_at_once() {
    let whole = real("api.example.com");
    let records: Vec<u8> = whole[5..].chunks(3).flat_map(record).collect();
    let mut other = records.clone();
    other[8] = 0x17;
    for bytes in [whole, records, other, b"\x16\x03\x01\0\0".to_vec()] {
        let mut scan = Scan::default();
        for end in 0..=bytes.len() {
            assert_eq!(scan.read(&bytes[..end]), read(&bytes[..end]), "{end}");
        }
    }
}

#[test]
fn an_endless_hello_is_given_up_at_the_limit() {
    let mut body = message(&vec![0; 60000]);
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
