//! The lock of a bottle's keeper. The kernel gives it up with the process that holds it, but not in the same moment: who
//! was killed may hold it for a little longer, and whoever looks then must not take it for one that works.

use super::{Error, state::open_lock};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// For so long one that was killed is waited for.
const DYING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Whether a process that works holds the lock.
pub(super) fn is_held(path: &Path) -> bool {
    // Held by nobody, or never made: nobody keeps it.
    File::open(path).is_ok_and(|file| file.try_lock().is_err() && !is_dying(file))
}

/// Takes the lock until the file is dropped; none while a process that works holds it.
pub(super) fn take(path: &Path) -> Result<Option<File>, Error> {
    let mut file = open_lock(path)?;
    let until = Instant::now() + DYING;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(fs::TryLockError::WouldBlock) if !is_held(path) && Instant::now() < until => {
                sleep(PAUSE);
            }
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
        }
    }
    sign(&mut file).map_err(Error::file("write", path))?;
    Ok(Some(file))
}

/// Says who holds it.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

/// A process that has no program any more has ended, however long the kernel takes to clean up after it.
fn is_dying(mut holder: File) -> bool {
    let mut text = String::new();
    let Ok(_) = holder.read_to_string(&mut text) else {
        return false;
    };
    let Ok(pid) = text.trim().parse::<u32>() else {
        return false;
    };
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    program.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        && fs::read_link("/proc/self/exe").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_processes_and_who_has_ended_holds_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        assert!(!is_held(&path));
        let held = take(&path).unwrap().unwrap();
        assert!(is_held(&path));
        assert!(take(&path).unwrap().is_none());
        // As if it were another's, who has ended: no process has this number.
        held.set_len(0).unwrap();
        fs::write(&path, u32::MAX.to_string()).unwrap();
        assert!(!is_held(&path));
        let late = std::thread::spawn(move || {
            sleep(Duration::from_millis(50));
            drop(held);
        });
        assert!(take(&path).unwrap().is_some());
        late.join().unwrap();
    }
}
