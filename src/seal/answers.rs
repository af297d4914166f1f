//! What a person has answered to questions of an earlier run, for the first words of this one.

use crate::config::seal::{Instructions, Sidecar};
use crate::names::{container, mcp::ANSWERS};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The agent doesn't wait for longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most that is read; an argument of a program has less than 128 KiB.
const MOST: u64 = 64 * 1024;

/// What an agent that goes on must know in any case.
const ANEW: &str = "Your program was started anew, and this conversation goes on. A call to the server supervise that \
                    waited for a person has ended with it: make the same call again, with the same arguments, and what \
                    was decided meanwhile is answered at once.";

/// The resume command, its prompt after what has happened. Best effort: the answers wait for the agent in any case.
pub(super) fn into_prompt(instructions: &Instructions) -> Vec<String> {
    let mut command = instructions.resume.clone();
    let mut sidecars = instructions.sidecars.iter();
    let server = sidecars.find(|sidecar| sidecar.name == container::SUPERVISE);
    if let (Some(server), Some(prompt)) = (server, &instructions.prompt) {
        let answers = ask(server).unwrap_or_default();
        add(&mut command, prompt, &answers);
    }
    command
}

fn add(command: &mut [String], prompt: &str, answers: &str) {
    if let Some(word) = command.iter_mut().rfind(|word| *word == prompt) {
        let told = if answers.is_empty() { "" } else { "\n\n" };
        *word = format!("{ANEW}{told}{answers}\n\n{prompt}");
    }
}

fn ask(server: &Sidecar) -> io::Result<String> {
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": ANSWERS}})
            .to_string();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        server.port,
        body.len()
    )?;
    let mut said = Vec::new();
    stream.take(MOST).read_to_end(&mut said)?;
    Ok(text(&said).unwrap_or_default())
}

/// The resource's text in an HTTP answer that ends with its connection.
fn text(said: &[u8]) -> Option<String> {
    let said = std::str::from_utf8(said).ok()?;
    let (head, body) = said.split_once("\r\n\r\n")?;
    if !head.lines().next()?.contains(" 200") {
        return None;
    }
    let answer: Value = serde_json::from_str(body).ok()?;
    let text = answer.pointer("/result/contents/0/text")?.as_str()?;
    // A program's argument has no NUL.
    Some(text.replace('\0', " ").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_alone_is_preceded_by_what_happened() {
        let words = |prompt: &str| {
            ["agent", "go", "--continue", prompt]
                .map(str::to_owned)
                .to_vec()
        };
        let mut command = words("go");
        add(&mut command, "go", "status: approved");
        assert_eq!(command[1], "go");
        assert_eq!(command[3], format!("{ANEW}\n\nstatus: approved\n\ngo"));
        let mut command = words("go");
        add(&mut command, "go", "");
        assert_eq!(command[3], format!("{ANEW}\n\ngo"));
        let mut command = words("stay");
        add(&mut command, "other", "status: approved");
        assert_eq!(command, words("stay"));
    }

    #[test]
    fn only_a_whole_answer_with_the_resource_is_read() {
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"x","text":" status: a\u0000b \n"}]}}"#;
        let answer = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\nA: b\r\n\r\n{body}").into_bytes()
        };
        assert_eq!(
            text(&answer("200 OK", body)).as_deref(),
            Some("status: a b")
        );
        assert_eq!(text(&answer("503 No", body)), None);
        assert_eq!(text(&answer("200 OK", &body[..40])), None);
        assert_eq!(
            text(&answer("200 OK", r#"{"error":{"code":-32002}}"#)),
            None
        );
        assert_eq!(text(b""), None);
    }
}
