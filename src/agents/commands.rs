//! How a program is started: at first, and with a conversation to go on with.

use super::{RenderError, settings::Settings, template::Words};
use crate::api::Program;

/// Start and resume.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) start: Vec<String>,
    pub(super) resume: Vec<String>,
    /// The word of `resume` that is the prompt.
    pub(super) prompt: Option<String>,
}

/// The commands, `flags` right after the program's name and `agent.args` at the end.
pub(super) fn commands(
    settings: &Settings,
    program: &Program,
    kind: &str,
    flags: &[String],
) -> Result<Commands, RenderError> {
    let args = &settings.args;
    if !settings.command.is_empty() {
        if settings.prompt.is_some() {
            return Err(RenderError::PromptNeedsOwnCommand);
        }
        // A command of the user's own is not the kind's program with other arguments: it is started the same way again.
        return Ok(Commands {
            start: line(&settings.command, &[], args),
            resume: Vec::new(),
            prompt: None,
        });
    }
    let Some(prompt) = &settings.prompt else {
        return Ok(Commands {
            start: line(&program.start, flags, args),
            resume: line(&program.resume, flags, args),
            prompt: None,
        });
    };
    // A prompt that looks like a flag would be read as one.
    let prompt = if prompt.starts_with('-') {
        format!(" {prompt}")
    } else {
        prompt.clone()
    };
    let words = Words(vec![("prompt", Some(&prompt))]);
    let tty = settings.tty == Some(true);
    let (start, resume) = if tty {
        (&program.interactive, &program.resume)
    } else {
        (&program.headless, &program.headless_resume)
    };
    if start.is_empty() {
        return Err(RenderError::NoPrompt {
            kind: kind.to_owned(),
            how: if tty {
                "at a terminal"
            } else {
                "without a terminal"
            },
        });
    }
    let model = program
        .model
        .iter()
        .filter(|_| settings.model_secret.is_some() && !tty);
    let model = model.flat_map(|model| &model.headless_args);
    let args: Vec<String> = model.chain(args).cloned().collect();
    let says = resume.iter().any(|word| word == "{prompt}");
    Ok(Commands {
        start: line(&words.command(start), flags, &args),
        resume: line(&words.command(resume), flags, &args),
        prompt: says.then(|| prompt.clone()),
    })
}

fn line(command: &[String], flags: &[String], args: &[String]) -> Vec<String> {
    let Some((program, rest)) = command.split_first() else {
        return Vec::new();
    };
    let words = std::iter::once(program)
        .chain(flags)
        .chain(rest)
        .chain(args);
    words.cloned().collect()
}
