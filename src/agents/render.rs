//! The one function that writes an agent's settings.

use super::{
    RenderError, commands, entries, inject::Injected, kinds, model::DUMMY_KEY, paths, settings,
    settings::Settings, template::Words,
};
use crate::api::{Format, Plugins, Program, ProgramFile};
use crate::config::seal::{self, Fragment};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// As many last characters of a key as Claude Code remembers.
const KEY_END: usize = 20;

/// Where the agent lives.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its HOME.
    pub home: &'a str,
    /// Where it works.
    pub working_dir: &'a str,
    /// Base URL of the credential proxy, such as `http://cred-proxy:9099`, if there is one.
    pub cred_proxy: Option<&'a str>,
    /// URL of the bottle's own server.
    pub supervise: &'a str,
}

/// Everything that an agent program is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// Settings files.
    pub fragments: Vec<Fragment>,
    /// First start; empty: neither the kind nor the Bottle names a command.
    pub start: Vec<String>,
    /// Start with a conversation to go on with; empty: as the first one.
    pub resume: Vec<String>,
    /// The word of `resume` that is the prompt, where it has one.
    pub prompt: Option<String>,
    /// Where a conversation shows, below HOME.
    pub conversation: Vec<String>,
    /// Variables; what the Bottle itself says about one wins.
    pub env: BTreeMap<String, String>,
    /// Commands of the program's own that enter servers.
    pub exec: Vec<seal::Exec>,
    /// Files of the workspace that could bring a server of the same name.
    pub project: Option<seal::Project>,
    /// Directory below HOME for skills.
    pub skills: Option<String>,
}

/// Everything for the agent, from the merged scopes.
pub fn render(settings: &Settings, place: &Place) -> Result<Rendered, RenderError> {
    let kind = settings.kind.as_deref().ok_or(RenderError::NoKind)?;
    let program = match &settings.program {
        Some(program) => program,
        None => kinds::kind(kind)?,
    };
    paths::check(program)?;
    settings::check(settings)?;
    reads_what_is_set(settings, program, kind)?;
    let moved = paths::Place::new(program, settings.settings_path.as_deref(), kind)?;
    let mut files = Files::new(moved);
    let mut rendered = Rendered {
        env: program.env.clone(),
        ..Rendered::default()
    };
    rendered.env.extend(moved.variable(place.home));

    let base = place.cred_proxy.map(|proxy| format!("{proxy}/model"));
    let words = Words(vec![
        ("home", Some(place.home)),
        ("workingDir", Some(place.working_dir)),
        ("base", base.as_deref()),
        ("key", Some(DUMMY_KEY)),
        ("keyEnd", Some(&DUMMY_KEY[DUMMY_KEY.len() - KEY_END..])),
        ("model", settings.model.as_deref()),
    ]);
    let mut flags = Vec::new();
    if let Some(servers) = &program.servers {
        let entries = entries::all(settings, servers, place)?;
        let injected = Injected {
            kind,
            program,
            servers,
            settings,
            place,
        };
        let given = injected.give(&entries, &mut files, &mut rendered)?;
        flags = given.flags;
        if settings.supervise.unwrap_or(true) {
            flags.extend(program.approve.iter().cloned());
        }
        if !entries.is_empty() && !program.project.is_empty() {
            rendered.project = Some(seal::Project {
                directory: place.working_dir.to_owned(),
                files: program.project.clone(),
                ours: entries.keys().cloned().collect(),
                shielded: given.shielded,
            });
        }
    }
    let supervise = settings.supervise.unwrap_or(true);
    add_files(&program.files, supervise, &words, &mut files);
    if let Some(plugins) = &program.plugins {
        add_plugins(settings, plugins, &mut files);
    }
    if settings.model_secret.is_some() {
        if base.is_none() {
            return Err(RenderError::ModelNeedsCredProxy);
        }
        if let Some(model) = settings.paid_model(program) {
            add_files(&model.files, supervise, &words, &mut files);
            let env = model.env.iter();
            let env = env.filter_map(|(name, value)| Some((name.clone(), words.fill(value)?)));
            rendered.env.extend(env);
        }
    }
    rendered.fragments = files.fragments();
    let commands = commands::commands(settings, program, kind, &flags)?;
    rendered.start = commands.start;
    rendered.resume = commands.resume;
    rendered.prompt = commands.prompt;
    let conversation = program.conversation.iter();
    rendered.conversation = conversation.map(|path| moved.path(path)).collect();
    rendered.skills = program.skills.as_deref().map(|path| moved.path(path));
    Ok(rendered)
}

