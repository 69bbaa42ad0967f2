//! Names of interfaces: `wasi:http/handler@0.3.0`.

use super::Door;

/// A name taken apart. The version keeps its pre-release part.
struct Interface<'n> {
    /// `wasi:http`
    package: &'n str,
    /// `handler`
    name: &'n str,
    /// `0.3.0`
    version: &'n str,
}

fn parse(name: &str) -> Option<Interface<'_>> {
    let (package, rest) = name.split_once('/')?;
    let (name, version) = rest.split_once('@')?;
    Some(Interface { package, name, version })
}

/// The door that an exported instance of this name is.
///
/// Within `0.x`, a patch release is compatible and a pre-release is not.
pub(super) fn door(export: &str) -> Option<Door> {
    let interface = parse(export)?;
    let (door, series) = match (interface.package, interface.name) {
        ("hostel:service", "handler") => (Door::Lean, "0.2."),
        ("wasi:http", "handler") => (Door::Http03, "0.3."),
        ("wasi:http", "incoming-handler") => (Door::Http02, "0.2."),
        _ => return None,
    };
    let patch = interface.version.strip_prefix(series)?;
    patch.parse::<u32>().is_ok().then_some(door)
}

/// The packages that are released together as WASI 0.2 and 0.3.
const WASI_PACKAGES: [&str; 7] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];

/// The version of WASI that a name speaks of.
pub(super) fn wasi_version(name: &str) -> Option<&str> {
    let interface = parse(name)?;
    WASI_PACKAGES.contains(&interface.package).then_some(interface.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors() {
        for (name, expected) in [
            ("hostel:service/handler@0.2.0", Some(Door::Lean)),
            ("hostel:service/handler@0.2.17", Some(Door::Lean)),
            ("hostel:service/handler@0.1.0", None),
            ("hostel:service/handler@0.3.0", None),
            ("hostel:service/handler", None),
            ("hostel:service/client@0.2.0", None),
            ("wasi:http/handler@0.3.0", Some(Door::Http03)),
            ("wasi:http/handler@0.3.0-rc-2025-09-16", None),
            ("wasi:http/handler@0.2.0", None),
            ("wasi:http/handler@0.30.0", None),
            ("wasi:http/incoming-handler@0.2.6", Some(Door::Http02)),
            ("wasi:http/incoming-handler@0.3.0", None),
            ("wasi:http/incoming-handler@0.2.", None),
            ("wasi:cli/run@0.2.6", None),
            ("run", None),
            ("", None),
        ] {
            assert_eq!(door(name), expected, "{name}");
        }
    }

    #[test]
    fn wasi_versions() {
        assert_eq!(wasi_version("wasi:io/streams@0.2.6"), Some("0.2.6"));
        assert_eq!(wasi_version("wasi:cli/run@0.3.0-rc-1"), Some("0.3.0-rc-1"));
        assert_eq!(wasi_version("wasi:keyvalue/store@0.2.0-draft"), None);
        assert_eq!(wasi_version("hostel:service/client@0.2.0"), None);
        assert_eq!(wasi_version("wasi:io/streams"), None);
    }
}
