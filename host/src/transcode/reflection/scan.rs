//! Reads of encoded descriptors what an index needs, without decoding them.
//!
//! A decoded descriptor may need a hundred times its bytes. Here nothing is copied but one full name at a time, and what
//! is not a name is skipped over. Field numbers are those of protobuf's `descriptor.proto`.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The longest name of anything with its package and what it is in, and of a file, in bytes. Longer ones would make the
/// names within them expensive.
pub const NAME_BYTES_MAX: usize = 512;

/// How deep messages may be nested in each other, as protobuf's own compiler has it.
pub const NESTING_MAX: usize = 32;

/// Why bytes are no descriptors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) String);

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// A field of an encoded message.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) tag: u32,
    pub(super) value: Value<'a>,
    /// With its key.
    pub(super) whole: &'a [u8],
    /// Where the field ends in the message.
    end: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    Other,
}

/// The fields of an encoded message. The first error is the last item.
pub(super) struct Fields<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { all: message, rest: message }
    }

    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let before = self.rest;
        let (tag, wire_type) = decode_key(&mut self.rest)?;
        let value = match wire_type {
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut self.rest)?).ok();
                let bytes = length.and_then(|length| self.rest.split_off(..length));
                Value::Bytes(bytes.ok_or_else(|| Malformed("it is cut off".to_owned()))?)
            }
            WireType::Varint => Value::Number(decode_varint(&mut self.rest)?),
            _ => {
                skip_field(wire_type, tag, &mut self.rest, DecodeContext::default())?;
                Value::Other
            }
        };
        let whole = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        Ok(Field { tag, value, whole, end: self.all.len() - self.rest.len() })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Field<'a> {
    /// Of a field of this number that holds bytes, these, and where they start in the message.
    pub(super) const fn bytes(&self, tag: u32) -> Option<(&'a [u8], usize)> {
        match self.value {
            Value::Bytes(bytes) if self.tag == tag => Some((bytes, self.end - bytes.len())),
            _ => None,
        }
    }
}

/// A name in a descriptor.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    if bytes.len() > NAME_BYTES_MAX {
        return Err(Malformed(format!("a name is longer than {NAME_BYTES_MAX} bytes")));
    }
    str::from_utf8(bytes).map_err(|_| Malformed("a name is not UTF-8".to_owned()))
}

/// What a file says of itself.
#[derive(Default)]
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) package: &'a str,
    /// All imports, those for options too.
    pub(super) imports: Vec<&'a str>,
}

/// The numbers of the fields that name imports: `dependency` and `option_dependency`.
pub(super) const IMPORTS: [u32; 2] = [3, 15];

/// Reads the head of a `FileDescriptorProto`.
pub(super) fn head(file: &[u8]) -> Result<Head<'_>, Malformed> {
    let mut head = Head::default();
    for field in Fields::of(file) {
        let field = field?;
        match (field.tag, field.value) {
            (1, Value::Bytes(name)) => head.name = text(name)?,
            (2, Value::Bytes(package)) => head.package = text(package)?,
            (tag, Value::Bytes(import)) if IMPORTS.contains(&tag) => head.imports.push(text(import)?),
            _ => {}
        }
    }
    Ok(head)
}

/// The name of anything but a file, in a descriptor that was read before.
pub(super) fn name(descriptor: &[u8]) -> &str {
    let names = Fields::of(descriptor).flatten().filter_map(|field| field.bytes(1));
    names.last().and_then(|(name, _)| text(name).ok()).unwrap_or_default()
}

/// Something that a file declares.
pub(super) enum Declared<'a> {
    /// A name: of a message, an enum, a service, an extension, or of what is in these.
    Symbol {
        /// With its package and what it is in.
        name: &'a str,
        /// Where in the file its descriptor starts.
        start: usize,
        descriptor: &'a [u8],
        /// Whether its full name is that of the package and its own.
        top: bool,
    },
    /// A field of this number is added to a message.
    Extension { extendee: &'a str, number: i32 },
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Message,
    Field,
    Oneof,
    Enum,
    Value,
    Service,
    Method,
    Extension,
}

impl Kind {
    const fn child(self, tag: u32) -> Option<Self> {
        Some(match (self, tag) {
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            (Self::File, 7) | (Self::Message, 6) => Self::Extension,
            (Self::Message, 2) => Self::Field,
            (Self::Message, 8) => Self::Oneof,
            (Self::Enum, 2) => Self::Value,
            (Self::Service, 2) => Self::Method,
            _ => return None,
        })
    }
}

/// Visits all that a file declares. Each byte is looked at once for each of name and content, at its own depth.
pub(super) fn declarations(
    file: &[u8],
    package: &str,
    visit: &mut impl FnMut(Declared<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    Walk { name: package.to_owned(), visit }.children(Kind::File, file, 0, 0)
}

struct Walk<'v, V> {
    /// The full name of what is being looked at.
    name: String,
    visit: &'v mut V,
}

impl<V: FnMut(Declared<'_>) -> Result<(), Malformed>> Walk<'_, V> {
    /// Visits what is in `whole`, which starts at `offset` in the file.
    fn children(&mut self, kind: Kind, whole: &[u8], offset: usize, depth: usize) -> Result<(), Malformed> {
        for field in Fields::of(whole) {
            let field = field?;
            let Some(child) = kind.child(field.tag) else { continue };
            let Some((bytes, start)) = field.bytes(field.tag) else { continue };
            // A value of an enum has the scope of the enum, not the enum itself.
            let top = kind == Kind::File || kind == Kind::Enum && depth == 1;
            self.declared(child, bytes, offset + start, depth, top)?;
        }
        Ok(())
    }

    fn declared(
        &mut self,
        kind: Kind,
        descriptor: &[u8],
        start: usize,
        depth: usize,
        top: bool,
    ) -> Result<(), Malformed> {
        if kind == Kind::Message && depth >= NESTING_MAX {
            return Err(Malformed(format!("messages are nested deeper than {NESTING_MAX}")));
        }
        let scope = self.name.len();
        self.enter(kind, descriptor)?;
        (self.visit)(Declared::Symbol { name: &self.name, start, descriptor, top })?;
        if kind == Kind::Enum {
            self.name.truncate(scope);
        }
        self.children(kind, descriptor, start, depth + 1)?;
        self.name.truncate(scope);
        Ok(())
    }

    /// Adds a name to the scope. In protobuf's encoding what comes last counts, and the name may come after the content.
    fn enter(&mut self, kind: Kind, descriptor: &[u8]) -> Result<(), Malformed> {
        let (mut name, mut extendee, mut number) = ("", None, 0);
        for field in Fields::of(descriptor) {
            let field = field?;
            match (field.tag, field.value) {
                (1, Value::Bytes(bytes)) => name = text(bytes)?,
                (2, Value::Bytes(bytes)) if kind == Kind::Extension => extendee = Some(text(bytes)?),
                // A number is 32 bits of what is written, as all who read protobuf have it.
                (3, Value::Number(written)) => number = written as i32,
                _ => {}
            }
        }
        if name.is_empty() {
            return Err(Malformed(format!("something in `{}` has no name", self.name.escape_debug())));
        }
        if !self.name.is_empty() {
            self.name.push('.');
        }
        self.name.push_str(name);
        if self.name.len() > NAME_BYTES_MAX {
            return Err(Malformed(format!("a full name is longer than {NAME_BYTES_MAX} bytes")));
        }
        if let Some(extendee) = extendee {
            let extendee = extendee.strip_prefix('.').unwrap_or(extendee);
            (self.visit)(Declared::Extension { extendee, number })?;
        }
        Ok(())
    }
}
