use super::*;

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn the_policy_allows_what_the_page_has_and_nothing_else() {
    let page = page("openapi.json");
    let hash_of = |tag: &str| hash(between(&page.html, &format!("<{tag}>"), &format!("</{tag}>")));
    let policy = &page.content_security_policy;
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&format!("script-src '{}';", hash_of("script"))), "{policy}");
    assert!(policy.contains(&format!("style-src '{}';", hash_of("style"))), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains('\n'), "{policy}");
    for tag in ["<script", "<style"] {
        assert_eq!(page.html.matches(tag).count(), 1, "{tag}");
    }
    for handler in [" onclick=", " onload=", " onerror=", " style="] {
        assert!(!page.html.contains(handler), "{handler}");
    }
}

/// A known value, so that the hash is one that browsers agree with.
#[test]
fn hashes_are_those_of_browsers() {
    assert_eq!(hash("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = page("openapi.json");
    for outside in ["http://", "https://", "\"//", "import(", "src=", "importScripts"] {
        assert!(!page.html.contains(outside), "{outside}");
    }
    assert!(!STYLE.contains("@import") && !STYLE.contains("url("));
}

/// Comments are written by whoever wrote a module. The page makes nodes of text of them, and has no other way.
#[test]
fn texts_cannot_become_markup() {
    let ways =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment"];
    for way in ways.iter().chain(&["eval(", "Function(", "srcdoc", "setHTML", "javascript:"]) {
        assert!(!SCRIPT.contains(way), "{way}");
    }
}

#[test]
fn the_url_of_the_document_is_an_attribute_whatever_it_is() {
    assert!(page("/orders/openapi.json?a=1&b").html.contains(r#"content="/orders/openapi.json?a=1&amp;b""#));
    let odd = page("\"><script>/* script *//* style */DOCUMENT</script>");
    assert_eq!(odd.html.matches("<script>").count(), 1);
    assert!(odd.html.contains("&quot;&gt;&lt;script&gt;/* script *//* style */DOCUMENT&lt;/script&gt;"));
    assert_eq!(odd.content_security_policy, page("").content_security_policy);
}

#[test]
fn the_page_is_small() {
    let html = page("openapi.json").html;
    assert!(html.len() < 40 * 1024, "{} bytes", html.len());
    assert_eq!(html.matches(STYLE_PLACE).count() + html.matches(SCRIPT_PLACE).count(), 0);
}
