//! CORE: tar archives with one entry, as the daemon takes them.

/// Bytes of a block.
const BLOCK: usize = 512;

/// One directory of that owner.
pub(super) fn directory(name: &str, user: u32) -> Vec<u8> {
    let mut archive = header(&format!("{name:.90}/"), b'5', 0o700, user, 0);
    finish(&mut archive);
    archive
}

/// One file, root's.
pub(super) fn file(name: &str, text: &str) -> Vec<u8> {
    let mut archive = header(&format!("{name:.90}"), b'0', 0o644, 0, text.len());
    archive.extend(text.as_bytes());
    finish(&mut archive);
    archive
}

fn header(name: &str, kind: u8, mode: u32, user: u32, length: usize) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}\0"));
    put(108, &format!("{user:07o}\0"));
    put(116, &format!("{user:07o}\0"));
    put(124, &format!("{length:011o}\0"));
    put(136, "00000000000\0");
    // The sum counts its own field as blanks.
    put(148, "        ");
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.to_vec()
}

/// To whole blocks, and two empty ones.
fn finish(archive: &mut Vec<u8>) {
    let blocks = archive.len().div_ceil(BLOCK) + 2;
    archive.resize(blocks * BLOCK, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    fn tar(archive: &[u8], flags: &str) -> String {
        let mut tar = Command::new("tar")
            .args([flags, "--numeric-owner"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(archive).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_archives_are_ones_that_tar_reads() {
        let text = tar(&directory("home", 61_000), "-tv");
        assert!(text.starts_with("drwx------ 61000/61000"), "{text}");
        assert!(text.trim_end().ends_with("home/"), "{text}");
        for length in [0, 11, 512, 513] {
            let said = "a".repeat(length);
            assert_eq!(tar(&file("Dockerfile", &said), "-xO"), said);
        }
    }
}
