//! The routes that a Bottle declares, and those that the operator adds for its MCP servers and its model.

use super::problem::Problem;
use crate::{
    agents::{model, secrets},
    api::{Agent, AgentKind, McpServer, ModelApi, Route as DeclaredRoute, Secret, ServerType},
    config::{
        allowlist::Allowlist,
        routes::{Auth, Route, Routes, Scheme},
        seal::Fragment,
    },
    proposal::today::{Hosts, Today, Unfit},
};
use serde_json::json;
use std::collections::BTreeMap;

/// What a Bottle says about credentials, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Credentials {
    /// Declared routes, then the operator's own.
    pub routes: Routes,
    /// Declared secrets, and where each may be sent.
    pub secrets: BTreeMap<String, Hosts>,
    /// Environment of the agent for its model.
    pub env: BTreeMap<String, String>,
}

/// The parts of a Bottle that credentials are about.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `spec.routes`.
    pub routes: &'a [DeclaredRoute],
    /// `spec.secrets`.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// MCP servers of all scopes.
    pub servers: &'a BTreeMap<String, McpServer>,
    /// The agent of all scopes.
    pub agent: &'a Agent,
    /// Its kind.
    pub kind: AgentKind,
    /// Its settings, in which `${SECRET:NAME}` may stand.
    pub fragments: &'a [Fragment],
}

/// Reads them.
pub fn credentials(inputs: Inputs<'_>) -> Result<Credentials, Problem> {
    let mut today = Today {
        routes: declared(inputs.routes)?,
        secrets: secret_hosts(inputs.secrets)?,
        ..Today::default()
    };
    for route in &today.routes.routes {
        check_secret(&today, route, &format!("spec.routes {}", route.path))?;
    }
    for (name, server) in inputs.servers {
        if let Some(route) = server_route(name, server)? {
            let place = format!("spec.mcpServers.{name}.token");
            check_secret(&today, &route, &place)?;
            today.routes.routes.push(route);
        }
    }
    let mut env = BTreeMap::new();
    if let Some((route, variables)) = model_route(inputs.agent, inputs.kind)? {
        check_secret(&today, &route, "spec.agent.modelSecret")?;
        today.routes.routes.push(route);
        env.extend(variables.values());
    }
    check_settings(inputs.fragments, &today.secrets)?;
    Ok(Credentials {
        routes: today.routes,
        secrets: today.secrets,
        env,
    })
}

/// `spec.routes`. `plain` is our word that the Bottle itself says http.
fn declared(routes: &[DeclaredRoute]) -> Result<Routes, Problem> {
    let text = json!({"routes": routes}).to_string();
    let mut routes =
        Routes::parse_declared(&text).map_err(|error| Problem::Routes(error.to_string()))?;
    for route in &mut routes.routes {
        if route.is_reserved() {
            return Err(Problem::Routes(format!(
                "{}: paths under /mcp/ and /model/ are the operator's; use mcpServers.NAME.token or agent.modelSecret",
                route.path
            )));
        }
        route.plain = route.is_http();
    }
    Ok(routes)
}

fn secret_hosts(secrets: &BTreeMap<String, Secret>) -> Result<BTreeMap<String, Hosts>, Problem> {
    let read = |(name, secret): (&String, &Secret)| {
        if !secrets::is_name(name) {
            return Err(Problem::SecretName(name.clone()));
        }
        let hosts = match secret.hosts.as_slice() {
            [] => None,
            hosts => Some(
                Allowlist::parse_declared(&hosts.join("\n")).map_err(|error| {
                    Problem::SecretHosts {
                        name: name.clone(),
                        error: error.to_string(),
                    }
                })?,
            ),
        };
        Ok((name.clone(), Hosts(hosts)))
    };
    secrets.iter().map(read).collect()
}

/// `/mcp/<server>/`, for an http server with a token. The address in the agent's settings keeps the query.
fn server_route(name: &str, server: &McpServer) -> Result<Option<Route>, Problem> {
    let (Some(secret), Some(ServerType::Http), Some(url)) =
        (&server.token, server.server_type(), &server.url)
    else {
        return Ok(None);
    };
    let upstream = url.split('?').next().unwrap_or(url);
    let auth = Auth::Scheme {
        scheme: Scheme::Bearer,
        user: None,
        secret: secret.clone(),
    };
    let path = format!("/mcp/{name}/");
    operators(path, upstream, auth)
        .map(Some)
        .map_err(|error| Problem::Routes(format!("mcpServers.{name}.url: {error}")))
}

fn model_route(
    agent: &Agent,
    kind: AgentKind,
) -> Result<Option<(Route, model::Variables)>, Problem> {
    let Some(secret) = &agent.model_secret else {
        if agent.model_upstream.is_some() || agent.model_api.is_some() {
            return Err(Problem::ModelSecret);
        }
        return Ok(None);
    };
    let api: ModelApi = agent
        .model_api
        .or_else(|| model::api(kind))
        .ok_or(Problem::ModelApi(kind))?;
    let upstream = agent
        .model_upstream
        .as_deref()
        .unwrap_or_else(|| model::upstream(api));
    let route = operators(model::PATH.to_owned(), upstream, model::auth(api, secret))
        .map_err(|error| Problem::Routes(format!("agent.modelUpstream: {error}")))?;
    Ok(Some((route, model::variables(kind, api))))
}

/// A route of the operator's own, by the same rules as a declared one.
fn operators(path: String, upstream: &str, auth: Auth) -> Result<Route, String> {
    let mut route = Route {
        path,
        upstream: upstream.to_owned(),
        auth: Some(auth),
        plain: false,
    };
    route.plain = route.is_http();
    let text = json!({"routes": [route]}).to_string();
    Routes::parse_declared(&text)
        .map(|_| route)
        .map_err(|error| error.to_string())
}

fn check_secret(today: &Today, route: &Route, place: &str) -> Result<(), Problem> {
    today.may_be_sent(route).map_err(|unfit| match unfit {
        Unfit::UndeclaredSecret { name, .. } => Problem::UndeclaredSecret {
            name,
            place: place.to_owned(),
        },
        Unfit::SecretHost { name, host, .. } => Problem::SecretHost {
            name,
            host,
            place: place.to_owned(),
        },
        // Nothing is changed here.
        other @ (Unfit::Conflict(_)
        | Unfit::Dockerfile
        | Unfit::NoBuilds(_)
        | Unfit::Base(_)
        | Unfit::Instruction(_)) => Problem::Routes(other.to_string()),
    })
}

/// Secrets that a stdio server gets as plaintext: they must be declared, and can't be promised to stay anywhere.
fn check_settings(
    fragments: &[Fragment],
    declared: &BTreeMap<String, Hosts>,
) -> Result<(), Problem> {
    for (name, places) in secrets::secrets_used(fragments) {
        let place = places.join(", ");
        match declared.get(&name) {
            None => return Err(Problem::UndeclaredSecret { name, place }),
            Some(Hosts(Some(_))) => return Err(Problem::SecretInTheOpen { name, place }),
            Some(Hosts(None)) => {}
        }
    }
    Ok(())
}
