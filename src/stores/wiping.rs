//! Connections whose buffers are wiped: what a server sent stands in them until the next answer overwrites it, and after they are freed.
//!
//! Promises: when a connection goes back to the pool, and when it is closed, its buffers hold nothing of the last request and answer. What TLS
//! itself keeps while it decrypts is out of reach.

use ureq::{
    Error,
    unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport},
};
use zeroize::Zeroize as _;

/// The last link of a chain of connectors: wraps what they made.
#[derive(Debug)]
pub(super) struct WipingConnector;

impl<In: Transport> Connector<In> for WipingConnector {
    type Out = Wiping<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(Wiping))
    }
}

/// A connection that wipes its buffers.
#[derive(Debug)]
pub(super) struct Wiping<T: Transport>(T);

impl<T: Transport> Wiping<T> {
    fn wipe(&mut self) {
        let buffers = self.0.buffers();
        // What was consumed is free again; what was not stays.
        buffers.input_append_buf().zeroize();
        buffers.output().zeroize();
    }
}

impl<T: Transport> Transport for Wiping<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    /// The pool asks this when it takes a connection back, and when it hands it out.
    fn is_open(&mut self) -> bool {
        self.wipe();
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

impl<T: Transport> Drop for Wiping<T> {
    fn drop(&mut self) {
        let unread = self.0.buffers().input().len();
        self.0.buffers().input_consume(unread);
        self.wipe();
    }
}
