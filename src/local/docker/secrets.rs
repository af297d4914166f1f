//! The Secrets that a bottle declares, where its containers read them: delivered as a kubelet does, and again when
//! they change.

use crate::{
    api::Bottle,
    local::{Error, mount, place::Place},
    plan::volumes,
};
use std::{collections::BTreeMap, fs, io::ErrorKind, time::Duration};

/// Between two looks; a rotation is nothing that anybody waits for.
const LOOK: Duration = Duration::from_secs(2);

/// Brings both directories to what the files hold now.
pub(super) fn deliver(place: &Place, bottle: &Bottle) -> Result<(), Error> {
    let mut values = BTreeMap::new();
    for (name, secret) in &bottle.spec.secrets {
        let project = &place.key().project;
        let path = place
            .state()
            .secret(project, &secret.secret_name, &secret.key);
        match fs::read_to_string(&path) {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("read", &path)(error)),
        }
    }
    // The plan mounts the second one into `prepare` only when the agent's settings name a secret.
    for volume in [volumes::SECRETS, volumes::SETTINGS_SECRETS] {
        mount::swap(&place.path("run/volumes").join(volume), &values)?;
    }
    Ok(())
}

/// Follows rotations until it is dropped.
pub(super) async fn follow(place: Place) {
    loop {
        tokio::time::sleep(LOOK).await;
        let delivered = match place.bottle() {
            Ok(Some(bottle)) if !bottle.spec.secrets.is_empty() => deliver(&place, &bottle),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = delivered {
            tracing::warn!(
                error = crate::telemetry::chain(&error),
                "Secrets stay as they were"
            );
        }
    }
}
