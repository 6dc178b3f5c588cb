//! `[notify]`

use super::{Page, text::Table};
use relvs_model::health::{Encryption, Mail, Notify};

pub(super) fn write(notify: &Notify, page: &mut Page) {
    let mut table = Table::default();
    table.maybe("fifo", notify.fifo.as_ref());
    page.table("[notify]", &table);
    if let Some(mail) = &notify.mail {
        page.table("[notify.mail]", &self::mail(mail));
    }
}

fn mail(mail: &Mail) -> Table {
    let mut table = Table::default();
    table.text("server", &mail.server);
    let [usual, encrypted] = Mail::PORTS;
    table.unless(if mail.encryption == Encryption::Tls { encrypted } else { usual }, "port", mail.port);
    table.text("from", &mail.from);
    table.texts("to", &mail.to);
    table.maybe("helo", mail.helo.as_ref());
    table.time("timeout", mail.timeout_ms, Mail::TIMEOUT_MS);
    table
}
