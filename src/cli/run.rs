//! `bottle run`: an agent, with this directory, in a bottle of this machine.

mod bottle;
mod directory;
mod model;

use super::{Error, Where, apply, on_machine::Machine, output, progress, terminal};
use crate::local::{
    self, honour::HOST_IMAGE, keeper, place::Place, record::Runtime, runner::Attach,
};
use directory::Directory;
use model::Access;
use nix::sys::signal::Signal;
use std::{env, future::pending};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

/// `bottle run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the bottle; default: the program's, and a number.
    #[arg(long)]
    name: Option<String>,
    /// A host that the agent may reach from the start; repeat it.
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,
    /// Give the agent a clone of this repository instead of the directory itself.
    #[arg(long)]
    clone: bool,
    /// Take over what the agent changed in git's config, without asking.
    #[arg(long)]
    yes: bool,
    /// How the agent is run.
    #[arg(long)]
    runtime: Option<Runtime>,
    /// With the runtime docker: the image that the program is in.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// With the runtime docker: the image of the bottle's own containers. Default: bot-bottle/supervise of this version.
    #[arg(long, value_name = "IMAGE", env = "BOTTLE_SUPERVISE_IMAGE")]
    supervise_image: Option<String>,
    /// A further file or directory that the agent may read; repeat it.
    #[arg(long, value_name = "PATH")]
    readable: Vec<std::path::PathBuf>,
    /// A host with a fixed address, for tests: HOST=IP[:PORT]; repeat it.
    #[arg(long, value_name = "HOST=IP", hide = true)]
    resolve: Vec<String>,
    /// An internal range that the proxy may reach, such as 10.1.0.0/16; repeat it.
    #[arg(long, value_name = "CIDR")]
    allow_internal: Vec<String>,
    #[command(flatten)]
    model: model::Flags,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs it; the agent's exit code.
pub async fn run(flags: &Where, options: Options) -> Result<u8, Error> {
    let machine = Machine::open(flags)?;
    let name = options
        .name
        .clone()
        .unwrap_or_else(|| bottle::name(&options.command));
    let place = machine.place(&name)?;
    if place.kept() || place.bottle()?.is_some() {
        return Err(Error::Refused(format!(
            "there is a bottle {name} already: choose another --name, or `bottle delete {name} --local`"
        )));
    }
    let in_image = options.runtime == Some(Runtime::Docker);
    let image = match (&options.image, in_image) {
        (Some(image), true) => image.as_str(),
        (None, false) => HOST_IMAGE,
        (None, true) => {
            return Err(Error::Usage(
                "--runtime docker needs --image IMAGE: the image that the program is in".into(),
            ));
        }
        (Some(_), false) => {
            return Err(Error::Usage("--image goes with --runtime docker".into()));
        }
    };
    let access = options
        .model
        .access(bottle::kind(options.command[0].as_ref()))?;
    let directory = Directory::prepare(&place, options.clone, &machine)?;
    let (program, readable) = if in_image {
        (options.command[0].clone().into(), Vec::new())
    } else {
        let program = bottle::program(&options.command)?;
        let readable = bottle::readable(&program);
        (program, readable)
    };
    let on_machine = apply::OnMachine {
        runtime: options.runtime,
        workspace: Some(directory.path.clone()),
        readable: options.readable.iter().cloned().chain(readable).collect(),
        supervise_image: options.supervise_image.clone(),
        resolve: options.resolve.clone(),
        ..apply::OnMachine::default()
    };
    let mut record = apply::record(&place, &on_machine)?;
    record.protected = true;
    apply::check(&record).await?;
    // Without mounts, directories are where they are.
    let at = match record.runtime {
        Runtime::Sandbox | Runtime::Docker => &directory.at,
        Runtime::Process => &directory.path,
    };
    let request = bottle::Request {
        name: &name,
        program: &program,
        arguments: &options.command[1..],
        image,
        user: in_image.then(|| bottle::owner(&directory.path)).flatten(),
        at,
        allow: &options.allow,
        allow_internal: &options.allow_internal,
        access: access.as_ref(),
    };
    let bottle = bottle::render(&request);
    progress::pull(&bottle, None, &record).await?;
    apply::store(&place, &bottle, &record)?;
    output::note(&format!(
        "bottle {name}: see what it asks for with `bottle proposals --local -n {} --watch`",
        machine.project()
    ));
    let stored = access.as_ref().map_or(Ok(()), |one| one.store(&place));
    let kept = match stored {
        Ok(()) => keep(&place).await,
        Err(error) => Err(error),
    };
    let forgotten = access.map_or(Ok(()), |_| Access::forget(&place));
    let code = code(&place);
    // Whatever happened, nothing of it stays but what the person has to see.
    let finished = directory.finish(&place, options.yes);
    place.lock()?.remove_bottle()?;
    keeper::end(&place).await?;
    kept?;
    forgotten?;
    finished?;
    Ok(code)
}

/// Runs the bottle in this process, with the person's terminal if there is one.
async fn keep(place: &Place) -> Result<(), Error> {
    let (terminals, mut given) = mpsc::unbounded_channel();
    let (signals, received) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let attach = if terminal::is_there() {
        Attach::Terminal
    } else {
        Attach::Inherit
    };
    let options = keeper::Options {
        attach,
        search: env::var_os("PATH"),
        once: true,
        terminals: Some(terminals),
        signals: Some(received),
    };
    let mut stop = Some(stop);
    let listen = |kind| signal(kind).map_err(Error::io("receive signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut resized = listen(SignalKind::window_change())?;
    let mut joined = None;
    let mut kept = std::pin::pin!(keeper::keep(place, options, async {
        // Dropped without a word means that nobody will ask: then it ends with the agent.
        if stopped.await.is_err() {
            pending::<()>().await;
        }
    }));
    let ended = loop {
        tokio::select! {
            ended = &mut kept => break ended,
            Some(agents) = given.recv() => {
                joined = Some(terminal::Joined::new(agents).map_err(Error::io("use the terminal"))?);
            }
            _ = resized.recv() => if let Some(joined) = &joined { joined.resize() },
            // What the agent makes of it is its own matter; from a terminal it comes as a key.
            _ = interrupt.recv() => { let _ = signals.send(Signal::SIGINT); }
            _ = terminate.recv() => { stop.take().map(|stop| stop.send(())); }
            _ = hangup.recv() => { stop.take().map(|stop| stop.send(())); }
        }
    };
    if let Some(joined) = joined {
        joined.finish();
    }
    ended.map_err(Error::from)
}

/// The agent's own exit code, which `seal` leaves in its last word.
fn code(place: &Place) -> u8 {
    let word = std::fs::read_to_string(place.path("run/last-word")).unwrap_or_default();
    if word.trim().is_empty() {
        return 0;
    }
    let code = serde_json::from_str::<serde_json::Value>(&word)
        .ok()
        .and_then(|word| word["exitCode"].as_u64());
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

impl From<local::workspace::Unfit> for Error {
    fn from(unfit: local::workspace::Unfit) -> Self {
        Self::Refused(unfit.to_string())
    }
}
