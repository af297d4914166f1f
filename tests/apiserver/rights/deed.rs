//! One request, and what came of it.

use crate::support::rest::{Answer, Patch, Requests};
use kube::core::Status;
use serde_json::Value;

/// A request that anybody may send. Those that would change something are dry runs: they go through all checks.
pub struct Deed {
    /// As in the table.
    pub name: &'static str,
    path: String,
    object: String,
    how: How,
    headers: Vec<(&'static str, String)>,
}

enum How {
    Read,
    Connect,
    Create(Value),
    Change(Patch, Value),
    Delete,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let through.
    May,
    /// No role allows it.
    Forbidden,
    /// A policy of the chart refuses it: which one.
    Policy(String),
    /// The kind's own schema has no room for it.
    Schema,
    /// Something else went wrong.
    Unclear,
}

impl Verdict {
    /// As it stands in the table.
    pub fn sign(&self) -> char {
        match self {
            Self::May => '+',
            Self::Forbidden => '-',
            Self::Policy(_) => 'p',
            Self::Schema => 'x',
            Self::Unclear => '?',
        }
    }
}

impl Deed {
    fn new(name: &'static str, path: &str, object: &str, how: How) -> Self {
        Self {
            name,
            path: path.to_owned(),
            object: object.to_owned(),
            how,
            headers: Vec::new(),
        }
    }

    /// Reads `object`, or all of them.
    pub fn read(name: &'static str, path: &str, object: &str) -> Self {
        Self::new(name, path, object, How::Read)
    }

    /// Asks for a connection, by both verbs that open one. There is nothing at its other end: any answer but a refusal
    /// lets it through.
    pub fn connect(name: &'static str, path: &str, object: &str) -> Self {
        Self::new(name, path, object, How::Connect)
    }

    /// Makes `body`.
    pub fn make(name: &'static str, path: &str, body: Value) -> Self {
        Self::new(name, path, "", How::Create(body))
    }

    /// Changes `object`.
    pub fn change(name: &'static str, path: &str, object: &str, body: Value) -> Self {
        Self::new(name, path, object, How::Change(Patch::Merge, body))
    }

    /// The same, where lists are merged by a key.
    pub fn strategic(name: &'static str, path: &str, object: &str, body: Value) -> Self {
        Self::new(name, path, object, How::Change(Patch::Strategic, body))
    }

    /// Deletes `object`, or all of them.
    pub fn delete(name: &'static str, path: &str, object: &str) -> Self {
        Self::new(name, path, object, How::Delete)
    }

    /// Under another name.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// In the name of somebody else; this is the deed, and who does it has an own identity.
    pub fn in_the_name_of(mut self, headers: &[(&'static str, String)]) -> Self {
        headers.clone_into(&mut self.headers);
        self
    }

    /// What becomes of it when `who` tries, and what the API server says.
    pub async fn attempt(&self, who: &Requests) -> (Verdict, String) {
        let who = who.with_headers(&self.headers);
        let dry = |text: &str| {
            let sign = if text.contains('?') { '&' } else { '?' };
            format!("{text}{sign}dryRun=All")
        };
        let answer = match &self.how {
            How::Read => who.get(&self.path, &self.object).await,
            How::Connect => {
                let path = format!("{}/{}", self.path, self.object);
                let posted = who.create(&path, &Value::Null).await;
                let got = who.get(&path, "").await;
                if self.judge(&posted) != self.judge(&got) {
                    return (
                        Verdict::Unclear,
                        format!("{posted:?} by POST, {got:?} by GET"),
                    );
                }
                posted
            }
            How::Create(body) => who.create(&dry(&self.path), body).await,
            How::Change(kind, body) => who.patch(&self.path, &dry(&self.object), *kind, body).await,
            How::Delete if self.object.is_empty() => who.delete(&dry(&self.path), "").await,
            How::Delete => who.delete(&self.path, &dry(&self.object)).await,
        };
        let said = answer.as_ref().err().map(|status| status.message.clone());
        (self.judge(&answer), said.unwrap_or_default())
    }

    fn judge(&self, answer: &Answer) -> Verdict {
        const POLICY: &str = "ValidatingAdmissionPolicy 'bottle-operator-";
        let Err(Status { code, message, .. }) = answer else {
            return Verdict::May;
        };
        if let Some((_, rest)) = message.split_once(POLICY) {
            let policy = rest.split('.').next().unwrap_or_default();
            return Verdict::Policy(policy.to_owned());
        }
        match code {
            403 => Verdict::Forbidden,
            401 => Verdict::Unclear,
            _ if matches!(self.how, How::Connect) => Verdict::May,
            422 => Verdict::Schema,
            _ => Verdict::Unclear,
        }
    }
}
