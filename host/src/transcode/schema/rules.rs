//! The rules of `google.api.http`, from the options of methods.

use prost::Message;

use super::{HttpRule, OPTIONS_BYTES_MAX, RuleBody, SchemaError, read};

/// Bindings of one method.
pub const BINDINGS_MAX: usize = 100;

/// The longest pattern, or name of a method or field in a rule, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Rules of all methods together.
const RULES_MAX: usize = 10_000;

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", optional, tag = "4")]
    options: Option<Vec<u8>>,
}

/// What the host asks for of a method's options.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodOptions {
    #[prost(int32, tag = "34")]
    idempotency_level: i32,
    #[prost(message, optional, tag = "72295728")]
    http: Option<Rule>,
}

#[derive(Clone, PartialEq, Message)]
struct Rule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<Rule>,
    #[prost(string, tag = "12")]
    response_body: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(Custom),
}

#[derive(Clone, PartialEq, Message)]
struct Custom {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// The rules of an encoded `FileDescriptorSet` with the paths of their methods, in the order of the set, without
/// looking at anything else in it.
///
/// # Errors
/// Says which method's rule makes no sense.
pub fn rules(set: &[u8]) -> Result<Vec<(String, HttpRule)>, SchemaError> {
    let mut rules = Vec::new();
    for file in read::files(set)? {
        let file = File::decode(file).map_err(read::malformed)?;
        for service in &file.services {
            for method in &service.methods {
                let Some(options) = &method.options else { continue };
                let path = path(&file.package, &service.name, &method.name)?;
                let options = MethodOptions::read(options, &path)?;
                rules.extend(options.rules(&path)?.into_iter().map(|rule| (path.clone(), rule)));
                if rules.len() > RULES_MAX {
                    let place = "the descriptors".to_owned();
                    return Err(SchemaError::TooMuch { place, what: "HTTP rules", max: RULES_MAX });
                }
            }
        }
    }
    Ok(rules)
}

/// `/package.Service/Method`
pub(super) fn path(package: &str, service: &str, method: &str) -> Result<String, SchemaError> {
    if package.len() + service.len() + method.len() > super::NAME_BYTES_MAX {
        let place = "a method's name".to_owned();
        return Err(SchemaError::TooMuch { place, what: "bytes", max: super::NAME_BYTES_MAX });
    }
    Ok(match package {
        "" => format!("/{service}/{method}"),
        package => format!("/{package}.{service}/{method}"),
    })
}

impl MethodOptions {
    /// Of a method with that path. A rule of two bytes is larger by far when it is read, so the size has a bound.
    pub(super) fn read(options: &[u8], path: &str) -> Result<Self, SchemaError> {
        if options.len() > OPTIONS_BYTES_MAX {
            let place = path.escape_debug().to_string();
            return Err(SchemaError::TooMuch { place, what: "bytes of options", max: OPTIONS_BYTES_MAX });
        }
        Self::decode(options).map_err(read::malformed)
    }

    pub(super) const fn no_side_effects(&self) -> bool {
        self.idempotency_level == 1
    }

    pub(super) fn rules(&self, method: &str) -> Result<Vec<HttpRule>, SchemaError> {
        let Some(rule) = &self.http else { return Ok(Vec::new()) };
        let wrong = |reason: String| SchemaError::Rule { method: method.escape_debug().to_string(), reason };
        if rule.additional_bindings.len() >= BINDINGS_MAX {
            return Err(wrong(format!("more than {BINDINGS_MAX} bindings")));
        }
        if rule.additional_bindings.iter().any(|binding| !binding.additional_bindings.is_empty()) {
            return Err(wrong("`additional_bindings` inside of `additional_bindings`".to_owned()));
        }
        let all = std::iter::once(rule).chain(&rule.additional_bindings);
        all.map(|rule| rule.binding().map_err(wrong)).collect()
    }
}

impl Rule {
    fn binding(&self) -> Result<HttpRule, String> {
        let (method, template) = match &self.pattern {
            None => return Err("no pattern: write one of get, put, post, delete, patch, custom".to_owned()),
            Some(Pattern::Get(path)) => (http::Method::GET, path),
            Some(Pattern::Put(path)) => (http::Method::PUT, path),
            Some(Pattern::Post(path)) => (http::Method::POST, path),
            Some(Pattern::Delete(path)) => (http::Method::DELETE, path),
            Some(Pattern::Patch(path)) => (http::Method::PATCH, path),
            Some(Pattern::Custom(custom)) => (custom_method(&custom.kind)?, &custom.path),
        };
        if template.is_empty() {
            return Err(format!("an empty path for {method}"));
        }
        for text in [template, &self.body, &self.response_body] {
            if text.len() > PATTERN_BYTES_MAX {
                return Err(format!("longer than {PATTERN_BYTES_MAX} bytes"));
            }
        }
        Ok(HttpRule {
            method,
            template: template.clone(),
            body: match self.body.as_str() {
                "" => RuleBody::None,
                "*" => RuleBody::Whole,
                field => RuleBody::Field(field.to_owned()),
            },
            response_body: Some(&self.response_body).filter(|field| !field.is_empty()).cloned(),
        })
    }
}

fn custom_method(kind: &str) -> Result<http::Method, String> {
    if kind == "*" {
        return Err("`custom` of kind `*`, any method, is not supported: write a rule for each method".to_owned());
    }
    let method = Some(kind).filter(|kind| kind.len() <= 32).map(|kind| http::Method::from_bytes(kind.as_bytes()));
    match method {
        Some(Ok(method)) => Ok(method),
        _ => Err("`custom` of a kind that is no HTTP method".to_owned()),
    }
}
