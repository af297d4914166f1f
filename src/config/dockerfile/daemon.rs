//! CORE: what the builder of a Docker daemon is given. It runs steps behind the bottle's wall, but pulls images and fetches
//! what `ADD` names by itself, with the machine's own network: so what it reads must be what was read here.

use super::{DockerfileError, instructions, read};

/// Instructions that run a step, take from another stage or a listed image, or only write a line of the image's config.
/// Not `ADD`, and not `ONBUILD`, which hides an instruction from whoever reads the file.
const TAKEN: [&str; 16] = [
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The file as the daemon gets it: one instruction a line, no comment, nothing that a builder of another version could
/// join or cut in another way than it was read here.
pub fn plain(text: &str) -> Result<String, DockerfileError> {
    read(text)?;
    let mut plain = String::with_capacity(text.len());
    for (line, instruction) in instructions(text)? {
        check(&instruction).map_err(|what| DockerfileError { line, what })?;
        plain.push_str(&instruction);
        plain.push('\n');
    }
    Ok(plain)
}

fn check(instruction: &str) -> Result<(), String> {
    let (word, rest) = instruction
        .split_once(char::is_whitespace)
        .unwrap_or((instruction, ""));
    let word = word.to_ascii_uppercase();
    if word == "ADD" {
        return Err(
            "the daemon of this machine would fetch what ADD names by itself, past the bottle's allowlist; fetch it in a RUN, \
             with a program of the image"
                .into(),
        );
    }
    if word == "RUN" && rest.trim_start().starts_with("--") {
        return Err("RUN takes no --mount and no other flag here; write the command alone".into());
    }
    if instruction.ends_with('\\') {
        return Err("it ends with a backslash; leave that out".into());
    }
    if TAKEN.contains(&word.as_str()) {
        Ok(())
    } else {
        Err(format!(
            "{word:?} is not taken where a daemon of this machine builds; leave it out"
        ))
    }
}

/// Whether a name would be taken for the id of an image that is at the daemon, whoever's it is.
pub fn is_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.chars().all(|one| one.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_reads_each_instruction_on_a_line_of_its_own() {
        let text = "# a comment\nFROM one.example/a:1\nRUN a \\\n  # inside\n\n  b \\  \n  && c\nENV X=\"1 \\\n 2\"\n";
        assert_eq!(
            plain(text).unwrap(),
            "FROM one.example/a:1\nRUN a   b   && c\nENV X=\"1  2\"\n"
        );
    }

    #[test]
    fn what_the_daemon_would_fetch_itself_is_refused_however_it_is_written() {
        for text in [
            "FROM a\nADD https://x.example/f /\n",
            "FROM a\n  add https://x.example/f /\n",
            "FROM a\nA\\\nDD https://x.example/f /\n",
            "FROM a\nAD\\  \n# c\nD https://x.example/f /\n",
            "FROM a\nONBUILD ADD https://x.example/f /\n",
            "FROM a\nonbuild run x\n",
            "FROM a\nRUN --mount=type=bind,from=b,target=/m true\n",
            "FROM a\nINCLUDE b\n",
            "FROM a\nRUN x \\\\\n",
        ] {
            assert!(plain(text).is_err(), "{text:?}");
        }
        // To whoever took the comment for the end of RUN, ADD would be an instruction of its own.
        let hidden = "FROM a\nRUN true \\\n  # a comment\nADD https://x.example/f /\n";
        assert_eq!(
            plain(hidden).unwrap(),
            "FROM a\nRUN true ADD https://x.example/f /\n"
        );
    }

    #[test]
    fn an_image_s_id_is_no_name() {
        for name in ["sha256:0123abcd", "0123abcd", "ab"] {
            assert!(is_id(name), "{name}");
        }
        for name in ["a:1", "debian", "abc/def", "x@sha256:ab"] {
            assert!(!is_id(name), "{name}");
        }
    }
}
