//! Small disks, mounted where nobody but the test and its hubs sees them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells a test that it runs out of everybody else's sight already.
const HIDDEN: &str = "LARDER_TEST_HIDDEN";

/// Runs a test, given by its full name, where what it mounts is seen by itself and its children only.
///
/// # Panics
/// When it fails there, with what it said.
#[track_caller]
pub fn hidden(test: &str, body: impl FnOnce()) {
    if std::env::var_os(HIDDEN).is_some() {
        return body();
    }
    let ourselves = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]).arg(ourselves);
    command.args(["--exact", test, "--nocapture"]).env(HIDDEN, "1");
    let output = command.output().expect("unshare");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// A disk of a few megabytes that can be filled to its last byte.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one at this path, in a test that is [`hidden`].
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[track_caller]
    pub fn mount(at: &Path, megabytes: u32) -> Self {
        fs::create_dir_all(at).expect("a folder to mount at");
        let size = format!("size={megabytes}m,mode=0700");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a small disk");
        Self { at: at.to_owned() }
    }

    /// Fills it.
    ///
    /// # Panics
    /// When writing fails for another reason than that it is full.
    #[track_caller]
    pub fn fill(&self) {
        let options = File::options().create(true).append(true).open(self.ballast());
        let mut ballast = options.expect("a file to fill the disk with");
        for size in [64 * 1024, 4096, 1] {
            let bytes = vec![b'x'; size];
            let full = loop {
                match ballast.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        }
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When it was not filled.
    #[track_caller]
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("what filled the disk");
    }

    /// Lets nobody write to it, or everybody again. Nobody may be writing.
    ///
    /// # Panics
    /// When somebody is.
    #[track_caller]
    pub fn set_writable(&self, writable: bool) {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        let mounted = Command::new("mount").args(["-o", options]).arg(&self.at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "{options}");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}
