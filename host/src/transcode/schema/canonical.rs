//! A file as the library can read it: checked, without what is not needed, and as proto2 or proto3.

use std::collections::{HashMap, HashSet};

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::features::{Features, Presence};
use super::proto::{
    EDITIONS, Enum, Field, File, LABEL_REPEATED, LABEL_REQUIRED, Location, Msg, Service, SourceInfo, TYPE_BYTES,
    TYPE_GROUP, TYPE_MAX, TYPE_MESSAGE, TYPE_STRING,
};
use super::{
    COMMENTS_MAX, DEFAULT_BYTES_MAX, EXTENSIONS_MAX, NAME_BYTES_MAX, NAMES_BYTES_MAX, ONEOF_FIELDS_MAX,
    OPTIONS_BYTES_MAX, SchemaError, read,
};

/// Options as a parser of `.proto` files leaves them before it knows what they mean.
const UNINTERPRETED: u32 = 999;

/// The package that is the host's own.
const PROTOBUF: &str = "google.protobuf";

/// What is counted over all files of a set.
pub(super) struct Canonical {
    names_left: usize,
    comments_left: usize,
    /// How many extensions a message has, and which.
    extended: HashMap<String, HashSet<i32>>,
}

/// Where in a file the work is.
struct Place<'a> {
    file: &'a str,
    /// With the package and the messages around.
    scope: String,
    /// `None` in proto2 and proto3, which choose nothing.
    features: Option<Features>,
    /// Names in JSON that clash are allowed, and told apart here.
    may_clash: bool,
}

impl Canonical {
    pub(super) fn new() -> Self {
        Self { names_left: NAMES_BYTES_MAX, comments_left: COMMENTS_MAX, extended: HashMap::new() }
    }

    /// Rewrites a file in place. Imports are left to the caller.
    pub(super) fn file(&mut self, file: &mut File) -> Result<(), SchemaError> {
        let name = file.name.clone();
        let is_file_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        if !is_file_name {
            let place = format!("the file \"{}\"", name.chars().take(40).collect::<String>().escape_debug());
            return Err(SchemaError::Invalid {
                place,
                reason: format!("its name is empty or longer than {NAME_BYTES_MAX} bytes"),
            });
        }
        let mut place = Place { file: &name, scope: file.package.clone(), features: None, may_clash: true };
        if !file.package.is_empty() && !file.package.split('.').all(is_identifier) {
            return Err(place.invalid("its package is not made of identifiers"));
        }
        self.name(&place, file.package.len())?;
        if file.package == PROTOBUF {
            return Err(place.invalid("the package google.protobuf is protobuf's own"));
        }
        match file.syntax.as_deref() {
            None | Some("" | "proto2") => file.syntax = None,
            Some("proto3") => place.may_clash = false,
            Some(EDITIONS) => {
                let base = Features::of_edition(file.edition.unwrap_or_default()).map_err(|why| place.invalid(&why))?;
                place.features = Some(base.in_file(file.options.as_deref())?);
            }
            Some(_) => return Err(place.invalid("its syntax is not proto2, proto3 or editions")),
        }
        options(&place, &mut file.options)?;
        let mut has_implicit = false;
        for message in &mut file.messages {
            has_implicit |= self.message(&place, message)?;
        }
        for definition in &mut file.enums {
            self.enumeration(&place, definition)?;
        }
        for service in &mut file.services {
            self.service(&place, service)?;
        }
        self.extensions(&place, &mut file.extensions)?;
        if place.features.is_some() {
            // Every field of a proto2 file has presence. In a proto3 file each can say whether it has.
            file.syntax = has_implicit.then(|| "proto3".to_owned());
            file.edition = None;
        }
        file.source = self.comments(file.source.as_deref())?;
        Ok(())
    }

