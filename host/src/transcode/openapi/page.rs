//! A page to browse a document, and to try what it describes.
//!
//! It is one file that loads nothing but the document, and it may do nothing else: its policy names the hashes of its own
//! style and script, and the origin it comes from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Where the files are put together: the URL comes first in the file and is put in last, so that nothing is looked for in it.
const STYLE_PLACE: &str = "/* style */";
const SCRIPT_PLACE: &str = "/* script */";
const DOCUMENT_PLACE: &str = "DOCUMENT";

/// A page and what has to be sent with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The body, as `text/html; charset=utf-8`.
    pub html: String,
    /// The value of the header `Content-Security-Policy`.
    pub content_security_policy: String,
}

/// The page of the document at a URL, which is relative to that of the page.
#[must_use]
pub fn page(document_url: &str) -> Page {
    let html = HTML.replacen(SCRIPT_PLACE, SCRIPT, 1).replacen(STYLE_PLACE, STYLE, 1);
    Page {
        html: html.replacen(DOCUMENT_PLACE, &escape(document_url), 1),
        content_security_policy: format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(SCRIPT),
            hash(STYLE)
        ),
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// A text as the value of an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
