//! The image's certificate authorities and the company's in one file, for the programs that read one file only.

use super::home::{Home, open};
use crate::config::remarks::{Remark, Word};
use crate::config::seal::Authorities;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Where the distributions keep theirs; the first that is there counts.
const OF_THE_IMAGE: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// All the authorities of the world have some hundred KiB.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Writes the bundle anew; what went wrong, which never keeps the agent from starting: its programs then say it
/// themselves, each in its own words.
pub fn place(authorities: &Authorities, home: &Home) -> Option<Remark> {
    let images = OF_THE_IMAGE
        .iter()
        .map(Path::new)
        .find(|path| path.exists());
    let bundle = match bundle(images, Path::new(&authorities.extra)) {
        Ok(bundle) => bundle,
        Err(error) => {
            let path = &authorities.extra;
            let text = format!("the certificates {path} of egress.caBundle: {error}");
            return Some(Remark::new(Word::CertificatesUnread, text));
        }
    };
    let error = home.set_own(&authorities.bundle, &bundle).err()?;
    let text = format!("the certificates could not be written: {error}");
    Some(Remark::new(Word::CertificatesUnread, text))
}

/// The image's first. One that can't be read is as good as none.
fn bundle(images: Option<&Path>, extra: &Path) -> io::Result<Vec<u8>> {
    let mut bundle = Vec::new();
    // It may be a link, as in Red Hat's images; it is the image's, and read with the agent's rights.
    if let Some(path) = images.and_then(|path| fs::canonicalize(path).ok())
        && let Ok(file) = open(&path)
        && file.take(SIZE_MAX).read_to_end(&mut bundle).is_err()
    {
        bundle.clear();
    }
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    // A file of a mounted ConfigMap is a link, too.
    bundle.extend(fs::read(extra)?);
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_own_come_first_and_each_begins_a_line() {
        let place = tempfile::tempdir().unwrap();
        let (image, extra) = (place.path().join("image"), place.path().join("extra"));
        fs::write(&image, "image").unwrap();
        fs::write(&extra, "extra\n").unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&image, &link).unwrap();
        assert_eq!(bundle(Some(&link), &extra).unwrap(), b"image\nextra\n");
        assert_eq!(bundle(None, &extra).unwrap(), b"extra\n");
    }

    #[test]
    fn missing_certificates_are_named_and_nothing_is_written() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::open(place.path()).unwrap();
        let missing = place.path().join("ca.crt").display().to_string();
        let authorities = Authorities {
            extra: missing.clone(),
            bundle: "ca-bundle.crt".into(),
        };
        let remark = super::place(&authorities, &home).unwrap();
        assert!(remark.text.contains(&missing));
        assert!(home.own("ca-bundle.crt").is_none());
    }
}
