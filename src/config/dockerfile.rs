//! CORE: what a Dockerfile needs from outside: its base images. Not a parser of all that a Dockerfile may say.
//!
//! What is missed here is no hole: the build runs behind the bottle's own wall, and pulls nothing itself. A file is
//! refused where it could only fail later, in words that help less. For a daemon of this machine, which would pull and
//! fetch by itself, it is another thing: [`daemon`].

pub mod daemon;

/// What a Dockerfile needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The images that it takes from elsewhere, in the order of their first use, each once.
    pub bases: Vec<String>,
}

/// Why a Dockerfile can't be built here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DockerfileError {
    /// The line, from 1; of an instruction over several lines, the first.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Each is pulled by a step of its own.
const BASES_MAX: usize = 4;
/// As long as an image's name may be.
const NAME_MAX: usize = 400;

/// Reads the file.
pub fn read(text: &str) -> Result<Dockerfile, DockerfileError> {
    let mut reader = Reader::default();
    let mut seen = false;
    for (line, instruction) in instructions(text)? {
        let (word, rest) = instruction
            .split_once(char::is_whitespace)
            .unwrap_or((&instruction, ""));
        let word = word.to_ascii_uppercase();
        seen |= word == "FROM";
        reader
            .instruction(&word, rest.trim())
            .map_err(|what| DockerfileError { line, what })?;
    }
    if !seen {
        return Err(DockerfileError {
            line: 1,
            what: "there is no FROM; begin with the image that it is built on".into(),
        });
    }
    Ok(reader.file)
}

/// Instructions with the number of their first line; continued lines are joined, comments left out.
fn instructions(text: &str) -> Result<Vec<(usize, String)>, DockerfileError> {
    let mut all = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let comment = trimmed.strip_prefix('#').map(|rest| rest.replace(' ', ""));
        if let Some(comment) = comment {
            if comment.to_ascii_lowercase().starts_with("escape=") && comment != "escape=\\" {
                return Err(DockerfileError {
                    line: at + 1,
                    what: "the escape directive is not taken; continue lines with a backslash"
                        .into(),
                });
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        // As a builder joins them: blanks after the backslash count for nothing, those before a line's text stay.
        let whole = line.trim_end();
        let (part, goes_on) = match whole.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (whole, false),
        };
        let (line, mut joined) = open.take().unwrap_or((at + 1, String::new()));
        joined.push_str(part);
        if goes_on {
            open = Some((line, joined));
        } else {
            all.push((line, joined.trim().to_owned()));
        }
    }
    all.extend(open.map(|(line, joined)| (line, joined.trim().to_owned())));
    Ok(all)
}

#[derive(Default)]
struct Reader {
    file: Dockerfile,
    stages: Vec<String>,
}

impl Reader {
    fn instruction(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let flags: Vec<&str> = rest
            .split_whitespace()
            .take_while(|part| part.starts_with("--"))
            .collect();
        let words: Vec<&str> = rest.split_whitespace().skip(flags.len()).collect();
        if matches!(word, "RUN" | "COPY" | "ADD") && has_here_document(rest) {
            return Err(
                "here-documents are not taken; write the commands in one RUN with && between them"
                    .into(),
            );
        }
        match word {
            "FROM" => self.from(&words),
            "COPY" => match flags.iter().find_map(|flag| flag.strip_prefix("--from=")) {
                Some(from) => self.image(from),
                None => Err(no_context("COPY", "only COPY --from=IMAGE")),
            },
            "ADD" => add(rest, &words),
            "ARG" if !rest.contains('=') => {
                Err("no build argument is passed; give ARG a value, or leave it out".into())
            }
            "RUN" => flags
                .iter()
                .filter_map(|flag| flag.strip_prefix("--mount="))
                .flat_map(|mount| mount.split(','))
                .filter_map(|part| part.strip_prefix("from="))
                .try_for_each(|from| self.image(from)),
            _ => Ok(()),
        }
    }

    fn from(&mut self, words: &[&str]) -> Result<(), String> {
        let image = words.first().ok_or("FROM names no image")?;
        if *image != "scratch" {
            self.image(image)?;
        }
        // A stage without a name is known by its number.
        let name = match words.get(1..) {
            Some([a_s, name]) if a_s.eq_ignore_ascii_case("as") => name.to_ascii_lowercase(),
            Some([]) | None => self.stages.len().to_string(),
            Some(_) => return Err("write FROM IMAGE, or FROM IMAGE AS NAME".into()),
        };
        self.stages.push(name);
        Ok(())
    }