    /// Whether a field of it, or in it, has no presence though it is a single one.
    fn message(&mut self, outer: &Place<'_>, message: &mut Msg) -> Result<bool, SchemaError> {
        self.definition(outer, &message.name)?;
        let mut place = outer.inside(&message.name);
        let features = outer.features.map(|features| features.in_message(message.options.as_deref()));
        place.features = features.transpose()?;
        let is_entry = is_map_entry(message.options.as_deref())?;
        options(&place, &mut message.options)?;
        if message.ranges.len() > EXTENSIONS_MAX {
            return Err(place.too_much("ranges of extensions", EXTENSIONS_MAX));
        }
        let mut entries = HashSet::new();
        for inner in &message.messages {
            if is_map_entry(inner.options.as_deref())? {
                entries.insert(format!(".{}.{}", place.scope, inner.name));
            }
        }
        let mut has_implicit = false;
        let mut members = vec![0_usize; message.oneofs.len()];
        let mut of_oneofs = Vec::with_capacity(message.oneofs.len());
        for oneof in &mut message.oneofs {
            self.definition(&place, &oneof.name)?;
            of_oneofs.push(place.features.map(|features| features.in_oneof(oneof.options.as_deref())).transpose()?);
            options(&place, &mut oneof.options)?;
        }
        for field in &mut message.fields {
            field.extendee = None;
            let mut features = place.features;
            if let Some(index) = field.oneof {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let count =
                    members.get_mut(index).ok_or_else(|| place.of(&field.name, "in a oneof that is not there"))?;
                *count += 1;
                if *count > ONEOF_FIELDS_MAX {
                    return Err(place.too_much("fields in a oneof", ONEOF_FIELDS_MAX));
                }
                if field.label == Some(LABEL_REPEATED) {
                    return Err(place.of(&field.name, "repeated, and in a oneof"));
                }
                features = of_oneofs.get(index).copied().flatten();
            }
            let is_map = is_entry || field.type_name.as_ref().is_some_and(|name| entries.contains(name));
            has_implicit |= self.field(&place, field, features, is_map)?;
        }
        if place.may_clash {
            tell_json_names_apart(&mut message.fields);
        }
        for inner in &mut message.messages {
            has_implicit |= self.message(&place, inner)?;
        }
        for definition in &mut message.enums {
            self.enumeration(&place, definition)?;
        }
        self.extensions(&place, &mut message.extensions)?;
        Ok(has_implicit && !is_entry)
    }

