//! Tells people of new questions: a POST to a webhook that they name, in the shape that Slack takes.

use super::{
    metrics::Metrics,
    post::{self, PostError},
};
use crate::telemetry;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};

/// Notices that wait for a receiver that does not answer; more are dropped, for the objects hold the record.
const WAITING: usize = 256;
/// Pauses between the tries of one notice.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(25),
    Duration::from_secs(125),
];
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest text.
const LONGEST: usize = 2000;

/// A notice was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// The file with the URL.
    #[error("read the webhook's URL from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What stands in it; the URL is a secret and is not repeated.
    #[error("the webhook's URL is not one of http or https with a host")]
    Url,
    /// It was not sent.
    #[error("send to the webhook")]
    Post(#[source] PostError),
    /// No answer in time.
    #[error("the webhook did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// Another answer than expected.
    #[error("the webhook answered {0}")]
    Refused(http::StatusCode),
}

/// Takes notices; clones share one queue.
#[derive(Clone, Debug)]
pub struct Teller {
    queue: mpsc::Sender<String>,
    metrics: Arc<Metrics>,
}

impl Teller {
    /// Sends to the URL in `file`, which is read for each notice; to be called inside a runtime.
    pub fn start(file: PathBuf, metrics: Arc<Metrics>) -> Self {
        let (queue, mut notices) = mpsc::channel::<String>(WAITING);
        let counts = metrics.clone();
        tokio::spawn(async move {
            while let Some(text) = notices.recv().await {
                deliver(&file, &text, &counts).await;
            }
        });
        Self { queue, metrics }
    }

    /// Queues one notice; never waits.
    pub fn tell(&self, text: &str) {
        if self.queue.try_send(slack(text)).is_err() {
            self.metrics.noticed("dropped");
            tracing::warn!("a notice was dropped: too many wait for the webhook");
        }
    }
}

async fn deliver(file: &PathBuf, body: &str, metrics: &Metrics) {
    let mut pauses = PAUSES.iter();
    loop {
        let sent = tokio::time::timeout(PATIENCE, post(file, body)).await;
        match sent.unwrap_or(Err(TellError::Late)) {
            Ok(()) => return metrics.noticed("sent"),
            Err(error) => {
                let Some(pause) = pauses.next() else {
                    tracing::warn!(error = %telemetry::chain(&error), "a notice was not taken; giving it up");
                    return metrics.noticed("failed");
                };
                tracing::info!(error = %telemetry::chain(&error), "a notice was not taken; trying again");
                sleep(*pause).await;
            }
        }
    }
}

async fn post(file: &PathBuf, body: &str) -> Result<(), TellError> {
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|source| TellError::File {
            path: file.clone(),
            source,
        })?;
    let uri: Uri = text.trim().parse().map_err(|_| TellError::Url)?;
    let request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .map_err(|_| TellError::Url)?;
    // Nobody reads the body.
    let status = post::post(request).await.map_err(TellError::Post)?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(TellError::Refused(status))
    }
}

/// Slack's three special characters are escaped, or an agent's hosts could call a whole channel.
fn slack(text: &str) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    serde_json::json!({ "text": text }).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Metrics, Teller, slack};
    use std::{io::Write as _, sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    #[test]
    fn what_slack_would_act_on_is_escaped() {
        assert_eq!(
            slack("a <!channel> & b"),
            r#"{"text":"a &lt;!channel&gt; &amp; b"}"#
        );
    }

    #[tokio::test]
    async fn a_notice_that_was_refused_is_sent_again_and_counted_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "http://{}/hook?key=k", listener.local_addr().unwrap()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let teller = Teller::start(file.path().to_owned(), metrics.clone());
        teller.tell("garden/blue asks for +a.example");
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            assert!(
                request.starts_with("POST /hook?key=k HTTP/1.1"),
                "{request}"
            );
            assert!(request.contains("garden/blue asks for +a.example"));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        for _ in 0..100 {
            let page = metrics.page(true).unwrap();
            if page.contains(r#"bot_bottle_notices_total{outcome="sent"} 1"#) {
                assert!(!page.contains("failed"), "{page}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never counted");
    }

    #[tokio::test]
    async fn a_wrong_url_is_not_repeated_in_the_error() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "ftp://hooks.example/T0/secret").unwrap();
        let error = super::post(&file.path().to_owned(), "{}")
            .await
            .unwrap_err();
        assert!(!crate::telemetry::chain(&error).contains("secret"));
    }
}
