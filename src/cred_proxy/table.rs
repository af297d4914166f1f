//! The routes in force, ready for use.

use super::inject::Inject;
use super::origin::Origin;
use super::path;
use super::pool::Upstream;
use super::refusal::Refusal;
use crate::config::Files;
use crate::config::egress::Egress;
use crate::config::routes::{Route, Routes, RoutesError};
use crate::egress::parent::{Parent, ParentError};
use http::Uri;
use std::sync::Arc;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One config.
#[derive(Default)]
pub struct Table {
    /// The longest path first.
    routes: Vec<Arc<Active>>,
    egress: Egress,
}

/// One route. It lives on in the next config when that means the same by it.
pub struct Active {
    route: Route,
    /// The upstream's path as written.
    pub base: String,
    /// The server.
    pub upstream: Arc<Upstream>,
    /// NAME of the secret, and where that goes.
    pub auth: Option<(String, Inject)>,
    /// Cuts what is left of a route that is no more.
    pub cut: CancellationToken,
    /// The requests that are on their way.
    pub in_flight: TaskTracker,
}

/// A file that can't be enforced.
#[derive(Debug, Error)]
pub enum TableError {
    /// A rule is broken.
    #[error("the file routes.json is broken")]
    Routes(#[source] RoutesError),
    /// A URL or template that passed the rules, and is none all the same.
    #[error("the file routes.json is broken: the route {0} can't be used")]
    Route(String),
    /// An http upstream that nobody has declared.
    #[error("the file routes.json is broken: the route {0} is http and not marked `plain`")]
    Plain(String),
    /// Not the JSON that it must be.
    #[error("the file egress.json is broken")]
    Egress(#[source] serde_json::Error),
    /// The company's proxy.
    #[error("the file egress.json is broken")]
    Parent(#[source] ParentError),
}

impl Table {
    /// Parses the files. Of `before` it takes over what means the same, with its open connections.
    pub fn new(files: &Files, before: &Self) -> Result<Self, TableError> {
        let routes = Routes::parse_declared(&files.routes).map_err(TableError::Routes)?;
        let egress: Egress = serde_json::from_str(&files.egress).map_err(TableError::Egress)?;
        let parent = egress.parent_proxy.as_deref().map(Parent::parse);
        let parent = parent.transpose().map_err(TableError::Parent)?;
        // Other addresses may be reached, by another way: no old connection is used any more.
        let before: &[Arc<Active>] = if egress == before.egress {
            &before.routes
        } else {
            &[]
        };
        let rules = Arc::new((egress.clone(), parent));
        let mut active: Vec<Arc<Active>> = Vec::with_capacity(routes.routes.len());
        for route in routes.routes {
            if let Some(same) = before.iter().find(|active| active.route == route) {
                active.push(Arc::clone(same));
                continue;
            }
            let broken = || TableError::Route(route.path.clone());
            let uri: Uri = route.upstream.parse().map_err(|_| broken())?;
            let origin = Origin::of(&uri).ok_or_else(broken)?;
            // Without TLS only where the operator says that the Bottle's owner wants it so.
            if !origin.tls && !route.plain {
                return Err(TableError::Plain(route.path));
            }
            let known = before.iter().chain(&active);
            let upstream = known
                .map(|active| &active.upstream)
                .find(|upstream| *upstream.origin() == origin)
                .cloned();
            let upstream = match upstream {
                Some(upstream) => upstream,
                None => Arc::new(Upstream::new(origin, Arc::clone(&rules)).ok_or_else(broken)?),
            };
            let auth = match &route.auth {
                None => None,
                Some(auth) => {
                    let inject = Inject::new(auth).ok_or_else(broken)?;
                    Some((auth.secret().to_owned(), inject))
                }
            };
            active.push(Arc::new(Active {
                base: uri.path().to_owned(),
                upstream,
                auth,
                cut: CancellationToken::new(),
                in_flight: TaskTracker::new(),
                route,
            }));
        }
        active.sort_by_key(|active| std::cmp::Reverse(active.route.path.len()));
        Ok(Self {
            routes: active,
            egress,
        })
    }

    /// The route of a path, and what of the path is behind it.
    pub fn find<'p>(&self, path: &'p str) -> Result<(&Arc<Active>, &'p str), Refusal> {
        path::check(path).map_err(Refusal::Unsafe)?;
        self.routes
            .iter()
            .find_map(|active| Some((active, active.rest(path)?)))
            .ok_or_else(|| Refusal::NoRoute(path.to_owned()))
    }

    /// The routes that `self` has and `next` hasn't.
    pub fn retired_by(&self, next: &Self) -> Vec<Arc<Active>> {
        let stays = |active: &Arc<Active>| next.routes.iter().any(|new| Arc::ptr_eq(active, new));
        let gone = self.routes.iter().filter(|active| !stays(active));
        gone.cloned().collect()
    }

    /// All servers; one may come twice.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.routes.iter().map(|active| &active.upstream)
    }
}

impl Active {
    /// The route's path.
    pub fn path(&self) -> &str {
        &self.route.path
    }

    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        // The path without its last slash is the same route.
        if self.route.path.strip_suffix('/') == Some(path) {
            return Some("");
        }
        path.strip_prefix(self.route.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(routes: &[(&str, &str)], egress: &str) -> Files {
        let routes: Vec<String> = routes
            .iter()
            .map(|(path, upstream)| format!(r#"{{"path": "{path}", "upstream": "{upstream}"}}"#))
            .collect();
        Files {
            routes: format!(r#"{{"routes": [{}]}}"#, routes.join(", ")),
            egress: egress.into(),
            ..Files::default()
        }
    }

    fn table(routes: &[(&str, &str)], before: &Table) -> Table {
        Table::new(&files(routes, "{}"), before).unwrap()
    }

    #[test]
    fn the_longest_path_wins_and_the_last_slash_may_be_left_out() {
        let routes = [
            ("/a/", "https://a.example"),
            ("/a/b/", "https://b.example/v1"),
        ];
        let table = table(&routes, &Table::default());
        for (path, expected) in [
            ("/a", Some(("/a/", ""))),
            ("/a/", Some(("/a/", ""))),
            ("/a/x%2fy", Some(("/a/", "x%2fy"))),
            ("/a/b", Some(("/a/b/", ""))),
            ("/a/b/c", Some(("/a/b/", "c"))),
            ("/a/bc", Some(("/a/", "bc"))),
            ("/ab", None),
            ("//a/", None),
            ("/A/", None),
            ("/%61/", None),
            ("/", None),
        ] {
            let found = table.find(path).ok();
            let found = found.map(|(active, rest)| (active.path(), rest));
            assert_eq!(found, expected, "{path}");
        }
        assert!(matches!(table.find("/a/../b"), Err(Refusal::Unsafe(_))));
    }

    #[test]
    fn what_means_the_same_lives_on_and_the_rest_is_retired() {
        let first = table(
            &[("/a/", "https://a.example"), ("/b/", "https://b.example")],
            &Table::default(),
        );
        let second = table(
            &[("/b/", "https://a.example"), ("/a/", "https://a.example")],
            &first,
        );
        let retired = |before: &Table, after: &Table| {
            let gone = before.retired_by(after);
            let mut paths: Vec<String> = gone.iter().map(|a| a.path().to_owned()).collect();
            paths.sort();
            paths
        };
        assert_eq!(retired(&first, &second), ["/b/"]);
        let upstream = |table: &Table, path| Arc::clone(&table.find(path).unwrap().0.upstream);
        assert!(Arc::ptr_eq(
            &upstream(&second, "/b/"),
            &upstream(&first, "/a/")
        ));
        let third = files(
            &[("/a/", "https://a.example")],
            r#"{"deny": ["10.0.0.0/8"]}"#,
        );
        let third = Table::new(&third, &second).unwrap();
        assert_eq!(retired(&second, &third), ["/a/", "/b/"]);
    }

    #[test]
    fn broken_files_are_named() {
        for (routes, egress, name) in [
            ("{", "{}", "routes.json"),
            (
                r#"{"routes": [{"path": "a", "upstream": "https://a.example"}]}"#,
                "{}",
                "routes.json",
            ),
            (
                r#"{"routes": [{"path": "/a/", "upstream": "http://a.example"}]}"#,
                "{}",
                "not marked `plain`",
            ),
            (r#"{"routes": []}"#, "{", "egress.json"),
            (
                r#"{"routes": []}"#,
                r#"{"parentProxy": "nonsense"}"#,
                "egress.json",
            ),
        ] {
            let files = Files {
                routes: routes.into(),
                egress: egress.into(),
                ..Files::default()
            };
            let error = Table::new(&files, &Table::default()).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
