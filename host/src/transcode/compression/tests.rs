use rand::Rng;

use super::*;
use crate::transcode::fuzz;

const ALL: [Encoding; 3] = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd];

#[test]
fn what_is_compressed_comes_back() {
    for encoding in ALL {
        for data in [&b""[..], b"a", &[7; 100_000], &(0..70_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()] {
            let compressed = compress(encoding, data).unwrap();
            assert_eq!(decompress(encoding, &compressed, data.len()).unwrap(), data, "{encoding:?}");
        }
    }
}

#[test]
fn nothing_is_nothing() {
    for encoding in ALL {
        assert_eq!(decompress(encoding, b"", 0).unwrap(), "");
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let data = vec![0; 64 * 1024 * 1024];
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let bomb = compress(encoding, &data).unwrap();
        for max in [0, 1, BUFFER_BYTES, 100_000] {
            assert_eq!(decompress(encoding, &bomb, max).unwrap_err(), CompressionError::TooLarge { max });
        }
        let exact = compress(encoding, &data[..100_000]).unwrap();
        assert_eq!(decompress(encoding, &exact, 100_000).unwrap().len(), 100_000);
        assert_eq!(decompress(encoding, &exact, 99_999).unwrap_err(), CompressionError::TooLarge { max: 99_999 });
    }
    assert_eq!(decompress(Encoding::Identity, b"abc", 2).unwrap_err(), CompressionError::TooLarge { max: 2 });
}

#[test]
fn memory_never_grows_beyond_the_limit() {
    let mut out = Vec::new();
    for _ in 0..99 {
        append(&mut out, &[0; 1000], 99_000).unwrap();
        assert!(out.capacity() <= 99_000, "{}", out.capacity());
    }
    assert_eq!(append(&mut out, &[0], 99_000), Err(CompressionError::TooLarge { max: 99_000 }));
}

#[test]
fn parts_one_after_another_are_one() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let parts = [compress(encoding, b"one, ").unwrap(), compress(encoding, b"two").unwrap()].concat();
        assert_eq!(decompress(encoding, &parts, 8).unwrap(), "one, two", "{encoding:?}");
        assert_eq!(decompress(encoding, &parts, 7).unwrap_err(), CompressionError::TooLarge { max: 7 });
    }
}

#[test]
fn too_many_parts_are_refused() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let empty = compress(encoding, b"").unwrap();
        assert_eq!(decompress(encoding, &empty.repeat(PARTS_MAX), 0).unwrap(), "");
        let error = decompress(encoding, &empty.repeat(PARTS_MAX + 1), 0).unwrap_err();
        assert_eq!(error.to_string(), format!("not valid {}: more than 1024 parts", encoding.name()));
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_corrupt() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let whole = compress(encoding, b"some text, some text, and some more text").unwrap();
        for end in 1..whole.len() {
            let error = decompress(encoding, &whole[..end], 1000).unwrap_err();
            assert!(matches!(error, CompressionError::Corrupt { .. }), "{encoding:?} {end}: {error}");
        }
        for rest in [&b"\0"[..], b"garbage that follows", &whole[..3]] {
            let error = decompress(encoding, &[&whole, rest].concat(), 1000).unwrap_err();
            assert!(matches!(error, CompressionError::Corrupt { .. }), "{encoding:?} {rest:?}: {error}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    let mut gzip = compress(Encoding::Gzip, b"some text").unwrap();
    let at = gzip.len() - 8;
    gzip[at] ^= 1;
    assert!(matches!(decompress(Encoding::Gzip, &gzip, 100).unwrap_err(), CompressionError::Corrupt { .. }));

    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(b"some text").unwrap();
    let mut zstd = encoder.finish().unwrap();
    assert_eq!(decompress(Encoding::Zstd, &zstd, 100).unwrap(), "some text");
    *zstd.last_mut().unwrap() ^= 1;
    assert!(matches!(decompress(Encoding::Zstd, &zstd, 100).unwrap_err(), CompressionError::Corrupt { .. }));
}

#[test]
fn windows_beyond_eight_mebibytes_are_refused() {
    let with_window = |log: u32| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(log)).unwrap();
        encoder.write_all(b"text").unwrap();
        // Otherwise the frame says how long it is, and needs no window.
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(decompress(Encoding::Zstd, &with_window(23), 100).unwrap(), "text");
    let error = decompress(Encoding::Zstd, &with_window(24), 100).unwrap_err();
    assert!(matches!(error, CompressionError::Corrupt { .. }), "{error}");
}

