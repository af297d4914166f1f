//! The agent's part of the story, told from inside the bottle.

use super::agent::Agent;
use super::screen::Screen;
use super::stage::{GO, SUPERVISE_URL, WEB};
use super::{DECLARED, Error, OTHER, WANTED, WHY};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// For one attempt to go around the wall.
const ATTEMPT: Duration = Duration::from_secs(1);
/// An address that is nobody's, out there.
const OUT_THERE: &str = "192.0.2.1:443";

/// Runs the script.
pub async fn main() -> ExitCode {
    let mut screen = Screen::default();
    match script(&mut screen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", crate::telemetry::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn script(screen: &mut Screen) -> Result<(), Error> {
    let agent = Agent {
        supervise: port(SUPERVISE_URL)?,
        egress: port("http_proxy")?,
    };
    let say = |screen: &mut Screen, text: &str| screen.line(text).map_err(Error::Terminal);

    say(
        screen,
        "\n1. The agent needs a page, and egress refuses its host.",
    )?;
    let url = format!("http://{WANTED}/guide");
    let refusal = agent.get(&url).await?;
    screen.exchange(&url, &refusal).map_err(Error::Terminal)?;
    refusal.expect(403, "a refusal of a host that is not on the allowlist")?;

    say(
        screen,
        "\n2. It calls the tool that the refusal names, and waits.",
    )?;
    let tools = agent.connect().await?;
    say(screen, &format!("   supervise offers {}", tools.join(", ")))?;
    let began = Instant::now();
    let answer = agent.propose(format!("{DECLARED}{WANTED}\n"), WHY).await?;
    let took = began.elapsed().as_secs_f32();
    // The person's side has something to say first.
    while !Path::new(GO).exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    say(
        screen,
        &format!("\n5. The agent's call returns, after {took:.2} s:"),
    )?;
    screen.quote(&answer).map_err(Error::Terminal)?;
    let page = agent.get(&url).await?;
    screen.exchange(&url, &page).map_err(Error::Terminal)?;
    if answer.starts_with("status: approved") {
        page.expect(200, "the page, now that its host is open")?;
    }

    say(screen, "\n6. A second host stays closed.")?;
    let other = format!("http://{OTHER}/upload");
    let closed = agent.get(&other).await?;
    screen.exchange(&other, &closed).map_err(Error::Terminal)?;
    if !answer.starts_with("status: modified") {
        closed.expect(403, "a refusal of the second host")?;
    }

    say(screen, "\n7. So it tries to go around the proxy.")?;
    let web = variable(WEB)?;
    for (what, address) in [
        ("this machine's own", web.as_str()),
        ("the internet", OUT_THERE),
    ] {
        say(
            screen,
            &format!("   connect to {address} ({what}): {}", attempt(address)),
        )?;
    }
    Ok(())
}

/// What becomes of a direct connection.
fn attempt(address: &str) -> String {
    let Ok(address) = address.parse::<SocketAddr>() else {
        return "no address".into();
    };
    match TcpStream::connect_timeout(&address, ATTEMPT) {
        Ok(_) => "REACHED".into(),
        Err(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "refused".into(),
            std::io::ErrorKind::NetworkUnreachable => "unreachable".into(),
            _ => "no answer".into(),
        },
    }
}

fn variable(name: &str) -> Result<String, Error> {
    let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
    value.ok_or_else(|| Error::Unexpected {
        expected: "the environment of a demo's agent",
        got: format!("no {name}"),
    })
}

/// The port in a URL of a sidecar; its host is this machine, by whatever name.
fn port(name: &str) -> Result<u16, Error> {
    let url = variable(name)?;
    let port = url.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
    port.ok_or(Error::Unexpected {
        expected: "a URL with a port",
        got: url,
    })
}
