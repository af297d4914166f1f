//! An agent program as data: its files, its commands, how it is given its MCP servers.
//!
//! The table of `agents` is made of these, and a class may bring one of its own, so that a new program needs no new
//! version of the operator. In its texts, words in braces stand for what differs from bottle to bottle; each field
//! says which it knows.

use super::{ModelApi, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What differs between agent programs. Commands know `{prompt}`; files and variables know `{home}`, `{workingDir}`,
/// and, where a model is paid for by `agent.modelSecret`, `{base}`, `{key}`, `{keyEnd}` and `{model}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Program {
    /// First start, without a prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 1024>")]
    pub start: Vec<String>,
    /// Start when there is a conversation to go on with; empty: as the first one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 1024>")]
    pub resume: Vec<String>,
    /// A run with `{prompt}` and nobody at a terminal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 1024>")]
    pub headless: Vec<String>,
    /// The same, going on with a conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 1024>")]
    pub headless_resume: Vec<String>,
    /// A start at a terminal with `{prompt}` as the first message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 1024>")]
    pub interactive: Vec<String>,
    /// Words right after the program's name that approve the bottle's own tools; only with `supervise: true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<8, 256>")]
    pub approve: Vec<String>,
    /// Paths below HOME; one with content means that there is a conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<16, 256>")]
    pub conversation: Vec<String>,
    /// Directory below HOME where the program looks for skills.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub skills: Option<String>,
    /// Variables that the program needs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<32, 1024>")]
    pub env: BTreeMap<String, String>,
    /// How its settings are moved to another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_path: Option<SettingsPath>,
    /// Where its MCP servers stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Servers>,
    /// Where its plugins stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Plugins>,
    /// What else its files must hold: first-run questions answered, our own tools approved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub files: Vec<ProgramFile>,
    /// How servers are given by the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
    /// How servers are given by a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<Variable>,
    /// How the program's own command enters a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Files of a workspace that bring servers, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub project: Vec<ProjectFile>,
    /// How it is pointed at another place for its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
}

/// File format of a settings file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain JSON.
    #[default]
    Json,
    /// JSON with comments and trailing commas.
    Jsonc,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// A variable that names another place for the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SettingsPath {
    /// The variable.
    #[schemars(length(max = 128))]
    pub variable: String,
    /// The directory below HOME that the new place stands for; empty: HOME itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub replaces: String,
}

/// The settings file that holds the MCP servers. An entry is a template: a text that is nothing but `{url}`,
/// `{headers}`, `{command}`, `{args}`, `{commandLine}` (command and args as one list), `{env}` or `{name}` becomes
/// that value, and its key is left out when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Servers {
    /// Path below HOME.
    #[schemars(length(max = 256))]
    pub file: String,
    /// Its format.
    pub format: Format,
    /// Top-level key of the entries.
    #[schemars(length(max = 128))]
    pub key: String,
    /// Whether the entries are a list whose items carry `name`, not a map.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,
    /// An http server.
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub http: Value,
    /// A stdio server.
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub stdio: Value,
    /// The bottle's own server, with all that lets a call wait for a day.
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub supervise: Value,
}

/// The settings file that holds plugins and marketplaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Plugins {
    /// Path below HOME.
    #[schemars(length(max = 256))]
    pub file: String,
    /// Its format.
    pub format: Format,
    /// Top-level key of a map from plugin to `true`.
    #[schemars(length(max = 128))]
    pub key: String,
    /// Top-level key of a map from marketplace to `{source: …}`.
    #[schemars(length(max = 128))]
    pub marketplaces: String,
}

/// What a settings file must hold besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProgramFile {
    /// Path below HOME.
    #[schemars(length(max = 256))]
    pub path: String,
    /// Its format.
    pub format: Format,
    /// Only with `supervise: true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub supervise: bool,
    /// The content: objects are merged by key at every depth, values are set, lists are united.
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub merge: Value,
}

/// Servers on the command line, right after the program's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Flag {
    /// The arguments: with `{path}` of a file that is rendered for this, or else, once for each server, with `{name}`
    /// and `{inline}`, its entry as one TOML value.
    #[schemars(schema_with = "schema::strings::<8, 1024>")]
    pub args: Vec<String>,
    /// That file, below HOME, in the format and under the key of `servers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub path: Option<String>,
}

/// Servers by a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    #[schemars(length(max = 128))]
    pub name: String,
    /// A file below HOME that is rendered for this and that the variable names; absent: the variable holds the JSON
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub path: Option<String>,
}

/// The program's own command for entering an http server, with `{name}` and `{url}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Exec {
    /// Enters it.
    #[schemars(schema_with = "schema::strings::<16, 1024>")]
    pub add: Vec<String>,
    /// Removes what stands there under its name, if anything does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<16, 1024>")]
    pub remove: Vec<String>,
}

/// A file of a workspace that brings servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProjectFile {
    /// Path below the working directory or a directory above it.
    #[schemars(length(max = 256))]
    pub path: String,
    /// Its format.
    pub format: Format,
    /// Top-level key of the entries.
    #[schemars(length(max = 128))]
    pub key: String,
    /// Whether its entries are a list whose items carry `name`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,
}

/// Access to the model through the credential proxy: the key is never in the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Model {
    /// The API that all this is for, the kind's default; with another one the Bottle brings its own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ModelApi>,
    /// Variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<32, 1024>")]
    pub env: BTreeMap<String, String>,
    /// Words at the end of a run without a terminal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<8, 256>")]
    pub headless_args: Vec<String>,
    /// Files. A key whose text has `{model}` is left out when `agent.model` is not set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub files: Vec<ProgramFile>,
}
