//! Long work, told while it goes on: by a bar where a terminal shows it, else by a line now and then.

use super::{Error, output};
use crate::{
    api::{Bottle, BottleClass},
    local::{
        self,
        docker::daemon::{Daemon, Part},
        record::{Record, Runtime},
    },
    plan::overlay,
};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Between two lines, where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);
/// In 80 columns, with the name of an image before it.
const LINE: &str = "{msg} [{bar:16}] {bytes}/{total_bytes}";
/// Letters of what is done that stand before the bar.
const WORDS: usize = 36;

/// Something that takes long.
struct Progress {
    what: String,
    bar: ProgressBar,
    parts: BTreeMap<String, Part>,
    next: Instant,
}

impl Progress {
    fn begin(what: String) -> Self {
        let style = ProgressStyle::with_template(LINE);
        let bar = ProgressBar::no_length()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(end_of(&what, WORDS));
        if bar.is_hidden() {
            output::note(&what);
        }
        Self {
            what,
            bar,
            parts: BTreeMap::new(),
            next: Instant::now() + PAUSE,
        }
    }

    fn part(&mut self, part: Part) {
        self.parts.insert(part.name.clone(), part);
        let sum = |bytes: fn(&Part) -> u64| self.parts.values().map(bytes).sum();
        let (done, all): (u64, u64) = (sum(|part| part.done), sum(|part| part.all));
        self.bar.set_length(all);
        self.bar.set_position(done);
        if self.bar.is_hidden() && Instant::now() >= self.next {
            self.next = Instant::now() + PAUSE;
            let (what, done, all) = (&self.what, BinaryBytes(done), BinaryBytes(all));
            output::note(&format!("{what}: {done} of {all}"));
        }
    }
}

/// The end of a name says more than its beginning.
fn end_of(text: &str, most: usize) -> String {
    let letters = text.chars().count();
    match letters.checked_sub(most) {
        None | Some(0) => text.to_owned(),
        Some(over) => {
            let end: String = text.chars().skip(over + 1).collect();
            format!("…{end}")
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Has the daemon pull the agent's image while a person looks on: a keeper would do it without a word.
pub async fn pull(
    bottle: &Bottle,
    class: Option<&BottleClass>,
    record: &Record,
) -> Result<(), Error> {
    let image = overlay::together(&bottle.spec, class).agent.image;
    let Some(image) = image.filter(|_| record.runtime == Runtime::Docker) else {
        return Ok(());
    };
    let pulled = async {
        let daemon = Daemon::of(record).await?;
        if daemon.has(&image).await? {
            return Ok(());
        }
        let mut progress = Progress::begin(format!("pulling image {image}"));
        daemon.pull(&image, |part| progress.part(part)).await
    };
    Ok(pulled.await.map_err(local::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(end_of("agent:1", 7), "agent:1");
        assert_eq!(end_of("registry/agent:1", 8), "…agent:1");
    }
}
