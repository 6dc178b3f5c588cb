//! Prometheus's text format, version 0.0.4, a part at a time: however many servers there are, a part is all the text
//! that is held.

use super::{
    snapshot::{ServerRow, Snapshot},
    table::{Each, FAMILIES, Family, backend},
};
use relvs_model::ServiceKey;
use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

/// The format's media type.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A part is about as large as this.
const PART: usize = 64 << 10;

/// The text of a snapshot, part by part.
pub(crate) struct Text {
    snapshot: Arc<Snapshot>,
    /// With metrics of each server.
    servers: bool,
    family: usize,
    row: usize,
}

impl Text {
    /// Of this snapshot; without metrics of each server if those are not wanted.
    pub(crate) fn new(snapshot: Arc<Snapshot>, servers: bool) -> Self {
        Text { snapshot, servers, family: 0, row: 0 }
    }

    fn rows(&self, family: &Family) -> usize {
        match family.each {
            Each::Whole(_) => 1,
            Each::Service(_) => self.snapshot.services.len(),
            Each::CheckedService(_) => self.snapshot.checked.services.len(),
            Each::Server(_) | Each::Backend(_) | Each::CheckedServer(_) if !self.servers => 0,
            Each::CheckedServer(_) => self.snapshot.checked.servers.len(),
            Each::Server(_) | Each::Backend(_) => self.snapshot.servers.len(),
        }
    }

    fn server(&self, row: usize) -> Option<(ServiceKey, &ServerRow)> {
        let server = self.snapshot.servers.get(row)?;
        Some((self.snapshot.services.get(server.service as usize)?.key, server))
    }

    /// Writes a row of a family; of a family that is of the director itself, all of it.
    fn write(&self, family: &Family, row: usize, out: &mut String) {
        let snapshot = &self.snapshot;
        match family.each {
            Each::Whole(each) => each(snapshot, &mut |values, value| line(out, family, values, value)),
            Each::Service(value) => {
                let Some(service) = snapshot.services.get(row) else { return };
                let _ = writeln!(out, "{}{{service=\"{}\"}} {}", family.name, service.key, value(service));
            }
            Each::Server(value) => {
                let Some((service, server)) = self.server(row) else { return };
                let (name, address) = (family.name, SocketAddr::new(server.address, server.port));
                let _ = writeln!(out, "{name}{{service=\"{service}\",server=\"{address}\"}} {}", value(server));
            }
            Each::CheckedService(value) => {
                let Some(service) = snapshot.checked.services.get(row) else { return };
                let _ = writeln!(out, "{}{{service=\"{}\"}} {}", family.name, service.service, value(service));
            }
            Each::CheckedServer(value) => {
                let Some(server) = snapshot.checked.servers.get(row) else { return };
                let Some(service) = snapshot.checked.services.get(server.service as usize) else { return };
                let (name, service, address, value) = (family.name, service.service, server.server, value(server));
                // What is not known is not there.
                if !value.is_nan() {
                    let _ = writeln!(out, "{name}{{service=\"{service}\",server=\"{address}\"}} {value}");
                }
            }
            Each::Backend(value) => {
                let Some((service, server)) = self.server(row) else { return };
                let values = backend(service, server);
                line(out, family, &values.each_ref().map(String::as_str), value(server));
            }
        }
    }
}

impl Iterator for Text {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut out = String::with_capacity(PART + PART / 4);
        while out.len() < PART {
            let Some(family) = FAMILIES.get(self.family) else { break };
            let rows = self.rows(family);
            if self.row == 0 && rows > 0 {
                let _ = writeln!(out, "# HELP {} {}", family.name, escaped(family.help, false));
                let _ = writeln!(out, "# TYPE {} {}", family.name, family.kind.name());
            }
            while self.row < rows && out.len() < PART {
                self.write(family, self.row, &mut out);
                self.row += 1;
            }
            if self.row >= rows {
                (self.family, self.row) = (self.family + 1, 0);
            }
        }
        (!out.is_empty()).then_some(out)
    }
}

fn line(out: &mut String, family: &Family, values: &[&str], value: f64) {
    out.push_str(family.name);
    let mut before = '{';
    for (label, value) in family.labels.iter().zip(values) {
        let _ = write!(out, "{before}{label}=\"{}\"", escaped(value, true));
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

/// A label's value between quotes, or a line of help.
fn escaped(text: &str, quotes: bool) -> std::borrow::Cow<'_, str> {
    if !(text.contains(['\\', '\n']) || quotes && text.contains('"')) {
        return text.into();
    }
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"").into() } else { text.into() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
