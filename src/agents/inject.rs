//! How a program is given its servers: by a file of its home, a flag, a variable, its own command.
//!
//! In most programs a server of the workspace's own files beats the user's of the same name, so a repository could put
//! a false `supervise` in front of ours. So even where the home's file holds the servers, ours is also given by the
//! program's variable or flag, which beat both.

use super::{Place, RenderError, Rendered, entries, render::Files, secrets, settings::Settings};
use crate::api::{Flag, Injection, Program, ServerType, Servers, Variable};
use crate::config::seal;
use crate::names::mcp;
use serde_json::{Map, Value};

/// What the modes need to know.
pub(super) struct Injected<'a> {
    pub(super) kind: &'a str,
    pub(super) program: &'a Program,
    pub(super) servers: &'a Servers,
    pub(super) settings: &'a Settings,
    pub(super) place: &'a Place<'a>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Given {
    /// The words that follow the program's name on its command line.
    pub(super) flags: Vec<String>,
    /// Servers that no project can get in front of.
    pub(super) shielded: Vec<String>,
}

impl Injected<'_> {
    /// Gives the program its servers.
    pub(super) fn give(
        &self,
        entries: &Map<String, Value>,
        files: &mut Files,
        rendered: &mut Rendered,
    ) -> Result<Given, RenderError> {
        let own_command = self.settings.command.is_empty();
        let unsupported = |mode| RenderError::InjectionUnsupported {
            kind: self.kind.to_owned(),
            mode,
        };
        let flag = self.program.flag.as_ref();
        let variable = self.program.variable.as_ref();
        // Even a file without entries is ours to take old ones back from.
        files.entries(&self.servers.file, self.servers.format, &self.servers.key);
        match self.settings.injection.unwrap_or_default() {
            Injection::File => {
                if !entries.is_empty() {
                    let content = entries::content(self.servers, entries);
                    files.add(&self.servers.file, self.servers.format, content);
                }
                Ok(self.shield(own_command, files, rendered))
            }
            Injection::Flag => {
                let flag = flag.ok_or(unsupported("flag"))?;
                if !own_command {
                    return Err(RenderError::FlagNeedsOwnCommand);
                }
                if flag.path.is_none() {
                    self.no_secrets("flag")?;
                }
                Ok(Given {
                    flags: self.flag(flag, entries, files),
                    shielded: entries.keys().cloned().collect(),
                })
            }
            Injection::Env => {
                let variable = variable.ok_or(unsupported("env"))?;
                if variable.path.is_none() {
                    self.no_secrets("env")?;
                }
                self.variable(variable, entries, files, rendered);
                Ok(Given {
                    flags: Vec::new(),
                    shielded: entries.keys().cloned().collect(),
                })
            }
            Injection::Exec => {
                let exec = self.program.exec.as_ref().ok_or(unsupported("exec"))?;
                self.exec(exec, entries, rendered)?;
                Ok(self.shield(own_command, files, rendered))
            }
        }
    }

    /// Our own server once more, in the place that beats the workspace's.
    fn shield(&self, own_command: bool, files: &mut Files, rendered: &mut Rendered) -> Given {
        if !self.settings.supervise.unwrap_or(true) {
            return Given::default();
        }
        let shielded = vec![mcp::SERVER.to_owned()];
        let ours = Map::from_iter([(
            mcp::SERVER.to_owned(),
            entries::supervise(self.servers, self.place),
        )]);
        match (&self.program.variable, &self.program.flag) {
            (Some(variable), _) => {
                self.variable(variable, &ours, files, rendered);
                Given {
                    flags: Vec::new(),
                    shielded,
                }
            }
            (None, Some(flag)) if own_command => Given {
                flags: self.flag(flag, &ours, files),
                shielded,
            },
            _ => Given::default(),
        }
    }

    fn flag(&self, flag: &Flag, entries: &Map<String, Value>, files: &mut Files) -> Vec<String> {
        if entries.is_empty() {
            return Vec::new();
        }
        if let Some(path) = &flag.path {
            self.file(path, entries, files);
            let path = format!("{}/{path}", self.place.home);
            let path = |word: &String| word.replace("{path}", &path);
            return flag.args.iter().map(path).collect();
        }
        let each = |(name, entry): (&String, &Value)| {
            let inline = inline(entry);
            let name = name.clone();
            flag.args
                .iter()
                .map(move |word| word.replace("{name}", &name).replace("{inline}", &inline))
        };
        entries.iter().flat_map(each).collect()
    }

    fn variable(
        &self,
        variable: &Variable,
        entries: &Map<String, Value>,
        files: &mut Files,
        rendered: &mut Rendered,
    ) {
        if entries.is_empty() {
            return;
        }
        let value = if let Some(path) = &variable.path {
            self.file(path, entries, files);
            format!("{}/{path}", self.place.home)
        } else {
            entries::content(self.servers, entries).to_string()
        };
        rendered.env.insert(variable.name.clone(), value);
    }

    /// A file that exists for the servers alone, at a place of our own that `settingsPath` doesn't move.
    fn file(&self, path: &str, entries: &Map<String, Value>, files: &mut Files) {
        let content = entries::content(self.servers, entries);
        files.own(path, self.servers.format, content);
        files.own_entries(path, &self.servers.key);
    }

    fn exec(
        &self,
        exec: &crate::api::Exec,
        entries: &Map<String, Value>,
        rendered: &mut Rendered,
    ) -> Result<(), RenderError> {
        self.no_secrets("exec")?;
        for name in entries.keys() {
            let server = self.settings.mcp_servers.get(name);
            let plain = server.is_none_or(|server| {
                server.server_type() == Some(ServerType::Http) && server.headers.is_empty()
            });
            if !plain {
                return Err(RenderError::ExecNeedsPlainServer(name.clone()));
            }
            let url = server.map(|server| entries::url(name, server, self.place));
            let url = url.transpose()?.flatten();
            let url = url.as_deref().unwrap_or(self.place.supervise);
            let fill = |words: &[String]| {
                let fill = |word: &String| word.replace("{name}", name).replace("{url}", url);
                words.iter().map(fill).collect()
            };
            rendered.exec.push(seal::Exec {
                add: fill(&exec.add),
                remove: fill(&exec.remove),
            });
        }
        Ok(())
    }

    /// A secret on a command line or in the pod's environment would stand in objects that people can read.
    fn no_secrets(&self, mode: &'static str) -> Result<(), RenderError> {
        for (name, server) in &self.settings.mcp_servers {
            for value in server.env.values() {
                if secrets::names_in(value).is_ok_and(|names| !names.is_empty()) {
                    return Err(RenderError::SecretNeedsFile {
                        server: name.clone(),
                        mode,
                    });
                }
            }
        }
        Ok(())
    }
}

/// An entry as one TOML value.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(key, item)| format!("{} = {}", Value::from(key.as_str()), inline(item)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        // A JSON text is a TOML basic string, but for the one control character that JSON leaves as it is.
        Value::String(text) => Value::from(text.as_str())
            .to_string()
            .replace('\u{7f}', "\\u007f"),
        other => other.to_string(),
    }
}
