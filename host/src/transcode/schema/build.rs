//! From the bytes of a set to a schema.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prost::Message;
use prost_reflect::DescriptorPool;

use super::canonical::Canonical;
use super::proto::{File, Set};
use super::rules::{self, MethodOptions};
use super::{HttpRule, IMPORTS_MAX, Method, Schema, SchemaError, check, read};

pub(super) fn schema(set: &[u8]) -> Result<Schema, SchemaError> {
    let own = DescriptorPool::global();
    let mut canonical = Canonical::new();
    let mut files: Vec<File> = Vec::new();
    let mut encoded: HashMap<String, &[u8]> = HashMap::new();
    for bytes in read::files(set)? {
        let mut file = read::decode(bytes)?;
        if own.get_file_by_name(&file.name).is_some() {
            continue;
        }
        // Sets that were put together hold what they share more than once.
        match encoded.insert(file.name.clone(), bytes) {
            None => {
                canonical.file(&mut file)?;
                files.push(file);
            }
            Some(before) if before == bytes => {}
            Some(_) => {
                let place = format!("the file \"{}\"", file.name.escape_debug());
                return Err(SchemaError::Invalid { place, reason: "in the set twice, and differently".to_owned() });
            }
        }
    }
    import(&mut files, &own)?;
    let options = method_options(&files)?;
    // Comments come last: an error of the library looks through all of them for where it is.
    let sources: Vec<_> = files.iter_mut().map(|file| file.source.take()).collect();
    let mut set = Set { files };
    let mut pool = pool(&own, &set)?;
    check::check(&pool)?;
    if sources.iter().any(Option::is_some) {
        for (file, source) in set.files.iter_mut().zip(sources) {
            file.source = source;
        }
        pool = self::pool(&own, &set)?;
    }
    Ok(methods(pool, options))
}

fn pool(own: &DescriptorPool, set: &Set) -> Result<DescriptorPool, SchemaError> {
    let mut pool = own.clone();
    pool.decode_file_descriptor_set(set.encode_to_vec().as_slice()).map_err(|error| {
        let place = match error.file() {
            Some(file) => format!("the file \"{}\"", file.escape_debug()),
            None => "the descriptors".to_owned(),
        };
        SchemaError::Invalid { place, reason: error.to_string() }
    })?;
    Ok(pool)
}

/// Lets each file import what the public imports of its imports make visible, and forgets imports that are missing.
fn import(files: &mut [File], own: &DescriptorPool) -> Result<(), SchemaError> {
    let indices: HashMap<String, usize> =
        files.iter().enumerate().map(|(index, file)| (file.name.clone(), index)).collect();
    let mut left = IMPORTS_MAX;
    let mut imports = Vec::with_capacity(files.len());
    let public: Vec<Vec<&str>> = files
        .iter()
        .map(|file| {
            let index = |index: &i32| usize::try_from(*index).ok().and_then(|index| file.imports.get(index));
            let mut public: Vec<&str> = file.public_imports.iter().filter_map(index).map(String::as_str).collect();
            public.sort_unstable();
            public.dedup();
            public
        })
        .collect();
    for file in files.iter() {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut open: Vec<&str> = file.imports.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            left = left.checked_sub(1).ok_or_else(|| SchemaError::TooMuch {
                place: "the descriptors".to_owned(),
                what: "imports",
                max: IMPORTS_MAX,
            })?;
            if name == file.name || !seen.insert(name) {
                continue;
            }
            if let Some(index) = indices.get(name) {
                open.extend(public.get(*index).into_iter().flatten());
                found.push(name.to_owned());
            } else if own.get_file_by_name(name).is_some() {
                found.push(name.to_owned());
            }
        }
        found.sort_unstable();
        imports.push(found);
    }
    for (file, imports) in files.iter_mut().zip(imports) {
        file.imports = imports;
        file.public_imports = Vec::new();
    }
    Ok(())
}

/// The options of the methods that have any, by path.
fn method_options(files: &[File]) -> Result<HashMap<String, (bool, Vec<HttpRule>)>, SchemaError> {
    let mut all = HashMap::new();
    for file in files {
        for service in &file.services {
            for method in &service.methods {
                let Some(options) = &method.options else { continue };
                let path = rules::path(&file.package, &service.name, &method.name)?;
                let options = MethodOptions::read(options, &path)?;
                let rules = options.rules(&path)?;
                all.insert(path, (options.no_side_effects(), rules));
            }
        }
    }
    Ok(all)
}

fn methods(pool: DescriptorPool, mut options: HashMap<String, (bool, Vec<HttpRule>)>) -> Schema {
    let mut methods = Vec::new();
    for service in pool.services() {
        for descriptor in service.methods() {
            let path = format!("/{}/{}", service.full_name(), descriptor.name());
            let (no_side_effects, rules) = options.remove(&path).unwrap_or_default();
            methods.push(Arc::new(Method {
                path: path.into(),
                input: descriptor.input(),
                output: descriptor.output(),
                client_streaming: descriptor.is_client_streaming(),
                server_streaming: descriptor.is_server_streaming(),
                no_side_effects,
                rules,
                descriptor,
            }));
        }
    }
    methods.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let by_path = methods.iter().map(|method| (Arc::clone(&method.path), Arc::clone(method))).collect();
    Schema { pool, methods, by_path }
}
