//! CORE: the name of an image, as people write it, and where it is.

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Host and port of its registry.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// A digest, or a tag.
    pub reference: String,
}

/// The registry of names without a host, what answers for it, and by what name logins know it.
const DEFAULT: &str = "docker.io";
const DEFAULT_HOST: &str = "registry-1.docker.io";
const DEFAULT_LOGIN: &str = "index.docker.io";

impl Name {
    /// Reads `text`, which a Dockerfile or a Bottle has.
    pub fn read(text: &str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (host, path) = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, path)
            }
            _ => (DEFAULT, rest),
        };
        let (repository, tag) = path.rsplit_once(':').unwrap_or((path, "latest"));
        let reference = digest.unwrap_or(tag).to_owned();
        let official = host == DEFAULT && !repository.contains('/');
        Self {
            host: host.to_owned(),
            repository: if official {
                format!("library/{repository}")
            } else {
                repository.to_owned()
            },
            reference,
        }
    }

    /// Whom to ask for it.
    pub fn server(&self) -> &str {
        if self.host == DEFAULT {
            DEFAULT_HOST
        } else {
            &self.host
        }
    }

    /// By what name a login knows the registry.
    pub fn login(&self) -> String {
        if self.host == DEFAULT {
            DEFAULT_LOGIN.to_owned()
        } else {
            format!("{}/{}", self.host, self.repository)
        }
    }

    /// The digest, where the name has one.
    pub fn digest(&self) -> Option<&str> {
        self.reference
            .contains(':')
            .then_some(self.reference.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whom_to_ask_for_what() {
        let cases = [
            ("debian", "registry-1.docker.io", "library/debian", "latest"),
            (
                "docker.io/debian:12",
                "registry-1.docker.io",
                "library/debian",
                "12",
            ),
            ("a/b:1", "registry-1.docker.io", "a/b", "1"),
            ("localhost/a", "localhost", "a", "latest"),
            ("one.example:5000/a/b", "one.example:5000", "a/b", "latest"),
            ("one.example/a:1@sha256:ab", "one.example", "a", "sha256:ab"),
        ];
        for (text, server, repository, reference) in cases {
            let name = Name::read(text);
            assert_eq!(
                (name.server(), &*name.repository, &*name.reference),
                (server, repository, reference),
                "{text}"
            );
        }
        assert_eq!(Name::read("debian").login(), "index.docker.io");
        assert_eq!(Name::read("one.example/a:1").login(), "one.example/a");
        assert_eq!(Name::read("a@sha256:ab").digest(), Some("sha256:ab"));
        assert_eq!(Name::read("a:1").digest(), None);
    }
}
