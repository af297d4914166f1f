//! Our DNS client against a server of the test.

use bot_bottle::egress::{Dns, Fixed, LookupError, Resolve};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// Knows `_a.example`, at 192.0.2.7; everything else doesn't exist. Keeps the questions.
async fn server() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let (name, end) = question(&buffer[..length]);
            let kind = buffer[end - 3];
            let known = name == "_a.example";
            let address = known && kind == 1;
            // Answer, recursion desired and available; "no such name" where it applies.
            let mut answer = vec![buffer[0], buffer[1], 0x81, if known { 0x80 } else { 0x83 }];
            answer.extend([0, 1, 0, u8::from(address), 0, 0, 0, 0]);
            answer.extend_from_slice(&buffer[12..end]);
            if address {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            }
            kept.lock().unwrap().push(name);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (address, asked)
}

/// The question's name, and where it ends.
fn question(packet: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..end]).into_owned());
        at = end;
    }
    (labels.join("."), at + 5)
}

#[tokio::test]
async fn names_are_asked_for_as_they_are_and_static_answers_ask_nobody() {
    let (address, asked) = server().await;
    let fixed = Fixed {
        ip: "192.0.2.8".parse().unwrap(),
        port: None,
    };
    let answers = [("fixed.example".to_owned(), fixed)];
    let dns = Dns::new(&[address], answers).unwrap();
    let found = dns.addresses("_a.example", 443).await;
    assert_eq!(found, Ok(vec!["192.0.2.7:443".parse().unwrap()]));
    let fixed = dns.addresses("fixed.example", 80).await;
    assert_eq!(fixed, Ok(vec!["192.0.2.8:80".parse().unwrap()]));
    assert_eq!(
        dns.addresses("none.example", 443).await,
        Err(LookupError::Failed)
    );
    let mut names = asked.lock().unwrap().clone();
    names.sort();
    names.dedup();
    assert_eq!(names, ["_a.example", "none.example"]);
}