/// What a program has no place for is an error, never ignored.
fn reads_what_is_set(
    settings: &Settings,
    program: &Program,
    kind: &str,
) -> Result<(), RenderError> {
    let servers = program.servers.is_some();
    let plugins = program.plugins.is_some();
    for (there, empty, key) in [
        (servers, settings.mcp_servers.is_empty(), "mcpServers"),
        (servers, settings.injection.is_none(), "agent.injection"),
        (plugins, settings.plugins.is_empty(), "plugins"),
        (plugins, settings.marketplaces.is_empty(), "marketplaces"),
        (program.skills.is_some(), !settings.skills, "agent.skills"),
    ] {
        if !there && !empty {
            let kind = kind.to_owned();
            return Err(RenderError::NoSettingsFile { kind, key });
        }
    }
    Ok(())
}

fn add_files(list: &[ProgramFile], supervise: bool, words: &Words, files: &mut Files) {
    for file in list.iter().filter(|file| supervise || !file.supervise) {
        if let Some(content) = words.value(&file.merge) {
            files.add(&file.path, file.format, content);
        }
    }
}

fn add_plugins(settings: &Settings, plugins: &Plugins, files: &mut Files) {
    files.entries(&plugins.file, plugins.format, &plugins.key);
    files.entries(&plugins.file, plugins.format, &plugins.marketplaces);
    let on = |name: &String| (name.clone(), Value::Bool(true));
    let enabled: Map<String, Value> = settings.plugins.keys().map(on).collect();
    if !enabled.is_empty() {
        let content = json!({ plugins.key.as_str(): enabled });
        files.add(&plugins.file, plugins.format, content);
    }
    let place = |(name, place): (&String, &super::Marketplace)| {
        (name.clone(), json!({"source": place.source}))
    };
    let places: Map<String, Value> = settings.marketplaces.iter().map(place).collect();
    if !places.is_empty() {
        let content = json!({ plugins.marketplaces.as_str(): places });
        files.add(&plugins.file, plugins.format, content);
    }
}

/// Fragments in the making, one for each file, in the order of their paths.
pub(super) struct Files<'a> {
    place: paths::Place<'a>,
    files: BTreeMap<String, Fragment>,
}

impl<'a> Files<'a> {
    fn new(place: paths::Place<'a>) -> Self {
        Self {
            place,
            files: BTreeMap::new(),
        }
    }

    /// Content for a file of the program.
    pub(super) fn add(&mut self, path: &str, format: Format, content: Value) {
        self.own(&self.place.path(path), format, content);
    }

    /// A top-level key of a file of the program, whose entries are ours by name.
    pub(super) fn entries(&mut self, path: &str, format: Format, key: &str) {
        let path = self.place.path(path);
        self.own(&path, format, Value::Object(Map::new()));
        self.own_entries(&path, key);
    }

    /// Content for a file at a place of our own.
    pub(super) fn own(&mut self, path: &str, format: Format, content: Value) {
        let fragment = self
            .files
            .entry(path.to_owned())
            .or_insert_with(|| Fragment {
                path: path.to_owned(),
                format,
                merge: Value::Object(Map::new()),
                entries: Vec::new(),
            });
        join(&mut fragment.merge, content);
    }

    pub(super) fn own_entries(&mut self, path: &str, key: &str) {
        if let Some(fragment) = self.files.get_mut(path)
            && !fragment.entries.iter().any(|known| known == key)
        {
            fragment.entries.push(key.to_owned());
        }
    }

    fn fragments(self) -> Vec<Fragment> {
        self.files.into_values().collect()
    }
}

/// `other` into `one`: objects by key, lists one after the other, the later value wins.
fn join(one: &mut Value, other: Value) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, item) in other {
                join(one.entry(key).or_insert(Value::Null), item);
            }
        }
        (Value::Array(one), Value::Array(other)) => one.extend(other),
        (one, other) => *one = other,
    }
}
