//! A blocked call over an event stream: headers at once, a sign of life until there is an answer.

use super::State;
use super::call::Waiting;
use super::connections::Stays;
use super::http::Body;
use super::rpc::{self, Request};
use super::store::Store;
use bytes::Bytes;
use futures::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Events that may wait for a slow client. It reads one at a time; while it doesn't, signs of life are left out.
const BUFFERED: usize = 2;

/// An answer that is there already, for a client that reads streams only.
pub fn single(message: &str) -> Response<Body> {
    with_headers(Full::new(event(message)).boxed_unsync())
}

/// Starts the stream; its task ends with the answer or with the client.
pub fn start<S: Store>(
    state: &Arc<State<S>>,
    request: &Request,
    waiting: Waiting,
    stays: Option<Stays>,
) -> Response<Body> {
    let (sender, receiver) = mpsc::channel::<Bytes>(BUFFERED);
    let call = Call {
        stays,
        id: request.id.clone(),
        token: request.progress_token(),
        sender,
    };
    let task = Arc::clone(state);
    state
        .tasks
        .spawn(async move { call.run(task, waiting).await });
    let events = unfold(receiver, |mut receiver| async {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    with_headers(StreamBody::new(events).boxed_unsync())
}

struct Call {
    id: Box<RawValue>,
    token: Option<Box<RawValue>>,
    sender: mpsc::Sender<Bytes>,
    stays: Option<Stays>,
}

impl Call {
    async fn run<S: Store>(self, state: Arc<State<S>>, mut waiting: Waiting) {
        let began = Instant::now();
        let mut beats = interval(state.waits.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0;
        let name = Arc::clone(&waiting.name);
        let ended = {
            let wait = state.desk.wait(&mut waiting);
            // Only real progress resets a client's clock; without a token it ends before the client gives up.
            let patience = sleep(state.waits.stream);
            tokio::pin!(wait, patience);
            loop {
                tokio::select! {
                    ended = &mut wait => break Some(ended),
                    () = self.sender.closed() => return,
                    () = state.stopping.cancelled() => break None,
                    () = &mut patience, if self.token.is_none() => break None,
                    _ = beats.tick() => {
                        count += 1;
                        let minutes = began.elapsed().as_secs() / 60;
                        let words = {
                            let name = name.lock().expect("nothing panics while it holds the name");
                            format!("waiting for a decision on {name}, {minutes} min")
                        };
                        // A full buffer means that the client hasn't read the last one yet.
                        let _ = self.sender.try_send(self.beat(count, &words));
                    }
                }
            }
        };
        let (outcome, closes) = match ended {
            Some(ended) => (ended.outcome, ended.closes),
            None => (Ok(state.desk.pending(waiting)), None),
        };
        let message = rpc::response(Some(&self.id), &outcome);
        if self.sender.send(event(&message)).await.is_err() {
            // The client is gone: its question stays open, and the next call is answered.
            return;
        }
        drop((self.sender, self.stays));
        if let Some((name, asked)) = closes {
            state.desk.close(&name, asked).await;
        }
    }

    fn beat(&self, count: u64, words: &str) -> Bytes {
        match &self.token {
            Some(token) => event(&rpc::progress(token, count, words)),
            None => Bytes::from(format!(": {words}\n\n")),
        }
    }
}

/// One message. An id is echoed as it was written, line ends included, so a message may have several lines.
fn event(message: &str) -> Bytes {
    let mut text = String::with_capacity(message.len() + 32);
    text.push_str("event: message\n");
    for line in message.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

fn with_headers(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_line_ends_stays_one_event() {
        assert_eq!(
            event("{\"id\": [1,\n2]}"),
            "event: message\ndata: {\"id\": [1,\ndata: 2]}\n\n"
        );
        assert_eq!(
            event("a\r\nb"),
            "event: message\ndata: a\ndata: \ndata: b\n\n"
        );
    }
}
