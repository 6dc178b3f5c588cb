//! The listing of connections, which is written as it comes: a million of them begin at once and take no memory here.

use crate::{ConnectionView, Context, json, names::written};
use relvs_model::Protocol;
use std::{
    io::{self, Write},
    net::SocketAddr,
};

/// A listing of connections that has begun.
pub struct ConnectionList<'a> {
    out: &'a mut dyn Write,
    context: Context<'a>,
    any: bool,
}

impl<'a> ConnectionList<'a> {
    /// Writes the title.
    ///
    /// # Errors
    ///
    /// `out` cannot be written.
    pub fn begin(out: &'a mut dyn Write, context: Context<'a>) -> io::Result<Self> {
        let (state, source, service, server) = ("state", "source", "virtual", "destination");
        if context.format.json {
            json::begin_connections(out)?;
        } else {
            writeln!(out, "IPVS connection entries")?;
            write!(out, "pro expire {state:11} {source:18} {service:18} ")?;
            if context.format.persistent_conn {
                writeln!(out, "{server:18} {:16} pe_data", "pe name")?;
            } else {
                writeln!(out, "{server}")?;
            }
        }
        Ok(ConnectionList { out, context, any: false })
    }

    /// Writes one connection. No persistence engine has anything to say of it.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn row(&mut self, view: &ConnectionView) -> io::Result<()> {
        let Context { format, names } = self.context;
        if format.json {
            json::connection(self.out, view, self.any)?;
            self.any = true;
            return Ok(());
        }
        let protocol = Protocol::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(view.protocol));
        let end = |address: SocketAddr| written(address, protocol, format.numeric, names);
        let expire = format!("{:02}:{:02}", view.expires_s / 60, view.expires_s % 60);
        let (client, service, server) = (end(view.client), end(view.service), end(view.server));
        writeln!(self.out, "{:3} {expire:6} {:11} {client:18} {service:18} {server}", view.protocol, view.state)
    }

    /// Writes what remains to be written.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn end(self) -> io::Result<()> {
        if self.context.format.json { json::end_connections(self.out) } else { Ok(()) }
    }
}
