//! `bottle apply`.

use super::{
    Error,
    backend::Backend,
    manifest::{self, Manifest, Object},
    on_machine::Machine,
    output, progress, shared,
};
use crate::{
    api::Bottle,
    local::{
        self, class, docker, honour,
        identity::Key,
        keeper,
        place::Place,
        record::{Record, Runtime},
        sandbox::Bubblewrap,
        shelf::Outcome,
    },
    plan::{problem::Problem, scope},
    telemetry,
};
use kube::api::ObjectMeta;
use std::{
    env, fs,
    io::Read as _,
    process::{Command, Stdio},
};

/// `bottle apply`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// YAML files with Bottles, BottleClasses and ConfigMaps; - is standard input.
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    machine: OnMachine,
}

/// What only this machine has to be told.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OnMachine {
    /// How the agent is run on this machine. Default: sandbox.
    #[arg(long)]
    pub runtime: Option<Runtime>,
    /// This machine's programs stand for the image that the Bottle names.
    #[arg(long)]
    pub host_programs: bool,
    /// With the runtime docker: the image of the bottle's own containers. Default: bot-bottle/supervise of this version.
    #[arg(long, value_name = "IMAGE", env = "BOTTLE_SUPERVISE_IMAGE")]
    pub supervise_image: Option<String>,
    /// The directory that is the workspace.
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<std::path::PathBuf>,
    /// A further file or directory that the agent may read; repeat it.
    #[arg(long, value_name = "PATH")]
    pub readable: Vec<std::path::PathBuf>,
    /// A host with a fixed address, for tests: HOST=IP[:PORT]; repeat it.
    #[arg(long, value_name = "HOST=IP", hide = true)]
    pub resolve: Vec<String>,
}

/// Applies every object of every file.
pub async fn apply(backend: &Backend, options: &Options) -> Result<(), Error> {
    let mut started = Vec::new();
    for file in &options.files {
        let text = read(file)?;
        let manifests = manifest::read(&text)
            .map_err(|error| Error::Refused(format!("{file}: {}", telemetry::chain(&error))))?;
        if manifests.is_empty() {
            return Err(Error::Refused(format!("{file} holds no object")));
        }
        for manifest in manifests {
            let outcome = match backend {
                Backend::Cluster(cluster) => cluster.apply(&manifest).await?,
                Backend::Machine(machine) => {
                    on_machine(machine, &manifest, &options.machine, &mut started).await?
                }
            };
            let shown = manifest.object.kind().shown(&manifest.name);
            output::line(&format!("{shown} {}", outcome.as_str()))?;
        }
    }
    started.iter().try_for_each(shared::awaits)
}

fn read(file: &str) -> Result<String, Error> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(Error::io("read standard input"))?;
        return Ok(text);
    }
    fs::read_to_string(file).map_err(Error::io(format!("read {file}")))
}

async fn on_machine(
    machine: &Machine,
    manifest: &Manifest,
    flags: &OnMachine,
    started: &mut Vec<Place>,
) -> Result<Outcome, Error> {
    let bottle = match &manifest.object {
        Object::Bottle(bottle) => bottle,
        Object::Class(class) => return shared::store_class(machine, class),
        Object::ConfigMap(map) => return shared::store_config_map(machine, map),
    };
    let key = Key::new(shared::project(machine, &bottle.metadata), &manifest.name);
    let place = machine.state().place(key.map_err(local::Error::from)?);
    let record = record(&place, flags)?;
    check(&record).await?;
    let outcome = store(&place, bottle, &record)?;
    let class = class::of(place.state(), bottle)?;
    if let Err(error) = progress::pull(bottle, class.as_ref(), &record).await {
        // As in a cluster: the Bottle is there, its status says so, and it is tried again.
        output::note(&telemetry::chain(&error));
    }
    start(&place)?;
    started.push(place);
    Ok(outcome)
}

