//! What happened to the agent's settings, told to the bottle's own MCP server, which tells the Bottle's status.

use crate::config::remarks::Remark;
use crate::config::seal::Sidecar;
use crate::names::{container, mcp::REMARKS};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The agent doesn't wait for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells all of it, nothing too: what was said at an earlier start is over. Best effort, for the log has it as well;
/// without that sidecar there is nobody to tell.
pub(super) fn tell(remarks: &[Remark], sidecars: &[Sidecar]) {
    let server = sidecars
        .iter()
        .find(|sidecar| sidecar.name == container::SUPERVISE);
    if let Some(server) = server
        && let Err(error) = send(remarks, server.port)
    {
        super::say(format_args!(
            "could not tell {} about the settings: {error}",
            server.name
        ));
    }
}

fn send(remarks: &[Remark], port: u16) -> io::Result<()> {
    let lines: Vec<String> = remarks.iter().map(Remark::to_string).collect();
    let body = json!({"jsonrpc": "2.0", "method": REMARKS, "params": {"lines": lines}}).to_string();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    if status.ends_with(b" 202") {
        Ok(())
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&status).into_owned(),
        ))
    }
}
