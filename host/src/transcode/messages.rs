//! Messages in a body: what comes in pieces of any size goes on as one message after the other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;

use super::budget::{Budget, Hold};
use super::compression::Encoding;
use super::failure::Failure;
use super::frame::{Decoder, Dialect, FrameLimits};
use super::web::TextDecoder;
use crate::call::Body;

/// By how much the share of a body of unknown length grows at least, in bytes.
const STEP_BYTES: usize = 64 * 1024;

/// What a body has next.
#[derive(Debug)]
pub enum Item {
    /// A message, without its compression.
    Message(Bytes),
    /// Nothing any more, and the trailers.
    End(HeaderMap),
}

/// The messages of a body.
pub struct Messages {
    body: Body,
    decoder: Decoder,
    encoding: Encoding,
    limits: FrameLimits,
    /// Of bodies in base64.
    text: Option<TextDecoder>,
    trailers: HeaderMap,
    /// The body has ended; what the decoder holds may not have.
    over: bool,
    /// What is wrong is the service's doing.
    is_answer: bool,
}

impl Messages {
    /// The messages of a body whose compressed ones are compressed as `encoding` says.
    pub fn new(body: Body, dialect: Dialect, encoding: Encoding, limits: FrameLimits) -> Self {
        Self {
            body,
            decoder: Decoder::new(dialect, limits),
            encoding,
            limits,
            text: None,
            trailers: HeaderMap::new(),
            over: false,
            is_answer: false,
        }
    }

    /// The same of what a service answers.
    pub fn of_answer(mut self) -> Self {
        self.is_answer = true;
        self
    }

    /// The same of a body in base64.
    pub fn in_base64(mut self) -> Self {
        self.text = Some(TextDecoder::new());
        self
    }

    /// Whether all of the body is there.
    pub fn is_at_hand(&self) -> bool {
        !self.body.is_stream()
    }

    /// The next message, or the end, after which nothing may be asked for.
    pub fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Failure>> {
        let is_answer = self.is_answer;
        self.poll(cx).map_err(|failure| if is_answer { failure.of_answer() } else { failure })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Failure>> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Poll::Ready(Ok(Item::Message(frame.open(self.encoding, self.limits.message_bytes_max)?)));
            }
            if self.over {
                self.decoder.finish()?;
                return Poll::Ready(Ok(Item::End(std::mem::take(&mut self.trailers))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()? {
                None => {
                    if let Some(text) = &mut self.text {
                        text.finish()?;
                    }
                    self.over = true;
                }
                Some(frame) => match frame.into_data() {
                    Ok(data) => {
                        let data = match &mut self.text {
                            Some(text) => {
                                let mut bytes = BytesMut::new();
                                text.push(&data, &mut bytes)?;
                                bytes.freeze()
                            }
                            None => data,
                        };
                        self.decoder.push(data);
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.trailers.extend(trailers);
                        }
                    }
                },
            }
        }
    }

    /// The next message, or the end.
    pub async fn next(&mut self) -> Result<Item, Failure> {
        std::future::poll_fn(|cx| self.poll_item(cx)).await
    }
}

/// All of a body, if it has no more than `max` bytes and `budget` has as many. What is at hand already takes nothing from it.
pub(super) async fn whole(body: Body, max: usize, budget: &Budget) -> Result<(Bytes, Hold), Failure> {
    let too_large = || Failure::too_large(max);
    let mut stream = match body.try_into_full() {
        Ok((data, _)) if data.len() > max => return Err(too_large()),
        Ok((data, _)) => return Ok((data, Hold::default())),
        Err(stream) => stream,
    };
    let announced = stream.size_hint();
    if announced.lower() > max as u64 {
        return Err(too_large());
    }
    let mut hold = Hold::default();
    // In as few steps as the client lets us: a body of known length is taken at once.
    let mut held = usize::try_from(announced.exact().unwrap_or_default()).unwrap_or_default();
    budget.take(&mut hold, held)?;
    let mut read = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await.transpose()? {
        let Ok(data) = frame.into_data() else { continue };
        let length = read.len() + data.len();
        if length > max {
            return Err(too_large());
        }
        if length > held {
            let more = (length - held).max(STEP_BYTES);
            budget.take(&mut hold, more)?;
            held += more;
        }
        read.extend_from_slice(&data);
    }
    Ok((read.freeze(), hold))
}