/// What stood there, with what the flags say on top; the runtime must work here.
pub fn record(place: &Place, flags: &OnMachine) -> Result<Record, Error> {
    let mut record = place.record()?;
    if let Some(runtime) = flags.runtime {
        record.runtime = runtime;
    }
    record.host_programs |= flags.host_programs;
    let full = |path: &std::path::PathBuf| {
        fs::canonicalize(path).map_err(Error::io(format!("find {}", path.display())))
    };
    if let Some(workspace) = &flags.workspace {
        record.workspace = Some(full(workspace)?);
    }
    if !flags.readable.is_empty() {
        record.readable = flags.readable.iter().map(full).collect::<Result<_, _>>()?;
    }
    if !flags.resolve.is_empty() {
        record.resolve.clone_from(&flags.resolve);
    }
    match record.runtime {
        Runtime::Sandbox => {
            Bubblewrap::find(env::var_os("PATH").as_deref()).map_err(local::Error::from)?;
        }
        Runtime::Docker => {
            // Kept with the bottle: whoever keeps or removes it later may have another environment.
            record.docker = Some(docker::daemon::find(&hints()).map_err(local::Error::from)?);
            let own = flags.supervise_image.clone().or(record.supervise_image);
            record.supervise_image = Some(own.unwrap_or_else(|| SUPERVISE_IMAGE.into()));
        }
        Runtime::Process => output::note(local::process::WARNING),
    }
    Ok(record)
}

/// The image of this very version.
pub const SUPERVISE_IMAGE: &str = concat!("bot-bottle/supervise:", env!("CARGO_PKG_VERSION"));

/// What the environment says about the daemon.
pub fn hints() -> docker::daemon::Hints {
    docker::daemon::Hints {
        docker_host: env::var_os("DOCKER_HOST").and_then(|host| host.into_string().ok()),
        runtime_directory: env::var_os("XDG_RUNTIME_DIR").map(Into::into),
    }
}

/// What can be said now and not in a log later: whether the daemon is there, and our image at it.
pub async fn check(record: &Record) -> Result<(), Error> {
    if record.runtime != Runtime::Docker {
        return Ok(());
    }
    let checked = async {
        let daemon = docker::daemon::Daemon::of(record).await?;
        daemon.check().await?;
        daemon
            .own_image(record.supervise_image.as_deref().unwrap_or_default())
            .await
    };
    Ok(checked.await.map_err(local::Error::from)?)
}

/// Checks the Bottle and writes it; what came of it.
pub fn store(place: &Place, bottle: &Bottle, record: &Record) -> Result<Outcome, Error> {
    let class = class::of(place.state(), bottle)?;
    honour::bottle(bottle, class.as_ref(), record).map_err(local::Error::from)?;
    match scope::validate(bottle, class.as_ref(), &keeper::settings(record)) {
        // As in a cluster: it may come later, and the Bottle says so until then.
        Ok(_) | Err(Problem::UnknownClass(_)) => {}
        Err(problem) => return Err(Error::Refused(problem.to_string())),
    }
    let locked = place.lock()?;
    locked.put_record(record)?;
    let mut new = bottle.clone();
    new.metadata.namespace = Some(place.key().project.clone());
    let old = place.bottle()?;
    let outcome = match &old {
        None => {
            new.metadata.generation = Some(1);
            new.metadata.uid = None;
            new.metadata.resource_version = None;
            new.status = None;
            Outcome::Created
        }
        Some(old) => {
            let same = old.spec == new.spec && old.metadata.annotations == new.metadata.annotations;
            let metadata = old.metadata.clone();
            new.metadata = ObjectMeta {
                labels: new.metadata.labels.take(),
                annotations: new.metadata.annotations.take(),
                generation: metadata.generation.map(|at| if same { at } else { at + 1 }),
                ..metadata
            };
            new.status.clone_from(&old.status);
            if same {
                Outcome::Unchanged
            } else {
                Outcome::Configured
            }
        }
    };
    if outcome != Outcome::Unchanged {
        locked.put_bottle(new)?;
    }
    Ok(outcome)
}

/// Has a keeper of its own run the bottle, which outlives this program; nothing when one runs it already.
pub fn start(place: &Place) -> Result<(), Error> {
    if place.kept() {
        return Ok(());
    }
    let program = env::current_exe().map_err(Error::io("find our own program"))?;
    let path = place.path("log/keeper");
    let log = fs::OpenOptions::new().create(true).append(true).open(&path);
    let log = log.map_err(Error::io(format!("write {}", path.display())))?;
    let key = place.key();
    let mut command = Command::new(program);
    command
        .args(["local", "keep", "--state"])
        .arg(place.state().root())
        .args(["--project", &key.project, "--bottle", &key.name])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
        .spawn()
        .map(drop)
        .map_err(Error::io("start the bottle"))
}
