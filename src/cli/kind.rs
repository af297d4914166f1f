//! Which objects the words of a verb mean: names of Bottles, or as kubectl has it `KIND NAME…` and `KIND/NAME`; pure.

use super::Error;
use crate::names::GROUP;

/// A kind of objects that people apply, list and delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bottles.
    Bottle,
    /// BottleClasses.
    Class,
    /// ConfigMaps: skills and certificates.
    ConfigMap,
}

/// All of them.
pub const ALL: [Kind; 3] = [Kind::Bottle, Kind::Class, Kind::ConfigMap];

/// Objects of one kind, by name; without names all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The kind.
    pub kind: Kind,
    /// The names.
    pub names: Vec<String>,
}

impl Kind {
    /// What kubectl calls it too, the plural first.
    pub fn words(self) -> [&'static str; 3] {
        match self {
            Self::Bottle => ["bottles", "bottle", "bt"],
            Self::Class => ["bottleclasses", "bottleclass", "btc"],
            Self::ConfigMap => ["configmaps", "configmap", "cm"],
        }
    }

    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        self.words()[1]
    }

    /// `KIND/NAME`, as kubectl prints it.
    pub fn shown(self, name: &str) -> String {
        match self {
            Self::Bottle | Self::Class => format!("{}.{GROUP}/{name}", self.as_str()),
            Self::ConfigMap => format!("{}/{name}", self.as_str()),
        }
    }

    fn of(word: &str) -> Option<Self> {
        let own = word
            .strip_suffix(GROUP)
            .and_then(|word| word.strip_suffix('.'));
        let word = own.unwrap_or(word).to_ascii_lowercase();
        let meant = |kind: &Self| kind.words().contains(&&*word);
        ALL.into_iter().find(meant)
    }
}

/// What the words mean.
pub fn meant(words: &[String]) -> Result<Meant, Error> {
    let (kind, rest) = match words.split_first() {
        Some((first, rest)) => match Kind::of(first) {
            Some(kind) => (Some(kind), rest),
            None => (None, words),
        },
        None => (None, words),
    };
    let mut found = kind;
    let mut names = Vec::new();
    for word in rest {
        let Some((prefix, name)) = word.split_once('/') else {
            names.push(word.clone());
            found.get_or_insert(Kind::Bottle);
            continue;
        };
        // One that is no kind may be a path that somebody tries: the rule about names has the word for it.
        let Some(of_name) = Kind::of(prefix) else {
            names.push(word.clone());
            found.get_or_insert(Kind::Bottle);
            continue;
        };
        if *found.get_or_insert(of_name) != of_name {
            return Err(Error::Usage(format!(
                "{word} is of another kind than what stands before it: name one kind at a time"
            )));
        }
        names.push(name.to_owned());
    }
    Ok(Meant {
        kind: found.unwrap_or(Kind::Bottle),
        names,
    })
}

/// The one object that the words mean.
pub fn one(words: &[String]) -> Result<(Kind, String), Error> {
    let Meant { kind, names } = meant(words)?;
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok((kind, name)),
        Err(_) => Err(Error::Usage(format!(
            "name one {}: `bottle get {}` lists them",
            kind.as_str(),
            kind.words()[0]
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> Result<(Kind, String), String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        meant(&words)
            .map(|meant| (meant.kind, meant.names.join(" ")))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_alone_are_bottles_and_kinds_are_named_as_kubectl_names_them() {
        for (words, kind, names) in [
            ("", Kind::Bottle, ""),
            ("blue green", Kind::Bottle, "blue green"),
            ("bottles", Kind::Bottle, ""),
            ("bottle bottle", Kind::Bottle, "bottle"),
            ("btc", Kind::Class, ""),
            ("BottleClass small", Kind::Class, "small"),
            (
                "bottleclass/small bottleclass/large",
                Kind::Class,
                "small large",
            ),
            ("bottleclass.bot-bottle.dev/small", Kind::Class, "small"),
            ("cm", Kind::ConfigMap, ""),
            ("configmap/fly", Kind::ConfigMap, "fly"),
            ("bottle/bottleclass", Kind::Bottle, "bottleclass"),
            ("../../etc", Kind::Bottle, "../../etc"),
        ] {
            assert_eq!(said(words), Ok((kind, names.to_owned())), "{words}");
        }
    }

    #[test]
    fn two_kinds_at_once_are_refused() {
        for words in ["blue bottleclass/small", "bottleclass bottle/blue"] {
            assert!(said(words).is_err(), "{words}");
        }
    }

    #[test]
    fn what_is_printed_can_be_said() {
        for kind in ALL {
            let words = [kind.shown("x")];
            assert_eq!(one(&words).unwrap(), (kind, "x".to_owned()));
        }
    }
}
