//! What the operator of this machine was told, from a bottle's record.

use super::{
    honour,
    record::{Record, Runtime},
};
use crate::{
    api::BottleClassSpec,
    plan::settings::{Builds, Settings},
};

/// What this operator was told.
pub fn settings(record: &Record) -> Settings {
    let mut builtin = BottleClassSpec::default();
    if record.runtime != Runtime::Docker {
        builtin.agent.image = Some(honour::HOST_IMAGE.into());
    }
    Settings {
        supervise_image: record
            .supervise_image
            .clone()
            .unwrap_or_else(|| "bot-bottle".into()),
        pull_policy: "Never".into(),
        deny: Vec::new(),
        pipelock: None,
        // An image means nothing to the others.
        builds: (record.runtime == Runtime::Docker).then(|| Builds {
            daemon: true,
            ..Builds::default()
        }),
        runtime: Some(record.runtime.as_str()),
        images: std::collections::BTreeMap::new(),
        builtin,
    }
}