    /// Whether it has no presence though it is a single one.
    fn field(
        &mut self,
        place: &Place<'_>,
        field: &mut Field,
        features: Option<Features>,
        is_map: bool,
    ) -> Result<bool, SchemaError> {
        self.definition(place, &field.name)?;
        let of = |reason: &str| place.of(&field.name, reason);
        if field.json_name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX) {
            return Err(of("its name in JSON is too long"));
        }
        if field.default_value.as_ref().is_some_and(|default| default.len() > DEFAULT_BYTES_MAX) {
            return Err(of("its default value is too long"));
        }
        if !field.label.is_none_or(|label| (1..=LABEL_REPEATED).contains(&label)) {
            return Err(of("its label is unknown"));
        }
        let type_name = field.type_name.as_deref().unwrap_or_default();
        if !type_name.is_empty() && !is_reference(type_name) {
            return Err(of("its type is not named in full, with a leading dot"));
        }
        let is_named = !type_name.is_empty();
        // Where a type has a name, its kind may be left out.
        let kind = field.kind.unwrap_or(if is_named { TYPE_MESSAGE } else { 0 });
        if !(1..=TYPE_MAX).contains(&kind) {
            return Err(of("its type is unknown"));
        }
        let chosen = features.map(|features| features.in_field(field.options.as_deref())).transpose()?;
        options(place, &mut field.options)?;
        let Some(features) = chosen else { return Ok(false) };
        let is_single = field.label != Some(LABEL_REPEATED);
        let is_message = matches!(kind, TYPE_MESSAGE | TYPE_GROUP);
        if kind == TYPE_MESSAGE && features.is_delimited && !is_map {
            field.kind = Some(TYPE_GROUP);
        }
        if !is_single && !is_message && !matches!(kind, TYPE_STRING | TYPE_BYTES) {
            // `packed`, field 2 of the options: the last one counts.
            field.options.get_or_insert_default().extend([0x10, features.is_packed.into()]);
        }
        if !is_single || field.oneof.is_some() {
            return Ok(false);
        }
        match features.presence {
            Presence::Required => field.label = Some(LABEL_REQUIRED),
            Presence::Implicit if is_message => {}
            Presence::Implicit => return Ok(true),
            Presence::Explicit => {}
        }
        field.proto3_optional = Some(true);
        Ok(false)
    }

    fn extensions(&mut self, place: &Place<'_>, extensions: &mut Vec<Field>) -> Result<(), SchemaError> {
        // What extends options says nothing about messages, and would make reading options costly.
        extensions.retain(|extension| {
            let extendee = extension.extendee.as_deref().unwrap_or_default();
            !extendee.strip_prefix('.').unwrap_or(extendee).starts_with("google.protobuf.")
        });
        for extension in extensions {
            let extendee = extension.extendee.clone().unwrap_or_default();
            if !is_reference(&extendee) {
                return Err(place.of(&extension.name, "what it extends is not named in full, with a leading dot"));
            }
            extension.oneof = None;
            self.field(place, extension, place.features, false)?;
            if extension.label == Some(LABEL_REQUIRED) {
                return Err(place.of(&extension.name, "an extension cannot be required"));
            }
            let numbers = self.extended.entry(extendee).or_default();
            if !numbers.insert(extension.number.unwrap_or_default()) {
                return Err(place.of(&extension.name, "another extension has its number"));
            }
            if numbers.len() > EXTENSIONS_MAX {
                return Err(place.too_much("extensions of a message", EXTENSIONS_MAX));
            }
        }
        Ok(())
    }

    fn enumeration(&mut self, place: &Place<'_>, definition: &mut Enum) -> Result<(), SchemaError> {
        self.definition(place, &definition.name)?;
        options(place, &mut definition.options)?;
        for value in &mut definition.values {
            self.definition(place, &value.name)?;
            options(place, &mut value.options)?;
        }
        Ok(())
    }

    fn service(&mut self, outer: &Place<'_>, service: &mut Service) -> Result<(), SchemaError> {
        self.definition(outer, &service.name)?;
        let place = outer.inside(&service.name);
        options(&place, &mut service.options)?;
        for method in &mut service.methods {
            self.definition(&place, &method.name)?;
            options(&place, &mut method.options)?;
            if !is_reference(&method.input) || !is_reference(&method.output) {
                return Err(place.of(&method.name, "its messages are not named in full, with a leading dot"));
            }
        }
        Ok(())
    }

    /// Checks a name that is defined here.
    fn definition(&mut self, place: &Place<'_>, name: &str) -> Result<(), SchemaError> {
        if name.len() > NAME_BYTES_MAX || !is_identifier(name) {
            let name: String = name.chars().take(40).collect();
            return Err(place.invalid(&format!("\"{}\" is not a name", name.escape_debug())));
        }
        self.name(place, place.scope.len() + 1 + name.len())
    }

    fn name(&mut self, place: &Place<'_>, length: usize) -> Result<(), SchemaError> {
        if length > NAME_BYTES_MAX {
            let place = format!("the file \"{}\"", place.file.escape_debug());
            return Err(SchemaError::TooMuch { place, what: "bytes in a name", max: NAME_BYTES_MAX });
        }
        self.names_left =
            self.names_left.checked_sub(length).ok_or_else(|| place.too_much("bytes of names", NAMES_BYTES_MAX))?;
        Ok(())
    }

    /// What is left of a file's `SourceCodeInfo`: the comments.
    fn comments(&mut self, source: Option<&[u8]>) -> Result<Option<Vec<u8>>, SchemaError> {
        let mut info = SourceInfo { locations: Vec::new() };
        let mut rest = source.unwrap_or_default();
        while let Some((number, content)) = read::next(&mut rest)? {
            let (1, Some(location)) = (number, content) else { continue };
            if self.comments_left == 0 {
                break;
            }
            let location = Location::decode(location).map_err(read::malformed)?;
            if location.leading.is_some() || location.trailing.is_some() {
                info.locations.push(location);
                self.comments_left -= 1;
            }
        }
        Ok((!info.locations.is_empty()).then(|| info.encode_to_vec()))
    }
}

