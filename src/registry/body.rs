//! What is sent to a registry: nothing, a few words, or a file as it is read.

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use std::fs::File;
use std::io::{self, Read as _};

const CHUNK: usize = 256 * 1024;

/// A body.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing, and its length.
pub(super) fn empty() -> (Body, u64) {
    words(&[])
}

/// These bytes, and how many.
pub(super) fn words(text: &[u8]) -> (Body, u64) {
    let full = Full::new(Bytes::copy_from_slice(text));
    let body = full.map_err(|never| match never {}).boxed_unsync();
    (body, text.len() as u64)
}

/// The file in pieces. It is read as fast as it is sent, and in between there is nothing else to do.
pub(super) fn from_file(file: File, length: u64) -> Body {
    let pieces = stream::unfold(file.take(length), |mut file| async move {
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Frame::data(Bytes::from(piece))), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}
