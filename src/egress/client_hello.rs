//! PURE: the server name in a TLS `ClientHello`, from the first bytes that a client sends.
//!
//! Strict on purpose. What another parser could read in another way (a second name, a repeated extension, a record
//! of another kind in between) is [`Hello::Malformed`], because what we check must be what the server sees.

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

/// Reads the first bytes of a connection; [`Scan`] for bytes that are still coming.
pub fn read(bytes: &[u8]) -> Hello {
    Scan::default().read(bytes)
}

/// Reads the first bytes of a connection as they come. Each byte is looked at once, however few come at a time.
#[derive(Debug, Default)]
pub struct Scan {
    /// The handshake bytes of the records so far, the last one perhaps in part.
    joined: Vec<u8>,
    /// How many bytes were read.
    at: usize,
    /// What is still to come of the record that was begun.
    left: usize,
}

impl Scan {
    /// `bytes`: all of them since the connection began; call it again with more after [`Hello::Incomplete`].
    pub fn read(&mut self, bytes: &[u8]) -> Hello {
        // Content type handshake, and the major version that all of TLS has on its records.
        match bytes {
            [] | [0x16] => return Hello::Incomplete,
            [0x16, 0x03, ..] => {}
            _ => return Hello::NotTls,
        }
        let seen = &bytes[..bytes.len().min(MAX_HELLO)];
        // A complete message needs no look at what follows: early data are records of another kind.
        while self.message().is_none() {
            match self.step(seen.get(self.at..).unwrap_or_default()) {
                Ok(()) => {}
                Err(Hello::Incomplete) if bytes.len() >= MAX_HELLO => return Hello::Malformed,
                Err(hello) => return hello,
            }
        }
        match self.message() {
            // The record, too, must end here: what comes later in it would be a second message.
            Some((message, [])) if self.left == 0 => {
                server_name(message).map_or(Hello::Malformed, Hello::Complete)
            }
            _ => Hello::Malformed,
        }
    }

    fn message(&self) -> Option<(&[u8], &[u8])> {
        Reader(&self.joined).message()
    }

    /// Reads a record's header, or what is there of its content.
    fn step(&mut self, rest: &[u8]) -> Result<(), Hello> {
        if self.left == 0 {
            let is_other = |at: usize, byte: u8| rest.get(at).is_some_and(|found| *found != byte);
            if is_other(0, 0x16) || is_other(1, 0x03) {
                return Err(Hello::Malformed);
            }
            let header = rest.get(..5).ok_or(Hello::Incomplete)?;
            self.at += 5;
            self.left = usize::from(u16::from_be_bytes([header[3], header[4]]));
            return if self.left == 0 {
                Err(Hello::Malformed)
            } else {
                Ok(())
            };
        }
        let taken = &rest[..rest.len().min(self.left)];
        self.joined.extend_from_slice(taken);
        self.at += taken.len();
        self.left -= taken.len();
        match self.joined.first() {
            Some(&CLIENT_HELLO) if taken.is_empty() => Err(Hello::Incomplete),
            Some(&CLIENT_HELLO) => Ok(()),
            Some(_) => Err(Hello::Malformed),
            None => Err(Hello::Incomplete),
        }
    }
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
mod tests;