impl<'a> Place<'a> {
    fn inside(&self, name: &str) -> Place<'a> {
        let scope = if self.scope.is_empty() { name.to_owned() } else { format!("{}.{name}", self.scope) };
        Place { scope, ..*self }
    }

    fn describe(&self) -> String {
        match self.scope.as_str() {
            "" => format!("the file \"{}\"", self.file.escape_debug()),
            scope => format!("`{}` in \"{}\"", scope.escape_debug(), self.file.escape_debug()),
        }
    }

    fn invalid(&self, reason: &str) -> SchemaError {
        let place = format!("the file \"{}\"", self.file.escape_debug());
        let place = if self.scope.len() > NAME_BYTES_MAX { place } else { self.describe() };
        SchemaError::Invalid { place, reason: reason.to_owned() }
    }

    fn of(&self, name: &str, reason: &str) -> SchemaError {
        self.inside(name).invalid(reason)
    }

    fn too_much(&self, what: &'static str, max: usize) -> SchemaError {
        SchemaError::TooMuch { place: self.describe(), what, max }
    }
}

/// Drops what is uninterpreted, and checks the size.
fn options(place: &Place<'_>, options: &mut Option<Vec<u8>>) -> Result<(), SchemaError> {
    let Some(bytes) = options else { return Ok(()) };
    if bytes.len() > OPTIONS_BYTES_MAX {
        return Err(place.too_much("bytes of options", OPTIONS_BYTES_MAX));
    }
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let field = rest;
        let (number, wire_type) = decode_key(&mut rest).map_err(read::malformed)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(read::malformed)?;
        if number != UNINTERPRETED {
            kept.extend_from_slice(field.get(..field.len() - rest.len()).unwrap_or_default());
        }
    }
    *bytes = kept;
    Ok(())
}

fn is_map_entry(options: Option<&[u8]>) -> Result<bool, SchemaError> {
    #[derive(Clone, Copy, PartialEq, Message)]
    struct MessageOptions {
        #[prost(bool, tag = "7")]
        map_entry: bool,
    }
    let options = MessageOptions::decode(options.unwrap_or_default()).map_err(read::malformed)?;
    Ok(options.map_entry)
}

/// Gives fields whose names in JSON clash their own names instead, or these with their numbers. Proto2 allows the clash.
fn tell_json_names_apart(fields: &mut [Field]) {
    let mut taken = HashSet::new();
    for field in fields {
        let name = field.json_name.clone().unwrap_or_else(|| json_name(&field.name));
        if taken.insert(name) {
            continue;
        }
        let numbered = format!("{}_{}", field.name, field.number.unwrap_or_default());
        let name = [field.name.clone(), numbered].into_iter().find(|name| taken.insert(name.clone()));
        field.json_name = name.or_else(|| field.json_name.take());
    }
}

/// The name in JSON of a field that has no other.
fn json_name(name: &str) -> String {
    let mut json_name = String::with_capacity(name.len());
    let mut is_after_underscore = false;
    for character in name.chars() {
        match character {
            '_' => is_after_underscore = true,
            _ if std::mem::replace(&mut is_after_underscore, false) => json_name.push(character.to_ascii_uppercase()),
            _ => json_name.push(character),
        }
    }
    json_name
}

fn is_identifier(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_reference(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX + 1 && name.strip_prefix('.').is_some_and(|name| name.split('.').all(is_identifier))
}
