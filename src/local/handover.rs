//! Passing open files over a Unix socket: listening sockets come out of the sandbox, standard input goes in.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most files in one message.
const MOST: usize = 8;

/// Sends the files, at most [`MOST`], with one byte that says how many.
pub fn send(socket: impl AsFd, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let count = u8::try_from(files.len())
        .ok()
        .filter(|count| usize::from(*count) <= MOST);
    let count = [count.ok_or(io::ErrorKind::InvalidInput)?];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(
        socket,
        &[IoSlice::new(&count)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// The files of one message, in order. Each is closed when a program is executed.
pub fn receive(socket: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut count = [0; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut count)];
    let received = recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let files: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    if files.len() == usize::from(count[0]) {
        Ok(files)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn files_arrive_in_their_order_and_work() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        send(&one, &[null.as_fd(), writer.as_fd()]).unwrap();
        let mut files = receive(&other).unwrap();
        assert_eq!(files.len(), 2);
        drop(writer);
        let mut sent = std::fs::File::from(files.pop().unwrap());
        sent.write_all(b"hello").unwrap();
        drop(sent);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn nothing_is_a_message_too_and_the_end_is_an_error() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, &[]).unwrap();
        assert_eq!(receive(&other).unwrap().len(), 0);
        drop(one);
        assert!(receive(&other).is_err());
    }
}
