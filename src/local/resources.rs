//! CORE: what an agent may use of this machine, from `agent.resources`.
//!
//! Limits are kept by the kernel, as in a cluster. Requests are a word to a scheduler, which keeps that much of a node
//! free: a machine without one, that gives nobody's share away, is all there for each bottle.

use crate::api::Resources;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// What the kernel keeps an agent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; swap would be beside it, so there is none.
    pub memory: Option<i64>,
    /// Microseconds of CPU in each [`PERIOD`].
    pub cpu: Option<i64>,
}

/// In microseconds: the kernel's own, which a kubelet takes too.
pub const PERIOD: i64 = 100_000;
/// The kernel takes no less for a period.
const QUOTA_MIN: i64 = 1_000;

/// A part of it that can't be kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unkept {
    /// Its path below `resources`.
    pub field: String,
    /// What to do.
    pub hint: &'static str,
}

/// The limits; each other word is one that can't be kept, or one that is kept by itself.
pub fn read(resources: &Resources) -> Result<Limits, Unkept> {
    let mut limits = Limits::default();
    for (name, quantity) in &resources.limits {
        let field = || format!("limits.{name}");
        let unreadable = || Unkept {
            field: field(),
            hint: "write a quantity such as 500m, 2, 512Mi or 4Gi",
        };
        match &**name {
            "memory" => limits.memory = Some(units(quantity, 1).ok_or_else(unreadable)?),
            "cpu" => {
                let micro = units(quantity, PERIOD).ok_or_else(unreadable)?;
                limits.cpu = Some(micro.max(QUOTA_MIN));
            }
            _ => {
                return Err(Unkept {
                    field: field(),
                    hint: "only cpu and memory are kept; remove it, or run the Bottle in a cluster",
                });
            }
        }
    }
    // Of these every machine has some; a device it may not have.
    let whole = ["cpu", "memory", "ephemeral-storage"];
    match resources
        .requests
        .keys()
        .find(|name| !whole.contains(&&***name))
    {
        None => Ok(limits),
        Some(name) => Err(Unkept {
            field: format!("requests.{name}"),
            hint: "nobody hands it out here; remove it, or run the Bottle in a cluster",
        }),
    }
}

/// The same, as a container has it.
pub fn of(limits: Option<&BTreeMap<String, Quantity>>) -> Result<Limits, Unkept> {
    read(&Resources {
        limits: limits.cloned().unwrap_or_default(),
        ..Resources::default()
    })
}

/// A quantity of Kubernetes in units of 1/`per`, rounded up as there.
fn units(quantity: &Quantity, per: i64) -> Option<i64> {
    let text = quantity.0.as_str();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let (factor, divisor) = scale(suffix)?;
    let divisor = divisor.checked_mul(10_i128.checked_pow(places)?)?;
    let scaled = digits.checked_mul(factor)?.checked_mul(per.into())?;
    let up = scaled.checked_add(divisor - 1)? / divisor;
    i64::try_from(up).ok().filter(|value| *value > 0)
}

/// What a suffix stands for, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let decimal = |power: u32| Some((10_i128.checked_pow(power)?, 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "" => Some((1, 1)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => Some((1 << 10, 1)),
        "Mi" => Some((1 << 20, 1)),
        "Gi" => Some((1 << 30, 1)),
        "Ti" => Some((1 << 40, 1)),
        "Pi" => Some((1 << 50, 1)),
        "Ei" => Some((1 << 60, 1)),
        _ => {
            let power = suffix.strip_prefix(['e', 'E'])?;
            match power.strip_prefix('-') {
                Some(power) => Some((1, 10_i128.checked_pow(power.parse().ok()?)?)),
                None => decimal(power.strip_prefix('+').unwrap_or(power).parse().ok()?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(pairs: &[(&str, &str)]) -> Resources {
        let pair = |(name, text): &(&str, &str)| ((*name).to_owned(), Quantity((*text).to_owned()));
        Resources {
            limits: pairs.iter().map(pair).collect(),
            ..Resources::default()
        }
    }

    #[test]
    fn every_way_to_write_a_quantity_is_read_and_rounded_up() {
        for (text, bytes) in [
            ("512Mi", 512 << 20),
            ("1.5Gi", 3 << 29),
            ("64M", 64_000_000),
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("12E3", 12_000),
            ("123456789m", 123_457),
            ("1E", 1_000_000_000_000_000_000),
            (".5Ki", 512),
        ] {
            let read = read(&limits(&[("memory", text)]));
            assert_eq!(read.map(|limits| limits.memory), Ok(Some(bytes)), "{text}");
        }
        for (text, micro) in [
            ("1", 100_000),
            ("250m", 25_000),
            ("0.5", 50_000),
            ("2.25", 225_000),
            ("1m", 1_000),
            ("100u", 1_000),
        ] {
            let read = read(&limits(&[("cpu", text)]));
            assert_eq!(read.map(|limits| limits.cpu), Ok(Some(micro)), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_or_not_kept_is_named() {
        for text in [
            "", "Mi", "1.2.3", "-1", "1 Gi", "1gi", "0", "1e99", "9Ei9", "1e", "..",
        ] {
            let error = read(&limits(&[("memory", text)])).unwrap_err();
            assert_eq!(error.field, "limits.memory", "{text}");
        }
        let disk = read(&limits(&[("ephemeral-storage", "1Gi")])).unwrap_err();
        assert_eq!(disk.field, "limits.ephemeral-storage");
        let mut devices = limits(&[("cpu", "1")]);
        let request = |name: &str| (name.to_owned(), Quantity("1".into()));
        devices.requests = ["cpu", "memory", "ephemeral-storage"].map(request).into();
        assert!(read(&devices).is_ok());
        devices.requests.extend([request("example.com/gpu")]);
        assert_eq!(
            read(&devices).unwrap_err().field,
            "requests.example.com/gpu"
        );
    }
}
