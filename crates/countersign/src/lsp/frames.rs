//! The frames that messages travel in: a header with `Content-Length`, an empty line, a body (Language Server Protocol
//! 3.17, base protocol).

use std::io::{self, BufRead, Read as _};

/// The longest body that is kept. A text of [`super::documents::MOST_TEXT`] bytes, every one of them escaped, fits.
pub(crate) const MOST_BODY: u64 = 16 * 1024 * 1024;

/// The longest header.
const MOST_HEADER: u64 = 8 * 1024;

/// How much of each end of a body that is not kept is looked at, to tell which document it is about.
const KEPT: usize = 64 * 1024;

/// What comes from the editor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole body.
    Body(Vec<u8>),
    /// A body that was read and not kept, for it is too long: its length, its beginning and its end.
    TooLong { bytes: u64, head: Vec<u8>, tail: Vec<u8> },
    /// The editor closed the connection between two frames.
    End,
    /// What came is no frame. Nothing after it can be understood.
    Broken(String),
}

/// Reads the next frame.
pub(crate) fn read(from: &mut impl BufRead) -> Frame {
    match try_read(from) {
        Ok(frame) => frame,
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Frame::Broken("the connection ended in the middle of a message".into())
        }
        Err(e) => Frame::Broken(format!("the connection failed: {}", e.kind())),
    }
}

fn try_read(from: &mut impl BufRead) -> io::Result<Frame> {
    let mut length: Option<u64> = None;
    let mut room = MOST_HEADER;
    let mut first = true;
    loop {
        let mut line = Vec::new();
        let read = from.by_ref().take(room).read_until(b'\n', &mut line)?;
        if read == 0 && first && room > 0 {
            return Ok(Frame::End);
        }
        room -= read as u64;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            if room == 0 {
                return Ok(Frame::Broken(format!("a header of more than {MOST_HEADER} bytes")));
            }
            if !line.ends_with(b"\n") {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(Frame::Broken("a line of a header that does not end with CR LF".into()));
        };
        if line.is_empty() {
            break;
        }
        first = false;
        if let Err(why) = field(line, &mut length) {
            return Ok(Frame::Broken(why.into()));
        }
    }
    match length {
        None => Ok(Frame::Broken("a header without Content-Length".into())),
        Some(bytes) if bytes > MOST_BODY => skip(from, bytes),
        Some(bytes) => {
            let mut body = Vec::new();
            from.take(bytes).read_to_end(&mut body)?;
            if (body.len() as u64) < bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(Frame::Body(body))
        }
    }
}

/// One line of a header. Fields that are not known mean nothing to us.
fn field(line: &[u8], length: &mut Option<u64>) -> Result<(), &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "a header that is not ASCII")?;
    let (name, value) = text.split_once(':').ok_or("a line of a header without a colon")?;
    let value = value.trim();
    if name.eq_ignore_ascii_case("content-length") {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let bytes = value.parse().ok().filter(|_| digits).ok_or("a Content-Length that is no number of bytes")?;
        if length.replace(bytes).is_some_and(|before| before != bytes) {
            return Err("a header with two lengths");
        }
    } else if name.eq_ignore_ascii_case("content-type") {
        let value = value.to_ascii_lowercase();
        if value.contains("charset") && !value.contains("utf-8") && !value.contains("utf8") {
            return Err("a body that is not in UTF-8");
        }
    }
    Ok(())
}

fn skip(from: &mut impl BufRead, bytes: u64) -> io::Result<Frame> {
    let mut head = Vec::new();
    from.by_ref().take(KEPT as u64).read_to_end(&mut head)?;
    let mut tail: Vec<u8> = Vec::new();
    let mut left = bytes - (head.len() as u64).min(bytes);
    while left > 0 {
        let part = from.fill_buf()?;
        if part.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        tail.extend_from_slice(&part[..n]);
        let over = tail.len().saturating_sub(KEPT);
        tail.drain(..over);
        from.consume(n);
        left -= n as u64;
    }
    Ok(Frame::TooLong { bytes, head, tail })
}

/// A body in its frame.
pub(crate) fn write(body: &[u8]) -> Vec<u8> {
    [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn one(bytes: &[u8]) -> Frame {
        read(&mut BufReader::new(bytes))
    }

    #[test]
    fn frames_are_read_one_after_the_other() {
        let bytes = [write(b"{}"), b"content-length:  3\r\nContent-Type: x; charset=utf-8\r\nX: y\r\n\r\nabc".to_vec()]
            .concat();
        let mut from = BufReader::with_capacity(3, &bytes[..]);
        assert_eq!(read(&mut from), Frame::Body(b"{}".to_vec()));
        assert_eq!(read(&mut from), Frame::Body(b"abc".to_vec()));
        assert_eq!(read(&mut from), Frame::End);
    }

    #[test]
    fn what_is_no_frame_is_told() {
        let long = format!("X: {}", "x".repeat(9000));
        for (bytes, why) in [
            ("Content-Length: 5\r\n\r\nab", "middle"),
            ("Content-Length: 5\r\n", "middle"),
            ("Content-Le", "middle"),
            ("\r\n", "without Content-Length"),
            ("X: y\r\n\r\n", "without Content-Length"),
            ("Content-Length: 5\n\nabcde", "CR LF"),
            ("Content-Length: -5\r\n\r\n", "number of bytes"),
            ("Content-Length: +5\r\n\r\n", "number of bytes"),
            ("Content-Length: 99999999999999999999\r\n\r\n", "number of bytes"),
            ("Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
            ("Content-Length: 1\r\nContent-Type: x; charset=utf-16\r\n\r\na", "UTF-8"),
            ("{\"jsonrpc\":\"2.0\"}\r\n\r\n", "Content-Length"),
            ("hello\r\n\r\n", "colon"),
            (long.as_str(), "more than"),
        ] {
            match one(bytes.as_bytes()) {
                Frame::Broken(said) => assert!(said.contains(why), "{bytes}: {said}"),
                other => panic!("{bytes}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let length = MOST_BODY + 7;
        let header = format!("Content-Length: {length}\r\n\r\n");
        let body = io::repeat(b'a').take(length - 1).chain(&b"z"[..]);
        let next = write(b"next");
        let mut from = BufReader::new(header.as_bytes().chain(body).chain(&next[..]));
        match read(&mut from) {
            Frame::TooLong { bytes, head, tail } => {
                assert_eq!((bytes, head.len(), tail.len(), tail.last()), (length, KEPT, KEPT, Some(&b'z')));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(read(&mut from), Frame::Body(b"next".to_vec()));
        assert!(matches!(one(format!("{header}abc").as_bytes()), Frame::Broken(_)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5), buffer in 1_usize..64) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|b| write(b)).collect();
            let mut from = BufReader::with_capacity(buffer, &bytes[..]);
            for body in bodies {
                prop_assert_eq!(read(&mut from), Frame::Body(body));
            }
            prop_assert_eq!(read(&mut from), Frame::End);
        }

        #[test]
        fn nothing_panics_and_everything_ends(bytes in "(Content-Length: [0-9]{0,3}|[a-zA-Z:]{0,9}|\r\n|\n|\r|\\PC){0,20}") {
            let mut from = BufReader::new(bytes.as_bytes());
            // Every frame takes at least one byte, so there are no more of them than bytes.
            let ended = (0..=bytes.len()).any(|_| matches!(read(&mut from), Frame::End | Frame::Broken(_)));
            prop_assert!(ended);
        }
    }
}