    fn image(&mut self, name: &str) -> Result<(), String> {
        let stage = name.to_ascii_lowercase();
        let number = name.parse::<usize>().is_ok_and(|at| at < self.stages.len());
        if number || self.stages.contains(&stage) || self.file.bases.iter().any(|one| one == name) {
            return Ok(());
        }
        if !is_image(name) {
            return Err(format!(
                "{name:?} is no image's name; write it in full, without variables"
            ));
        }
        if self.file.bases.len() == BASES_MAX {
            return Err(format!(
                "more than {BASES_MAX} images are taken from elsewhere; use fewer"
            ));
        }
        self.file.bases.push(name.to_owned());
        Ok(())
    }
}

fn add(rest: &str, words: &[&str]) -> Result<(), String> {
    let list: Vec<String> = match serde_json::from_str(rest) {
        Ok(list) => list,
        Err(_) => words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let sources = list.split_last().map_or(&[][..], |(_, sources)| sources);
    let remote = |source: &String| source.starts_with("http://") || source.starts_with("https://");
    if sources.iter().all(remote) {
        Ok(())
    } else {
        Err(no_context("ADD", "only ADD of an http or https address"))
    }
}

fn no_context(word: &str, instead: &str) -> String {
    format!("{word} takes a file beside the Dockerfile, and there is none; {instead} works here")
}

/// `<<EOF`, but not a shell's `<<<` and no number.
fn has_here_document(rest: &str) -> bool {
    rest.match_indices("<<").any(|(at, _)| {
        let before = rest[..at].chars().next_back();
        let mut after = rest[at + 2..]
            .chars()
            .skip_while(|one| matches!(one, '-' | '"' | '\''));
        before != Some('<')
            && after
                .next()
                .is_some_and(|one| one.is_ascii_alphabetic() || one == '_')
    })
}

/// What may stand as one argument of a command line, too: it begins with no dash.
fn is_image(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|one: char| one.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "._:/@-".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(text: &str) -> Vec<String> {
        read(text).unwrap().bases
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn the_images_from_elsewhere_are_found_and_stages_are_not() {
        let text = "# a comment\nFROM --platform=linux/amd64 one.example/a:1 AS build\nRUN echo \\\n # inside\n FROM no\n\
                    FROM two.example/b\nCOPY --from=build /x /x\nCOPY --from=0 /x /x\ncopy --from=three.example/c@sha256:ab /y /y\n\
                    RUN --mount=type=bind,from=four.example/d,target=/m true\nFROM build\nFROM scratch\n";
        assert_eq!(
            bases(text),
            [
                "one.example/a:1",
                "two.example/b",
                "three.example/c@sha256:ab",
                "four.example/d"
            ]
        );
    }

    #[test]
    fn what_could_only_fail_later_is_refused_with_its_line() {
        for (text, line, word) in [
            ("", "line 1", "no FROM"),
            ("RUN x\n", "line 1", "no FROM"),
            ("FROM a\n\nCOPY . /\n", "line 3", "COPY --from"),
            ("FROM a\nADD file /\n", "line 2", "only ADD of"),
            (
                "FROM a\nADD [\"https://x.example/f\", \"g\", \"/\"]\n",
                "line 2",
                "only ADD of",
            ),
            ("ARG X=1\nFROM a:$X\n", "line 2", "without variables"),
            ("FROM a\nARG TOKEN\n", "line 2", "no build argument"),
            ("FROM --x -v\n", "line 1", "no image's name"),
            ("# escape=`\nFROM a\n", "line 1", "escape"),
            ("FROM a\nRUN <<EOF\nx\nEOF\n", "line 2", "here-documents"),
            ("FROM a b c d\n", "line 1", "AS NAME"),
        ] {
            let said = refused(text);
            assert!(
                said.starts_with(line) && said.contains(word),
                "{text:?}: {said}"
            );
        }
    }

    #[test]
    fn what_a_shell_may_say_is_not_a_here_document() {
        for text in [
            "FROM a\nRUN echo $((1<<2))\n",
            "FROM a\nRUN cat <<<word\n",
            "FROM a\nARG X=1\nADD https://x.example/f /\nENV A=$X\n",
        ] {
            assert_eq!(bases(text), ["a"]);
        }
    }

    #[test]
    fn more_images_than_can_be_pulled_are_refused() {
        let text = ["FROM i0", "FROM i1", "FROM i2", "FROM i3", "FROM i4"].join("\n");
        assert!(refused(&text).contains("use fewer"));
    }
}
