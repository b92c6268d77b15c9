//! The protocol of Redis (RESP2), as much of it as users and passwords need: a command out, an answer in.
//!
//! Own code and not the `redis` crate: that brings 14 packages (URLs with their Unicode tables among them) for what is 150 lines here, keeps passwords as
//! strings that are not wiped, and hides the answer to AUTH, which is what a probe must judge, behind its own login.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use zeroize::Zeroizing;

use crate::stores::target::open::Address;

/// Longest wait for a connection, and for each read and write.
const WAIT: Duration = Duration::from_secs(10);
/// The most bytes of one answer; that to ACL GETUSER has a few hundred.
const MAX_ANSWER: u64 = 1 << 20;
/// The deepest nesting of arrays.
const MAX_DEPTH: u8 = 8;

/// One answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// `+OK` and the like.
    Simple(String),
    /// `-CODE words`: the words may hold names and values, and are not shown.
    Error(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several.
    Many(Vec<Answer>),
}

impl Answer {
    /// Returns the answer's text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Simple(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Error(_) | Self::Number(_) | Self::Nil | Self::Many(_) => None,
        }
    }

    /// Returns the first word of an error.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text.split(' ').next().unwrap_or_default()),
            Self::Simple(_) | Self::Number(_) | Self::Bytes(_) | Self::Nil | Self::Many(_) => None,
        }
    }

    /// Returns the value after a name in a flat list of names and values.
    pub(super) fn after(&self, name: &str) -> Option<&Self> {
        let Self::Many(items) = self else {
            return None;
        };
        let at = items.iter().position(|item| item.text() == Some(name))?;
        items.get(at.checked_add(1)?)
    }

    /// Tells whether a list holds a text.
    pub(super) fn holds(&self, text: &str) -> bool {
        matches!(self, Self::Many(items) if items.iter().any(|item| item.text() == Some(text)))
    }
}

/// Why there is no answer. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing was sent: there is no connection.
    Unreached,
    /// TLS failed, so nothing was sent.
    Untrusted,
    /// Something was sent, and no answer came.
    Midway,
    /// The answer is none of this protocol.
    Foreign,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub(super) struct Connection(BufReader<Box<dyn Stream>>);

impl Connection {
    /// Connects; with TLS if there is a configuration for it.
    pub(super) fn open(address: &Address, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Lost> {
        let found = (address.host.as_str(), address.port).to_socket_addrs();
        let mut found = found.map_err(|_| Lost::Unreached)?;
        let tcp = found.find_map(|one| TcpStream::connect_timeout(&one, WAIT).ok());
        let tcp = tcp.ok_or(Lost::Unreached)?;
        let limits = [
            tcp.set_read_timeout(Some(WAIT)),
            tcp.set_write_timeout(Some(WAIT)),
        ];
        if limits.iter().any(Result::is_err) {
            return Err(Lost::Unreached);
        }
        let Some(tls) = tls else {
            return Ok(Self(BufReader::new(Box::new(tcp))));
        };
        let name = ServerName::try_from(address.host.clone()).map_err(|_| Lost::Untrusted)?;
        let mut client =
            ClientConnection::new(Arc::clone(tls), name).map_err(|_| Lost::Untrusted)?;
        let mut tcp = tcp;
        while client.is_handshaking() {
            client.complete_io(&mut tcp).map_err(|_| Lost::Untrusted)?;
        }
        let stream = StreamOwned::new(client, tcp);
        Ok(Self(BufReader::new(Box::new(stream))))
    }

    /// Sends a command and returns its answer.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> Result<Answer, Lost> {
        let room: usize = words.iter().map(|word| word.len() + 32).sum();
        // As large as it gets from the start: a buffer that grows leaves copies of a password behind.
        let mut out = Zeroizing::new(Vec::with_capacity(room + 32));
        out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        let stream = self.0.get_mut();
        let sent = stream.write_all(&out).and_then(|()| stream.flush());
        sent.map_err(|_| Lost::Midway)?;
        let mut limited = (&mut self.0).take(MAX_ANSWER);
        answer(&mut limited, 0)
    }
}

fn answer(from: &mut impl std::io::BufRead, depth: u8) -> Result<Answer, Lost> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)
        .map_err(|_| Lost::Midway)?;
    if line.is_empty() {
        return Err(Lost::Midway);
    }
    let line = line.strip_suffix(b"\r\n").ok_or(Lost::Foreign)?;
    let line = std::str::from_utf8(line).map_err(|_| Lost::Foreign)?;
    let mut rest = line.chars();
    let kind = rest.next();
    let rest = rest.as_str();
    let number = || rest.parse::<i64>().map_err(|_| Lost::Foreign);
    match kind {
        Some('+') => Ok(Answer::Simple(rest.to_owned())),
        Some('-') => Ok(Answer::Error(rest.to_owned())),
        Some(':') => Ok(Answer::Number(number()?)),
        Some('$') => {
            let Ok(length) = u64::try_from(number()?) else {
                return Ok(Answer::Nil);
            };
            let mut bytes = Vec::new();
            let with_end = length.checked_add(2).ok_or(Lost::Foreign)?;
            from.take(with_end)
                .read_to_end(&mut bytes)
                .map_err(|_| Lost::Midway)?;
            if bytes.len() as u64 != with_end || !bytes.ends_with(b"\r\n") {
                return Err(Lost::Foreign);
            }
            bytes.truncate(bytes.len().saturating_sub(2));
            Ok(Answer::Bytes(bytes))
        }
        Some('*') => {
            let Ok(count) = u64::try_from(number()?) else {
                return Ok(Answer::Nil);
            };
            if depth >= MAX_DEPTH {
                return Err(Lost::Foreign);
            }
            let mut items = Vec::new();
            // Each takes bytes of the answer, whose number is limited.
            for _ in 0..count {
                items.push(answer(from, depth + 1)?);
            }
            Ok(Answer::Many(items))
        }
        _ => Err(Lost::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_answers_of_every_kind() {
        let mut text: &[u8] =
            b"*5\r\n+OK\r\n-WRONGPASS no\r\n:7\r\n$-1\r\n*2\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n";
        let Ok(Answer::Many(items)) = answer(&mut text, 0) else {
            panic!("no list");
        };
        assert_eq!(items[0].text(), Some("OK"));
        assert_eq!(items[1].error(), Some("WRONGPASS"));
        assert!(matches!(items[2], Answer::Number(7)));
        assert!(matches!(items[3], Answer::Nil));
        assert!(items[4].after("flags").unwrap().holds("on"));
        assert!(items[4].after("on").is_none());
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_answer() {
        let deep = b"*1\r\n".repeat(20);
        for (text, lost) in [
            (&b""[..], Lost::Midway),
            (b"+OK", Lost::Foreign),
            (b"HTTP/1.1 400\r\n", Lost::Foreign),
            (b"$5\r\nab\r\n", Lost::Foreign),
            (b"$99999999999999999999\r\n", Lost::Foreign),
            (b"*2\r\n+OK\r\n", Lost::Midway),
            (&deep, Lost::Foreign),
        ] {
            let mut from = text;
            assert_eq!(answer(&mut from, 0).unwrap_err(), lost, "{text:?}");
        }
    }
}
