//! From what keepalived.conf means to relvs.toml, with its comments.
//!
//! What relvs.toml says if nothing is written is not written. What is read from the text is what it was written from, for
//! everything that keepalived.conf can say and relvs.toml takes; whoever writes compares.

mod check;
mod comments;
mod notify;
mod service;
mod text;
mod vrrp;

use crate::{
    Severity,
    keepalived::{Keepalived, Place},
};
use comments::Comments;
use relvs_model::{State, Timeouts};
use text::{Table, time};

/// A file as relvs.toml has it.
///
/// Errors of the file stand at the beginning, as comments. `interfaces` are those that are served, which keepalived.conf does not say; none: it is left to the command line.
pub fn relvs_toml(read: &Keepalived, interfaces: &[String]) -> String {
    let mut page = Page { text: String::new(), comments: Comments::of(read) };
    let State { notify, vrrp, timeouts, services, .. } = &read.state;
    page.say(&format!("From {}, by `relvs convert`.", name(read)));
    page.errors(read);
    page.comments_of(None);
    page.director(interfaces);
    for place in &read.places.global {
        page.comments_of(Some(*place));
    }
    page.timeouts(timeouts);
    notify::write(notify, &mut page);
    vrrp::write(vrrp, &read.places, &mut page);
    for (at, service) in services.iter().enumerate() {
        let places = read.places.services.get(at);
        page.comments_of(places.map(|(place, _)| *place));
        service::write(service, places.map_or(&[], |(_, servers)| servers.as_slice()), &mut page);
    }
    // What stands in blocks that were left out is not lost.
    page.comments_left();
    page.text
}

fn name(read: &Keepalived) -> &str {
    read.document.sources.first().map_or("keepalived.conf", |source| &source.name)
}

/// What has been written.
struct Page {
    text: String,
    comments: Comments,
}

impl Page {
    /// A comment.
    fn say(&mut self, comment: &str) {
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.text.push_str(format!("# {comment}").trim_end());
        self.text.push('\n');
    }

    /// What is not carried over as it is written, so that nobody takes the page for all of it.
    fn errors(&mut self, read: &Keepalived) {
        let mut errors = read.diagnostics.iter().filter(|said| said.severity == Severity::Error).peekable();
        if errors.peek().is_none() {
            return;
        }
        self.say("These errors are left out, or taken as keepalived takes them: look at each before this is run.");
        for error in errors {
            self.say(&format!("  {error}"));
        }
        self.text.push('\n');
    }

    /// The comments of the block that begins here; none: those before all blocks.
    fn comments_of(&mut self, place: Option<Place>) {
        let comments = self.comments.take(place);
        if place.is_some() && !comments.is_empty() {
            self.text.push('\n');
        }
        for comment in comments {
            self.say(&comment);
        }
    }

    fn comments_left(&mut self) {
        let comments = self.comments.left();
        if !comments.is_empty() {
            self.text.push('\n');
        }
        for comment in comments {
            self.say(&comment);
        }
    }

    /// A table with its header, unless nothing is in it.
    fn table(&mut self, header: &str, table: &Table) {
        if !table.is_empty() {
            self.section(header, table);
        }
    }

    /// A table with its header.
    fn section(&mut self, header: &str, table: &Table) {
        // A comment belongs to what follows it.
        let follows = self.text.lines().next_back().is_some_and(|line| line.starts_with('#'));
        if !follows || header == "[director]" {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{header}\n{}", table.lines()));
    }

    fn director(&mut self, interfaces: &[String]) {
        if interfaces.is_empty() {
            self.text.push('\n');
            self.say("The interfaces of clients and servers: name them here, or by `relvs run --interface`.");
            self.say("[director]");
            self.say("interfaces = [\"eth0\", \"eth1\"]");
        } else {
            let mut table = Table::default();
            table.texts("interfaces", interfaces);
            self.table("[director]", &table);
        }
    }

    fn timeouts(&mut self, timeouts: &Timeouts) {
        let usual = Timeouts::default();
        let mut table = Table::default();
        for (key, seconds, usual) in [
            ("tcp", timeouts.tcp_s, usual.tcp_s),
            ("tcp_fin", timeouts.tcp_fin_s, usual.tcp_fin_s),
            ("udp", timeouts.udp_s, usual.udp_s),
        ] {
            if seconds != usual {
                table.value(key, time(seconds.saturating_mul(1_000)));
            }
        }
        self.table("[timeouts]", &table);
    }
}
