//! PURE: `Location` as the client gets it: a redirect into the upstream leads back to the route, any other is
//! absolute, so that nobody takes it for a path of ours.

use super::inject::without_parameter;
use super::origin::Origin;
use http::Uri;

/// Where a route leads.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The route's path, with both slashes.
    pub route: &'a str,
    /// Its upstream's server.
    pub origin: &'a Origin,
    /// Its upstream's path, as written.
    pub base: &'a str,
    /// The query parameter that carries the secret.
    pub parameter: Option<&'a str>,
}

/// The new `Location` for the answer to a request for `requested` (the upstream's path); none: it can't be read, so
/// nobody could be sure where it leads.
pub fn rewrite(location: &str, requested: &str, ends: Ends<'_>) -> Option<String> {
    let (origin, reference) = resolve(location, requested, ends.origin)?;
    let (rest, fragment) = match reference.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (reference.as_str(), None),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let path = without_dots(path);
    let to_us = origin.as_ref() == Some(ends.origin);
    let mut out = match below(&path, ends.base).filter(|_| to_us) {
        Some(rest) => format!("{}{rest}", ends.route),
        None if origin.is_some() || to_us => format!("{}{path}", origin?.url()),
        // Another scheme than http: as it came.
        None => return Some(location.to_owned()),
    };
    // An upstream that repeats the query would show the secret.
    let query = query.map(|query| match ends.parameter {
        Some(name) => without_parameter(query, name),
        None => query.to_owned(),
    });
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        out.push('?');
        out.push_str(&query);
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(fragment);
    }
    Some(out)
}

/// The server that a reference leads to (none: no web URL), and path, query and fragment there.
fn resolve(location: &str, requested: &str, origin: &Origin) -> Option<(Option<Origin>, String)> {
    let location = location.trim_matches([' ', '\t']);
    // Browsers read it as a slash, others don't.
    if location.contains('\\') || location.chars().any(char::is_control) {
        return None;
    }
    if let Some(rest) = location.strip_prefix("//") {
        let scheme = if origin.tls { "https" } else { "http" };
        return absolute(&format!("{scheme}://{rest}"));
    }
    if has_scheme(location) {
        return absolute(location);
    }
    let ours = Some(origin.clone());
    if location.starts_with('/') {
        return Some((ours, location.to_owned()));
    }
    // RFC 3986, 5.3: relative to the request's path, or to its directory.
    let requested = requested.split('?').next().unwrap_or_default();
    let directory = requested.rfind('/').map_or("/", |end| &requested[..=end]);
    Some((
        ours,
        if location.starts_with(['?', '#']) || location.is_empty() {
            format!("{requested}{location}")
        } else {
            format!("{directory}{location}")
        },
    ))
}

fn absolute(url: &str) -> Option<(Option<Origin>, String)> {
    let (scheme, after) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some((None, String::new()));
    }
    let after = after.strip_prefix("//")?;
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    // User info has no place in a redirect; with it two readers could see two hosts.
    if authority.contains('@') {
        return None;
    }
    let uri: Uri = format!("{}://{authority}/", scheme.to_ascii_lowercase())
        .parse()
        .ok()?;
    let rest = if rest.starts_with('/') {
        rest.to_owned()
    } else {
        format!("/{rest}")
    };
    Some((Some(Origin::of(&uri)?), rest))
}

fn has_scheme(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    end.is_some_and(|end| {
        text[end..].starts_with(':') && text.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let inner = path.strip_prefix('/').unwrap_or(path);
    let last = inner.split('/').count() - 1;
    for (index, segment) in inner.split('/').enumerate() {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => {
                segments.push(other);
                continue;
            }
        }
        if index == last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

/// What of `path` is behind the prefix `base`; none: it is outside.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let prefix = base.trim_end_matches('/');
    let rest = path.strip_prefix(prefix)?;
    if rest.is_empty() {
        return Some("");
    }
    rest.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(location: &str) -> Option<String> {
        let origin = Origin::of(&"https://api.example/".parse().unwrap()).unwrap();
        let ends = Ends {
            route: "/x/",
            origin: &origin,
            base: "/v1",
            parameter: Some("key"),
        };
        rewrite(location, "/v1/a/b?q=1", ends)
    }

    #[test]
    fn into_the_upstream_leads_to_the_route_and_elsewhere_stays_absolute() {
        for (location, expected) in [
            ("https://api.example/v1/c?d=e#f", "/x/c?d=e#f"),
            ("https://API.example.:443/v1/c", "/x/c"),
            ("https://api.example/v1", "/x/"),
            ("https://api.example/v1/", "/x/"),
            ("//api.example/v1/c", "/x/c"),
            ("/v1/c", "/x/c"),
            ("c", "/x/a/c"),
            ("./c/", "/x/a/c/"),
            ("../c", "/x/c"),
            ("?d", "/x/a/b?d"),
            ("#f", "/x/a/b#f"),
            ("/v2/c", "https://api.example/v2/c"),
            ("/v12/c", "https://api.example/v12/c"),
            ("../../c", "https://api.example/c"),
            ("../../../../c", "https://api.example/c"),
            ("/v1/../c", "https://api.example/c"),
            ("//evil.example/v1/c", "https://evil.example/v1/c"),
            ("https://evil.example/v1/c", "https://evil.example/v1/c"),
            ("https://evil.example?d", "https://evil.example/?d"),
            ("http://api.example/v1/c", "http://api.example/v1/c"),
            ("https://api.example:8443/v1", "https://api.example:8443/v1"),
            ("mailto:a@b.example", "mailto:a@b.example"),
        ] {
            assert_eq!(rewritten(location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_dropped() {
        for location in [
            "https://api.example@evil.example/",
            "https:evil.example",
            "/\\evil.example",
            "https://api.example\\.evil.example/",
            "/v1/\u{1}",
        ] {
            assert_eq!(rewritten(location), None, "{location}");
        }
    }

    #[test]
    fn the_secrets_parameter_is_not_repeated_to_the_client() {
        assert_eq!(rewritten("/v1/c?key=s3&d=e").as_deref(), Some("/x/c?d=e"));
        assert_eq!(rewritten("/v1/c?key=s3").as_deref(), Some("/x/c"));
        assert_eq!(
            rewritten("https://evil.example/?a=b&k%65y=s3").as_deref(),
            Some("https://evil.example/?a=b")
        );
    }
}
