//! Heads and fields, as `service.wit` describes them: numbers of four bytes, least significant first; texts and values
//! as their length and their bytes.

/// Method and path of a request.
pub fn request_line(head: &[u8]) -> (String, String) {
    let mut rest = head;
    let [method, _scheme, _authority, path] = [(); 4].map(|()| {
        let text;
        (text, rest) = take(rest);
        String::from_utf8_lossy(text).into_owned()
    });
    (method, path)
}

/// The head of a GET, or another request.
pub fn request(method: &str, path: &str, fields: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for text in [method, "http", "", path] {
        put(&mut head, text.as_bytes());
    }
    head.extend(fields);
    head
}

pub fn response(status: u16, headers: &[u8], trailers: &[u8]) -> Vec<u8> {
    let mut head = status.to_le_bytes().to_vec();
    for block in [headers, trailers] {
        // In a head even no fields at all are counted.
        head.extend(if block.is_empty() { &[0; 4] } else { block });
    }
    head
}

pub fn fields<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = (fields.len() as u32).to_le_bytes().to_vec();
    for (name, value) in fields {
        put(&mut block, name.as_ref());
        put(&mut block, value.as_ref());
    }
    block
}

fn put(block: &mut Vec<u8>, text: &[u8]) {
    block.extend((text.len() as u32).to_le_bytes());
    block.extend(text);
}

/// The first text, and what follows it. The host's heads are whole.
fn take(block: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = block.split_first_chunk().expect("a length");
    rest.split_at(u32::from_le_bytes(*length) as usize)
}
