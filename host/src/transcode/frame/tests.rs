use super::*;
use crate::transcode::fuzz;

const LIMITS: FrameLimits = FrameLimits { message_bytes_max: 1000 };

/// All frames of a body that comes in these chunks, and how it ends.
fn read(dialect: Dialect, chunks: &[&[u8]]) -> (Vec<RawFrame>, Result<(), FrameError>) {
    let mut decoder = Decoder::new(dialect, LIMITS);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, decoder.finish())
}

fn body(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for (flags, payload) in frames {
        encode(*flags, payload, &mut out);
    }
    out.to_vec()
}

#[test]
fn frames_come_out_as_they_went_in() {
    let frames: [(u8, &[u8]); 4] = [(0, b"one"), (1, b""), (0, &[7; 1000]), (0x80, b"grpc-status:0\r\n")];
    let (read, end) = read(Dialect::Web, &[&body(&frames)]);
    let read: Vec<_> = read.iter().map(|frame| (frame.flags, &frame.payload[..])).collect();
    assert_eq!((&read[..], end), (&frames[..], Ok(())));
}

#[test]
fn every_split_gives_the_same() {
    let body = body(&[(0, b"one"), (1, b""), (0, b"three and more"), (2, b"{}")]);
    let whole = read(Dialect::Connect, &[&body]);
    assert_eq!(whole.0.len(), 4);
    for a in 0..=body.len() {
        for b in a..=body.len() {
            assert_eq!(read(Dialect::Connect, &[&body[..a], &body[a..b], &body[b..]]), whole, "{a} {b}");
        }
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(read(Dialect::Connect, &bytes), whole);
}

#[test]
fn every_end_within_a_frame_is_cut_off() {
    let body = body(&[(0, b"one"), (0, b"two")]);
    for end in 0..=body.len() {
        let (frames, result) = read(Dialect::Grpc, &[&body[..end]]);
        assert_eq!(frames.len(), end / 8);
        assert_eq!(result.is_ok(), end % 8 == 0, "{end}");
    }
    let (_, result) = read(Dialect::Grpc, &[&body[..6]]);
    assert_eq!(result, Err(FrameError::CutOff { missing: 2 }));
    assert_eq!(
        result.unwrap_err().to_string(),
        "the body ends in the middle of a message: 2 or more bytes are missing"
    );
}

#[test]
fn flags_that_mean_nothing_are_refused_at_once() {
    for (dialect, known) in
        [(Dialect::Grpc, &[0, 1][..]), (Dialect::Web, &[0, 1, 0x80, 0x81][..]), (Dialect::Connect, &[0, 1, 2, 3][..])]
    {
        for flags in 0..=u8::MAX {
            let (_, result) = read(dialect, &[&[flags]]);
            let expected = match known.contains(&flags) {
                true => FrameError::CutOff { missing: 4 },
                false => FrameError::Flags { flags },
            };
            assert_eq!(result, Err(expected), "{dialect:?} {flags}");
            let (_, result) = read(dialect, &[&[flags, 0, 0, 0, 0]]);
            assert_eq!(result.is_ok(), known.contains(&flags));
        }
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_head() {
    let (_, result) = read(Dialect::Grpc, &[&head(0, 1001)]);
    assert_eq!(result, Err(FrameError::TooLarge { length: 1001, max: 1000 }));
    assert_eq!(result.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(read(Dialect::Grpc, &[&head(0, 1000)]).1, Err(FrameError::CutOff { missing: 1000 }));
    assert!(matches!(read(Dialect::Grpc, &[&[0xff; 5]]).1, Err(FrameError::Flags { flags: 0xff })));
    let (_, result) = read(Dialect::Grpc, &[&[0, 0xff, 0xff, 0xff, 0xff]]);
    assert_eq!(result, Err(FrameError::TooLarge { length: 0xffff_ffff, max: 1000 }));
    // Trailers have a limit of their own.
    let (_, result) = read(Dialect::Web, &[&head(TRAILERS, END_BYTES_MAX)]);
    assert_eq!(result, Err(FrameError::CutOff { missing: END_BYTES_MAX }));
    let (_, result) = read(Dialect::Web, &[&head(TRAILERS, END_BYTES_MAX + 1)]);
    assert_eq!(result, Err(FrameError::TooLarge { length: END_BYTES_MAX + 1, max: END_BYTES_MAX }));
}

#[test]
fn nothing_follows_the_end() {
    for rest in [&[0][..], &body(&[(2, b"{}")])] {
        let (frames, result) = read(Dialect::Connect, &[&body(&[(2, b"{}")]), rest]);
        assert_eq!((frames.len(), result), (1, Err(FrameError::AfterEnd)));
    }
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(Dialect::Grpc, LIMITS);
    decoder.push(Bytes::from_static(&[9, 0, 0, 0, 0]));
    for _ in 0..3 {
        assert_eq!(decoder.next(), Err(FrameError::Flags { flags: 9 }));
        decoder.push(Bytes::from_static(&[0, 0, 0, 0, 0]));
        assert_eq!(decoder.finish(), Err(FrameError::Flags { flags: 9 }));
    }
    assert_eq!(decoder.held, 0);
}

#[test]
fn a_payload_within_one_chunk_is_not_copied() {
    let body = Bytes::from(body(&[(0, b"one"), (0, &[7; 900])]));
    let mut decoder = Decoder::new(Dialect::Grpc, LIMITS);
    decoder.push(body.clone());
    for at in [5, 13] {
        let payload = decoder.next().unwrap().unwrap().payload;
        assert_eq!(payload.as_ptr(), body[at..].as_ptr());
    }
}

#[test]
fn tiny_chunks_and_frames_cost_little() {
    // A message byte by byte: what is held is in one piece, and waiting costs nothing.
    let limits = FrameLimits::default();
    let mut decoder = Decoder::new(Dialect::Grpc, limits);
    let large = body(&[(0, &vec![7; 1_000_000])]);
    for byte in &large {
        assert_eq!(decoder.next(), Ok(None));
        decoder.push(Bytes::copy_from_slice(&[*byte]));
        assert!(decoder.chunks.len() <= 1);
    }
    assert_eq!(decoder.next().unwrap().unwrap().payload.len(), 1_000_000);
    // Many tiny frames in one chunk.
    let many = body(&[(0, b"x")]).repeat(200_000);
    decoder.push(many.into());
    let mut count = 0;
    while let Some(frame) = decoder.next().unwrap() {
        assert_eq!(frame.payload, "x");
        count += 1;
    }
    assert_eq!((count, decoder.finish()), (200_000, Ok(())));
}

#[test]
fn payloads_are_opened_by_what_the_headers_say() {
    let text = b"some text, some text, some text";
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let payload: Bytes = compression::compress(encoding, text).unwrap().into();
        let frame = RawFrame { flags: 1, payload: payload.clone() };
        assert_eq!(frame.clone().open(encoding, 100).unwrap(), &text[..]);
        let error = frame.clone().open(encoding, 5).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert_eq!(frame.open(Encoding::Identity, 100).unwrap_err(), FrameError::NotNegotiated);
        // Not compressed although it could be.
        assert_eq!(RawFrame { flags: 0, payload: payload.clone() }.open(encoding, 100).unwrap(), payload);
    }
}

#[test]
fn any_bytes_are_answered_and_splits_do_not_matter() {
    let seeds = [
        body(&[(0, b"one"), (1, b"")]),
        body(&[(0, b"two"), (2, b"{}")]),
        body(&[(1, &[7; 30]), (0x80, b"a:b")]),
        vec![0, 0, 0, 3, 0xe8],
    ];
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    fuzz::inputs(&seeds, |input, random| {
        for dialect in [Dialect::Grpc, Dialect::Web, Dialect::Connect] {
            let (frames, end) = read(dialect, &[input]);
            let bytes: usize = frames.iter().map(|frame| HEAD_BYTES + frame.payload.len()).sum();
            assert!(bytes <= input.len() && (end.is_err() || bytes == input.len()));
            assert_eq!(read(dialect, &fuzz::cut(input, random)), (frames, end));
        }
    });
}

proptest::proptest! {
    #[test]
    fn any_frames_in_any_chunks(
        frames in proptest::collection::vec((0u8..2, proptest::collection::vec(0u8.., 0..60)), 0..8),
        cuts in proptest::collection::vec(0usize..500, 0..12),
        limit in 0usize..1000,
    ) {
        let mut whole = BytesMut::new();
        for (flags, payload) in &frames {
            encode(*flags, payload, &mut whole);
        }
        whole.truncate(limit);
        let expected = read(Dialect::Grpc, &[&whole]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        proptest::prop_assert_eq!(read(Dialect::Grpc, &chunks), expected);
        // Nor does it matter when frames are taken.
        let mut late = Decoder::new(Dialect::Grpc, LIMITS);
        for chunk in chunks {
            late.push(Bytes::copy_from_slice(chunk));
        }
        let mut taken = Vec::new();
        while let Some(frame) = late.next().unwrap() {
            taken.push(frame);
        }
        proptest::prop_assert_eq!(taken, read(Dialect::Grpc, &[&whole]).0);
    }
}
