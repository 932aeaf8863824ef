//! What the operating system says about the place we run in.

use std::path::{Path, PathBuf};

/// File systems behind a network. SQLite's locks and its shared memory do not work on them.
const OF_NETWORKS: [&str; 17] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.ceph",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.rclone",
    "gfs2",
    "ocfs2",
    "lustre",
    "ncpfs",
];

/// What is told of the machine. Handed in, so that a check can be shown any machine.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// `mainstay.env`, where it is there.
    pub env_file: Option<PathBuf>,
    /// `/proc/self/mountinfo`, where there is one.
    pub mountinfo: Option<String>,
    /// Bytes that are free where the SQLite file is.
    pub free_bytes: Option<u64>,
}

impl Machine {
    /// This machine, as seen from `directory` with a database at `database`.
    pub fn of_process(directory: &Path, database: Option<&Path>) -> Self {
        let env_file = Some(directory.join(crate::config::ENV_FILE)).filter(|path| path.exists());
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").ok();
        Self { env_file, mountinfo, free_bytes: database.and_then(free_bytes) }
    }

    /// The kind of file system that holds `path`, where it is one behind a network. None where that is not known.
    pub(super) fn network_disk(&self, path: &Path) -> Option<&str> {
        let kind = file_system(self.mountinfo.as_deref()?, path)?;
        Some(kind).filter(|kind| OF_NETWORKS.contains(kind))
    }
}

#[cfg(unix)]
fn free_bytes(database: &Path) -> Option<u64> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let seen = rustix::fs::statvfs(folder).ok()?;
    Some(seen.f_bavail.saturating_mul(seen.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The kind of the file system mounted nearest above `path` (source: proc_pid_mountinfo(5)).
fn file_system<'a>(mountinfo: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        let depth = Path::new(&point).components().count();
        // Of two mounts on one point the later hides the earlier, and `max_by_key` takes the last.
        path.starts_with(&point).then(|| source.split(' ').next().map(|kind| (depth, kind)))?
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_above_a_path_says_what_it_lies_on() {
        let mountinfo = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:40 / /srv rw - tmpfs tmpfs rw
40 22 0:50 / /srv rw,relatime shared:2 - nfs4 nas:/srv rw,vers=4.2
41 22 8:2 / /srv/our\\040data rw - xfs /dev/sdb1 rw
42 22 8:2 / /srv2 rw - cifs //nas/srv2 rw
";
        for (path, kind) in [
            ("/var/lib/mainstay/m.db", "ext4"),
            ("/srv/m.db", "nfs4"),
            ("/srv/our data/m.db", "xfs"),
            ("/srv2/m.db", "cifs"),
            ("/srv22/m.db", "ext4"),
        ] {
            assert_eq!(file_system(mountinfo, Path::new(path)), Some(kind), "{path}");
        }
        let machine = Machine { mountinfo: Some(mountinfo.to_owned()), ..Machine::default() };
        assert_eq!(machine.network_disk(Path::new("/srv/m.db")), Some("nfs4"));
        assert_eq!(machine.network_disk(Path::new("/srv/our data/m.db")), None);
        assert_eq!(Machine::default().network_disk(Path::new("/srv/m.db")), None);
    }
}
