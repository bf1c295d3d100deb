//! Free space.

use std::path::Path;

use sysinfo::{Disk, Disks};

/// Bytes free where `folder` lies or will lie, where the system tells.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|path| path.exists())?;
    let there = there.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let around = |disk: &&Disk| there.starts_with(disk.mount_point());
    let deepest = |disk: &&Disk| disk.mount_point().as_os_str().len();
    let disk = disks.iter().filter(around).max_by_key(deepest)?;
    Some(disk.available_space())
}
