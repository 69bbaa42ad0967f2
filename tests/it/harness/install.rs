//! The ways in which files get into a folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Writes beside the folder and renames into it: whoever looks sees the old file or the new one.
pub fn replace(file: &Path, content: &[u8]) {
    let folder = file.parent().and_then(Path::parent).expect("a folder");
    let mut unfinished = tempfile::NamedTempFile::new_in(folder).expect("a temporary file");
    unfinished.write_all(content).expect("room on the disk");
    unfinished.persist(file).expect("a rename in one folder");
}

/// Writes over what is there, piece by piece, as `cp` does.
pub fn overwrite(file: &Path, content: &[u8]) {
    let mut file = fs::File::create(file).expect("the file can be written");
    for piece in content.chunks(64 * 1024) {
        file.write_all(piece).expect("room on the disk");
    }
}

/// Points a symbolic link somewhere else in one step, as Kubernetes does with what it mounts.
pub fn point(link: &Path, target: &Path) {
    let name = link.file_name().expect("a name").to_string_lossy();
    let new = link.with_file_name(format!(".{name}.new"));
    symlink(target, &new).expect("a link can be made");
    fs::rename(&new, link).expect("a rename in one folder");
}
