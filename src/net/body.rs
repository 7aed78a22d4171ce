//! The one reader of bodies: whatever the HTTP library, a body is read up to a limit and not a byte further.
//!
//! How long that may take is the business of the caller, which knows what it waits for.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Body;

use crate::diagnostic::size_text;

/// A body that ended.
#[derive(Debug, Default)]
pub struct ReadBody {
    pub bytes: Vec<u8>,
    pub trailers: HeaderMap,
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    #[error("the answer is longer than {}", size_text(*.limit as u64))]
    TooLong { limit: usize },
    #[error(transparent)]
    Broken(E),
}

/// Reads `body`, of at most `limit` bytes.
pub async fn read_body<B>(body: B, limit: usize) -> Result<ReadBody, BodyError<B::Error>>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut read = ReadBody::default();
    while let Some(frame) = body.frame().await {
        match frame.map_err(BodyError::Broken)?.into_data() {
            Ok(data) if data.len() > limit - read.bytes.len() => return Err(BodyError::TooLong { limit }),
            Ok(data) => read.bytes.extend_from_slice(&data),
            Err(frame) => read.trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    async fn read(chunks: &[&'static str], limit: usize) -> Result<Vec<u8>, String> {
        let frames = chunks.iter().map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        read_body(body, limit).await.map(|read| read.bytes).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(&["abc", "", "def"], 6).await.unwrap(), b"abcdef");
        assert_eq!(read(&[], 0).await.unwrap(), b"");
        for (chunks, limit) in [(&["abc", "def"][..], 5), (&["abcdef"], 5), (&["ab"], 1)] {
            assert_eq!(read(chunks, limit).await.unwrap_err(), format!("the answer is longer than {limit} bytes"));
        }
    }

    #[tokio::test]
    async fn a_body_without_end_ends_at_its_limit() {
        let frames = std::iter::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1000]))));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let error = read_body(body, 1 << 20).await.unwrap_err();
        assert_eq!(error.to_string(), "the answer is longer than 1 MiB");
    }
}
