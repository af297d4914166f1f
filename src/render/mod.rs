//! SHELL: `bottle render`: the files that a bottle's agent would get, shown, written, or compared with a home.

mod show;

use crate::agents::{self, Place, RenderError, Rendered};
use crate::api::{AgentKind, Bottle, BottleClass, BottleClassSpec};
use crate::names::{mcp, path};
use crate::plan::overlay;
use crate::seal::home::Home;
use crate::seal::settings::{self, SettingsError};
use crate::telemetry::chain;
use crate::yaml;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `bottle render`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The Bottle, as YAML
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Its BottleClass, as YAML
    #[arg(long, value_name = "FILE")]
    pub class: Option<PathBuf>,
    /// Another kind of agent than the Bottle's
    #[arg(long, value_parser = kind)]
    pub kind: Option<AgentKind>,
    /// Merge into the files of this home; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Write each file below this directory, the agent's home, instead of showing it
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only compare with --home: name what differs, and fail if anything does
    #[arg(long, requires = "home", conflicts_with = "out")]
    pub check: bool,
    /// Where the bottle's own server is served, for trying an agent program outside a bottle
    #[arg(long, hide = true, value_name = "URL", default_value = mcp::URL)]
    pub supervise_url: String,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("could not read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path} is no {what}")]
    Parse {
        /// Which.
        path: String,
        /// `Bottle` or `BottleClass`.
        what: &'static str,
        /// Why.
        source: yaml::Error,
    },
    /// The class isn't given.
    #[error("the Bottle names the class {0}: give its file with --class")]
    NoClass(String),
    /// The settings can't be rendered.
    #[error("the settings can't be rendered")]
    Render(#[source] RenderError),
    /// A directory can't be used as a home.
    #[error("could not open the directory {path}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the home can't be read or written.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Runs the command to its end.
pub fn main(options: &Options) -> ExitCode {
    match run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(error = chain(&error), "Nothing is rendered");
            ExitCode::FAILURE
        }
    }
}

/// False when `--check` found a difference.
fn run(options: &Options) -> Result<bool, Error> {
    let out = options.out.as_deref().map(create).transpose()?;
    let home = options.home.as_deref().map(open).transpose()?;
    let place = out.as_ref().or(home.as_ref());
    let place = place.map_or_else(
        || path::HOME.to_owned(),
        |home| home.root().display().to_string(),
    );
    let rendered = rendered(options, &place)?;
    let files = settings::preview(home.as_ref(), &rendered.fragments)?;
    if options.check {
        return Ok(show::differences(&files));
    }
    if let Some(out) = &out {
        for file in &files {
            settings::put(out, file)?;
        }
    }
    show::everything(&rendered, &files, out.is_some());
    Ok(true)
}

fn rendered(options: &Options, home: &str) -> Result<Rendered, Error> {
    let bottle: Bottle = read(&options.file, "Bottle")?;
    let class = match (&options.class, &bottle.spec.class) {
        (Some(file), _) => read::<BottleClass>(file, "BottleClass")?.spec,
        (None, Some(name)) => return Err(Error::NoClass(name.clone())),
        (None, None) => BottleClassSpec::default(),
    };
    let scopes = [class, overlay::own(&bottle.spec)];
    let mut merged = agents::merge::merge(&scopes.each_ref().map(agents::Settings::of));
    if let Some(kind) = options.kind {
        merged.kind = Some(kind.as_str().to_owned());
        merged.program = None;
    }
    let [class, own] = &scopes;
    let working_dir = own.agent.working_dir.as_ref();
    let workspace = bottle.spec.workspace.as_ref();
    let working_dir = working_dir
        .or(class.agent.working_dir.as_ref())
        .or(workspace.and_then(|workspace| workspace.mount_path.as_ref()));
    let place = Place {
        home,
        working_dir: working_dir.map_or(path::WORKSPACE, String::as_str),
        cred_proxy: Some(agents::model::CRED_PROXY),
        supervise: &options.supervise_url,
    };
    agents::render(&merged, &place).map_err(Error::Render)
}

fn read<T: DeserializeOwned>(file: &Path, what: &'static str) -> Result<T, Error> {
    let path = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    yaml::from_str(&text).map_err(|source| Error::Parse { path, what, source })
}

fn create(directory: &Path) -> Result<Home, Error> {
    std::fs::create_dir_all(directory).map_err(|source| Error::Directory {
        path: directory.display().to_string(),
        source,
    })?;
    open(directory)
}

fn open(directory: &Path) -> Result<Home, Error> {
    let home = directory.canonicalize().and_then(|path| Home::open(&path));
    home.map_err(|source| Error::Directory {
        path: directory.display().to_string(),
        source,
    })
}

fn kind(name: &str) -> Result<AgentKind, String> {
    serde_json::from_value(name.into()).map_err(|_| {
        let names: Vec<&str> = agents::names().collect();
        format!("one of {}", names.join(", "))
    })
}
