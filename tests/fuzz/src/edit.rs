//! Edits of honest bytes: a fuzzer that has to find a whole message first seldom gets to what is inside of it.

/// Takes one byte off the front.
pub fn choice(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    *first
}

/// Takes up to so many bytes off the front.
pub fn piece<'a>(data: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (piece, rest) = data.split_at(length.min(data.len()));
    *data = rest;
    piece
}

/// `honest` with the changes that `edits` says: four bytes each, for what to do, where (two), and with what.
pub fn apply(honest: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for edit in edits.chunks_exact(4) {
        let (what, with) = (edit[0], edit[3]);
        let at = usize::from(u16::from_be_bytes([edit[1], edit[2]]));
        if bytes.is_empty() {
            bytes.push(with);
            continue;
        }
        let at = at % bytes.len();
        match what % 8 {
            0 | 1 => bytes[at] = with,
            2 => bytes[at] ^= 1 << (with % 8),
            3 => bytes.insert(at, with),
            4 => drop(bytes.remove(at)),
            5 => bytes.truncate(at),
            // The largest numbers, where one may be.
            6 => bytes.iter_mut().skip(at).take(usize::from(with % 10)).for_each(|byte| *byte = 0xff),
            _ => {
                let copied: Vec<u8> = bytes.iter().skip(at).take(usize::from(with)).copied().collect();
                bytes.extend(copied);
            }
        }
    }
    bytes
}
