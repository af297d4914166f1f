//! PURE: from a request's path to the upstream's, without a way out of the upstream's prefix.
//!
//! What passes is passed as it was sent, encoded slashes too. What an upstream could read as a step upwards, in
//! any of the spellings that servers are known to decode, is refused instead of repaired: a repaired path would be
//! one that nobody has asked for.

use thiserror::Error;

/// Encodings inside encodings that are looked into; nobody needs more.
const MAX_ROUNDS: usize = 4;

/// Why a path isn't passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsafe {
    /// `..` in some spelling.
    #[error("the path leads upwards")]
    Upwards,
    /// Some servers take it for a slash, others don't.
    #[error("the path holds a backslash")]
    Backslash,
    /// Some servers cut a path there.
    #[error("the path holds a zero byte")]
    Zero,
    /// Encoded more often than anybody needs.
    #[error("the path is encoded over and over")]
    Encoded,
    /// Some servers take what follows for a host.
    #[error("the path starts with two slashes")]
    Slashes,
}

/// Refuses a path that an upstream could take for one outside the prefix that it is put behind.
pub fn check(path: &str) -> Result<(), Unsafe> {
    if path.contains('\\') {
        return Err(Unsafe::Backslash);
    }
    // Nearly every path ends here.
    if !path.contains('%') {
        return check_segments(path.as_bytes());
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=MAX_ROUNDS {
        check_segments(&bytes)?;
        match decoded(&bytes) {
            Some(next) => bytes = next,
            None => return Ok(()),
        }
    }
    Err(Unsafe::Encoded)
}

fn check_segments(path: &[u8]) -> Result<(), Unsafe> {
    if path.contains(&0) {
        return Err(Unsafe::Zero);
    }
    let leads_upwards = |segment: &[u8]| {
        // `..;x` is `..` with a parameter; blanks at a name's end don't count on some systems.
        let name = segment.split(|byte| *byte == b';').next();
        name.unwrap_or_default().trim_ascii() == b".."
    };
    if path
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .any(leads_upwards)
    {
        return Err(Unsafe::Upwards);
    }
    Ok(())
}

/// One round of decoding, overlong UTF-8 included; none: there is nothing to decode.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut changed = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| hex_pair(bytes.get(at + 1..at + 3)?));
        if let Some(value) = escaped.flatten() {
            out.push(value);
            changed = true;
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    changed.then(|| shortened(&out))
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(pair).ok()?;
    // The standard parser would also take a sign.
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(text, 16).ok()
}

/// ASCII characters that were written with more bytes than UTF-8 allows: old decoders read them all the same.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let (byte, length) = match *rest {
            [lead @ (0xc0 | 0xc1), next @ 0x80..=0xbf, ..] => ((lead & 1) << 6 | next & 0x3f, 2),
            [0xe0, lead @ (0x80 | 0x81), next @ 0x80..=0xbf, ..] => {
                ((lead & 1) << 6 | next & 0x3f, 3)
            }
            _ => (first, 1),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    out
}

/// The upstream's path for what stands behind the route's, which is empty for the route itself: then it is the
/// upstream's as written, because an endpoint with a slash is another one than without.
pub fn join(base: &str, rest: &str) -> Result<String, Unsafe> {
    if rest.is_empty() {
        return Ok(if base.is_empty() { "/" } else { base }.to_owned());
    }
    let base = base.trim_end_matches('/');
    if base.is_empty() && rest.starts_with('/') {
        return Err(Unsafe::Slashes);
    }
    Ok(format!("{base}/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_upwards_in_any_spelling_is_refused() {
        for path in [
            "/a/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a/%2e./b",
            "/a/..%2fb",
            "/a/..%5cb",
            "/a/%2e%2e%2fb",
            "/a/b%2f..%2fc",
            "/a/..;/b",
            "/a/..;x=y/b",
            "/a/%2e%2e;x/b",
            "/a/..%3bx/b",
            "/a/%252e%252e/b",
            "/a/%25252e%25252e%25252fb",
            "/a/%c0%ae%c0%ae/b",
            "/a/%C0%AE./b",
            "/a/..%c0%afb",
            "/a/%e0%80%ae%e0%80%ae/b",
            "/a/..%20/b",
            "/a/..%09/b",
            "/a//../b",
        ] {
            assert_eq!(check(path), Err(Unsafe::Upwards), "{path}");
        }
        assert_eq!(check("/a\\..\\b"), Err(Unsafe::Backslash));
        assert_eq!(check("/a/..%00/b"), Err(Unsafe::Zero));
        assert_eq!(check("/a%2500"), Err(Unsafe::Zero));
        assert_eq!(check("/a/%25252525252541"), Err(Unsafe::Encoded));
    }

    #[test]
    fn what_only_looks_like_it_passes() {
        for path in [
            "/a/b",
            "/a/...",
            "/a/..b",
            "/a/b..c/d",
            "/a/./b",
            "/a//b",
            "/a/b%2fc",
            "/a/b%2Fc%2Fd",
            "/a/b;v=1/c",
            "/a/100%",
            "/a/%zz",
            "/a/%+1",
            "/a/caf%c3%a9",
            "/a/%2541",
            "/a/b%20c",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn the_upstreams_path_goes_before_the_rest_and_stands_alone_as_written() {
        for (base, rest, expected) in [
            ("", "", "/"),
            ("/", "", "/"),
            ("/v1", "", "/v1"),
            ("/v1/", "", "/v1/"),
            ("", "x/y", "/x/y"),
            ("/", "x", "/x"),
            ("/v1", "x", "/v1/x"),
            ("/v1/", "x/", "/v1/x/"),
            ("/v1/", "/x", "/v1//x"),
            ("", "a%2fb", "/a%2fb"),
        ] {
            assert_eq!(join(base, rest).unwrap(), expected, "{base} {rest}");
        }
        assert_eq!(join("", "/evil.example/"), Err(Unsafe::Slashes));
        assert_eq!(join("/", "/evil.example/"), Err(Unsafe::Slashes));
    }
}
