//! The code of a module: compiled, and in memory.

use std::path::Path;

use rustix::mm::Advice;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled code.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) component: Component,
    /// Whether it is mapped from a file.
    mapped: bool,
}

impl Code {
    /// Code that the compiler has left in memory.
    pub(super) fn in_memory(component: Component) -> Self {
        Self { component, mapped: false }
    }

    /// Code from its file in the cache, which is mapped. `None` when it does not load.
    pub(super) fn map(engine: &Engine, path: &Path) -> Option<Self> {
        // SAFETY: the cache names only entries whose checksum is right, in a directory that only this user can write. They
        // were made by `Component::serialize`, for this engine's compatibility hash, and are replaced but never changed.
        #[allow(unsafe_code, reason = "loading compiled code is what a cache of compiled code is for")]
        let loaded = unsafe { Component::deserialize_file(engine, path) };
        let component = loaded.inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "a compiled module does not load; compiling it again");
        });
        Some(Self { component: component.ok()?, mapped: true })
    }

    /// Takes the code out of this process's memory until it runs again. It stays with the system's copies of files, from
    /// where it comes back a few pages at a time, some microseconds each; code that is in no file stays.
    pub(super) fn release(&self) {
        if !self.mapped {
            return;
        }
        let image = self.component.image_range();
        let len = image.end.addr().saturating_sub(image.start.addr());
        // SAFETY: this range is a private mapping of a file as a whole, which begins at a page. wasmtime refuses files with
        // relocations and makes the mapping read-only when it is loaded, so its pages are those of the file, and whoever
        // reads one that is dropped, or runs it, gets the same bytes again.
        #[allow(unsafe_code, reason = "the advice is about memory that wasmtime owns")]
        let advised = unsafe { rustix::mm::madvise(image.start.cast_mut().cast(), len, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            tracing::debug!(%error, "cannot release the code of an idle module");
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Store;
    use wasmtime::component::Linker;

    use super::*;

    /// The pages of mappings of a file that this process has in memory, in KiB.
    fn resident_kib(path: &Path) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut of_file = false;
        let mut sum = 0;
        for line in maps.lines() {
            match line.strip_prefix("Rss:") {
                Some(rest) if of_file => sum += rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap(),
                Some(_) => {}
                None if line.contains('-') => of_file = line.ends_with(path.to_str().unwrap()),
                None => {}
            }
        }
        sum
    }

    #[test]
    fn released_code_is_out_of_memory_and_still_runs() {
        let text = "(component
            (core module $m (func (export \"f\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
            (core instance $i (instantiate $m))
            (func (export \"f\") (param \"x\" u32) (result u32) (canon lift (core func $i \"f\"))))";
        let engine = Engine::default();
        let compiled = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.cwasm");
        std::fs::write(&path, compiled.serialize().unwrap()).unwrap();

        let code = Code::map(&engine, &path).unwrap();
        let answer = |x: u32| {
            let mut store = Store::new(&engine, ());
            let instance = Linker::new(&engine).instantiate(&mut store, &code.component).unwrap();
            instance.get_typed_func::<(u32,), (u32,)>(&mut store, "f").unwrap().call(&mut store, (x,)).unwrap().0
        };
        assert_eq!(answer(1), 2);
        assert!(resident_kib(&path) > 0);
        code.release();
        assert_eq!(resident_kib(&path), 0);
        assert_eq!(answer(2), 3);
        assert!(resident_kib(&path) > 0);

        let in_memory = Code::in_memory(compiled);
        in_memory.release();
        let mut store = Store::new(&engine, ());
        Linker::new(&engine).instantiate(&mut store, &in_memory.component).unwrap();
    }
}