#[test]
fn headers_name_encodings() {
    for (value, expected) in [
        (None, Encoding::Identity),
        (Some(""), Encoding::Identity),
        (Some(" identity "), Encoding::Identity),
        (Some("GZip"), Encoding::Gzip),
        (Some("x-gzip"), Encoding::Gzip),
        (Some("zstd"), Encoding::Zstd),
    ] {
        assert_eq!(Encoding::of_header(value).unwrap(), expected, "{value:?}");
    }
    let error = Encoding::of_header(Some("br")).unwrap_err();
    assert_eq!(error.to_string(), "unknown compression `br`; identity, gzip, zstd are known");
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(Encoding::of_header(Some("gzip, zstd")).is_err());
    let long = Encoding::of_header(Some(&"\n".repeat(10_000))).unwrap();
    assert_eq!(long, Encoding::Identity);
    let long = Encoding::of_header(Some(&"\u{7f}x".repeat(10_000))).unwrap_err();
    assert!(long.to_string().len() < 300, "{long}");
}

#[test]
fn both_sides_find_what_they_know() {
    use Encoding::{Gzip, Identity, Zstd};
    for (accept, expected) in [
        ("", Identity),
        ("identity,gzip", Gzip),
        ("identity, deflate, gzip", Gzip),
        ("gzip,zstd", Zstd),
        ("gzip, deflate, br, zstd", Zstd),
        ("gzip;q=1.0, zstd;q=0.9", Gzip),
        ("gzip ; Q=0.5 , zstd; q = 0.500", Zstd),
        ("gzip;q=0.001, zstd;q=0", Gzip),
        ("gzip;q=0, zstd;q=0.000", Identity),
        ("br", Identity),
        ("*", Zstd),
        ("*;q=0", Identity),
        ("*;q=0.5, gzip;q=0.6", Gzip),
        ("*, zstd;q=0", Gzip),
        ("identity;q=0", Identity),
        ("identity;q=0, gzip;q=0.1", Gzip),
        ("identity;q=1, gzip;q=0.5", Identity),
        ("identity;q=0.2, gzip;q=0.5", Gzip),
        ("gzip;q=0.5", Gzip),
        ("X-GZIP", Gzip),
        ("gzip;q=2", Identity),
        ("gzip;q=1.001", Identity),
        ("gzip;q=0.1234", Identity),
        ("gzip;q=", Identity),
        ("gzip;q=-1", Identity),
        ("gzip;level=9", Identity),
        ("gzip, gzip;q=0", Gzip),
        (",, ,gzip,", Gzip),
    ] {
        assert_eq!(negotiate(Some(accept), &Encoding::OFFERED), expected, "{accept}");
        assert_eq!(negotiate(accept.split(','), &Encoding::OFFERED), expected, "{accept}");
    }
    assert_eq!(negotiate(None, &Encoding::OFFERED), Identity);
    assert_eq!(negotiate(Some("zstd, gzip"), &[Gzip]), Gzip);
    assert_eq!(negotiate(Some("zstd, gzip"), &[]), Identity);
    assert_eq!(negotiate(Some("zstd, gzip"), &[Gzip, Zstd]), Gzip);
}

