//! Events, as `kubectl describe` shows them.

use crate::{names, proposal::notice::Notice};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Publishes notices; a failure is logged, never fatal: the record is in the objects.
pub struct Notifier {
    recorder: Recorder,
}

impl Notifier {
    /// Events are reported by `instance`.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: names::REPORTER.into(),
            instance,
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// One Event about `about`, with `related` as the second object.
    pub async fn publish(
        &self,
        about: &ObjectReference,
        related: Option<&ObjectReference>,
        notice: &Notice,
    ) {
        let event = Event {
            type_: if notice.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.into(),
            note: Some(notice.note.chars().take(1000).collect()),
            action: notice.reason.into(),
            secondary: related.cloned(),
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(reason = notice.reason, error = %crate::telemetry::chain(&error), "an Event was lost");
        }
    }
}
