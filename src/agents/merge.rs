//! Scopes folded into one: builtin → class → bottle, by key; the last one set wins.

use super::settings::{Marketplace, McpServer, Settings, Toggle};
use std::collections::BTreeMap;

/// The scopes, widest first, as one. Entries whose last word is `enabled: false` are gone; the words themselves too.
pub fn merge(scopes: &[Settings]) -> Settings {
    let mut merged = scopes.iter().fold(Settings::default(), |wide, narrow| {
        let Settings {
            kind,
            program,
            injection,
            settings_path,
            command,
            args,
            prompt,
            tty,
            skills,
            model_secret,
            model,
            model_api,
            supervise,
            mcp_servers,
            plugins,
            marketplaces,
        } = narrow.clone();
        Settings {
            // A program is one thing with its kind: another scope's would be read wrongly.
            program: if kind.is_some() && kind != wide.kind {
                program
            } else {
                program.or(wide.program)
            },
            kind: kind.or(wide.kind),
            injection: injection.or(wide.injection),
            settings_path: settings_path.or(wide.settings_path),
            command: last(wide.command, command),
            args: last(wide.args, args),
            prompt: prompt.or(wide.prompt),
            tty: tty.or(wide.tty),
            skills: skills || wide.skills,
            model_secret: model_secret.or(wide.model_secret),
            model: model.or(wide.model),
            model_api: model_api.or(wide.model_api),
            supervise: supervise.or(wide.supervise),
            mcp_servers: by_key(wide.mcp_servers, mcp_servers, server),
            plugins: by_key(wide.plugins, plugins, |wide, narrow| Toggle {
                enabled: narrow.enabled.or(wide.enabled),
            }),
            marketplaces: by_key(wide.marketplaces, marketplaces, marketplace),
        }
    });
    keep_enabled(&mut merged.mcp_servers, |server| server.enabled.take());
    keep_enabled(&mut merged.plugins, |plugin| plugin.enabled.take());
    keep_enabled(&mut merged.marketplaces, |place| place.enabled.take());
    merged
}

fn last(wide: Vec<String>, narrow: Vec<String>) -> Vec<String> {
    if narrow.is_empty() { wide } else { narrow }
}

fn by_key<T: Default>(
    mut wide: BTreeMap<String, T>,
    narrow: BTreeMap<String, T>,
    join: impl Fn(T, T) -> T,
) -> BTreeMap<String, T> {
    for (name, entry) in narrow {
        let before = wide.remove(&name).unwrap_or_default();
        wide.insert(name, join(before, entry));
    }
    wide
}

fn keep_enabled<T>(map: &mut BTreeMap<String, T>, take: impl Fn(&mut T) -> Option<bool>) {
    map.retain(|_, entry| take(entry).unwrap_or(true));
}

fn server(mut wide: McpServer, narrow: McpServer) -> McpServer {
    // A narrower scope that turns a server into the other type leaves nothing of the wider one's behind.
    if narrow.server_type().is_some() && narrow.server_type() != wide.server_type() {
        wide = McpServer {
            enabled: wide.enabled,
            ..McpServer::default()
        };
    }
    let McpServer {
        enabled,
        kind,
        url,
        headers,
        command,
        args,
        env,
        token,
    } = narrow;
    wide.headers.extend(headers);
    wide.env.extend(env);
    McpServer {
        enabled: enabled.or(wide.enabled),
        kind: kind.or(wide.kind),
        url: url.or(wide.url),
        headers: wide.headers,
        command: command.or(wide.command),
        args: args.or(wide.args),
        env: wide.env,
        token: token.or(wide.token),
    }
}

fn marketplace(wide: Marketplace, narrow: Marketplace) -> Marketplace {
    Marketplace {
        enabled: narrow.enabled.or(wide.enabled),
        // A source is one address: half of another scope's would point nowhere.
        source: if narrow.source.is_empty() {
            wide.source
        } else {
            narrow.source
        },
    }
}
