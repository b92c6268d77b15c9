//! HTTP over a Unix socket, for engines that listen on one (Docker).
//!
//! Promises: no connection leaves the machine, whatever the address says; waits are bounded by the client's limits.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use ureq::{
    Error,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
    },
};

/// The first link of a chain of connectors: opens the socket.
#[derive(Debug)]
pub(super) struct SocketConnector(PathBuf);

impl SocketConnector {
    /// Takes the socket's path; opens nothing.
    pub(super) fn new(socket: &Path) -> Self {
        Self(socket.to_owned())
    }
}

impl Connector<()> for SocketConnector {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        // Nothing was sent: whatever the reason, the engine cannot be reached.
        let stream = UnixStream::connect(&self.0).map_err(|_| Error::ConnectionFailed)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Socket { stream, buffers }))
    }
}

/// One connection.
pub(super) struct Socket {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket")
    }
}

/// Tells a limit that was met from other faults.
fn fault(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_write_timeout(limit)?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        (&self.stream)
            .write_all(output)
            .map_err(|error| fault(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_read_timeout(limit)?;
        let room = self.buffers.input_append_buf();
        let read = loop {
            match (&self.stream).read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|error| fault(error, timeout))?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Never handed out twice: an engine may have hung up, and a new connection costs nothing here.
    fn is_open(&mut self) -> bool {
        false
    }
}