#[test]
fn a_flushed_message_can_be_read_at_once() {
    for encoding in ALL {
        let mut compressor = Compressor::new(encoding).unwrap();
        assert_eq!(compressor.encoding(), encoding);
        let (mut sent, mut said) = (Vec::new(), Vec::new());
        for message in 0..50 {
            let message = format!("{{\"number\":{message}}}\n");
            compressor.push(message.as_bytes()).unwrap();
            sent.extend_from_slice(&compressor.flush().unwrap());
            said.extend_from_slice(message.as_bytes());
            assert_eq!(readable(encoding, &sent), said, "{encoding:?}");
        }
        sent.extend_from_slice(&compressor.finish().unwrap());
        assert_eq!(decompress(encoding, &sent, 10_000).unwrap(), said);
    }
}

#[test]
fn a_compressor_moves_between_threads() {
    fn moves<T: Send + 'static>() {}
    moves::<Compressor>();
}

#[test]
fn large_bodies_leave_as_they_are_compressed() {
    let mut noise = 1u64;
    for encoding in ALL {
        let mut compressor = Compressor::new(encoding).unwrap();
        let (mut sent, mut said, mut largest) = (Vec::new(), Vec::new(), 0);
        for _ in 0..64 {
            let piece: Vec<u8> = (0..4096)
                .flat_map(|_| {
                    noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    noise.to_be_bytes()
                })
                .collect();
            compressor.push(&piece).unwrap();
            let out = compressor.take();
            largest = largest.max(out.len());
            sent.extend_from_slice(&out);
            said.extend_from_slice(&piece);
        }
        sent.extend_from_slice(&compressor.finish().unwrap());
        assert!(largest < 512 * 1024, "{encoding:?}: {largest}");
        assert!(decompress(encoding, &sent, said.len()).unwrap() == said, "{encoding:?}");
    }
}

#[test]
fn any_bytes_are_answered_within_the_limit() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let seeds = [&b""[..], b"text, text, text, text, text", &[0; 10_000]];
        let seeds = seeds.map(|seed| compress(encoding, seed).unwrap());
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        fuzz::inputs(&seeds, |input, random| {
            let max = random.random_range(0..20_000);
            match decompress(encoding, input, max) {
                Ok(out) => assert!(out.len() <= max),
                Err(CompressionError::TooLarge { max: said }) => assert_eq!(said, max),
                Err(error) => assert_eq!(error.code(), Code::InvalidArgument),
            }
        });
    }
}

#[test]
fn any_wish_is_answered() {
    let seeds: [&[u8]; 3] = [b"gzip;q=0.5, zstd;q=1.000, *;q=0", b"identity, gzip", b"identity;q=0, br"];
    fuzz::inputs(&seeds, |input, _| {
        let accept = String::from_utf8_lossy(input);
        let chosen = negotiate(Some(&*accept), &Encoding::OFFERED);
        // Nobody gets what was not named.
        let named = accept.to_ascii_lowercase().contains(chosen.name()) || accept.contains('*');
        assert!(chosen == Encoding::Identity || named, "{accept}: {chosen:?}");
    });
}

proptest::proptest! {
    #[test]
    fn any_pieces_come_back(
        pieces in proptest::collection::vec((proptest::collection::vec(0u8.., 0..200), proptest::bool::ANY), 0..10),
    ) {
        for encoding in ALL {
            let mut compressor = Compressor::new(encoding).unwrap();
            let mut sent = Vec::new();
            for (piece, flushes) in &pieces {
                compressor.push(piece).unwrap();
                sent.extend_from_slice(&if *flushes { compressor.flush().unwrap() } else { compressor.take() });
            }
            sent.extend_from_slice(&compressor.finish().unwrap());
            let said: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece).copied().collect();
            proptest::prop_assert_eq!(decompress(encoding, &sent, said.len()).unwrap(), said);
        }
    }
}

/// What a reader has of a body whose rest has not come yet.
fn readable(encoding: Encoding, sent: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buffer = [0; 100];
    let mut from: Box<dyn Read> = match encoding {
        Encoding::Identity => Box::new(sent),
        Encoding::Gzip => Box::new(flate2::bufread::GzDecoder::new(sent)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(sent).unwrap()),
    };
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        out.extend_from_slice(&buffer[..count]);
    }
    out
}
