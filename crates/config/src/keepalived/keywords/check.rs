//! Checkers.

use super::{Keyword, differs, gone, ignored, obsolete, why, works};

/// In a service, a server and every checker but FILE_CHECK and BFD_CHECK.
pub(super) const TIMING: &[Keyword] =
    &[works("retry"), works("delay_before_retry"), works("warmup"), works("delay_loop"), works("alpha")];

/// How the server is reached.
pub(super) const TARGET: &[Keyword] = &[
    works("connect_ip"),
    works("connect_port"),
    works("bindto"),
    works("bind_port"),
    works("bind_if"),
    works("connect_timeout"),
    works("fwmark"),
    works("log_all_failures"),
];

const RETRY: Keyword = gone("nb_get_retry", "write `retry`: it counts in HTTP_GET and SSL_GET alone");

/// In checkers that had it once, or seem to have had it.
pub(super) const GONE: &[Keyword] = &[RETRY];

pub(super) const CHECKS: &[Keyword] = &[
    works("TCP_CHECK"),
    works("HTTP_GET"),
    works("SSL_GET"),
    works("SMTP_CHECK"),
    works("DNS_CHECK"),
    works("UDP_CHECK"),
    works("PING_CHECK"),
    works("MISC_CHECK"),
    works("FILE_CHECK"),
    ignored("BFD_CHECK", why::BFD),
];

pub(super) const HTTP: &[Keyword] = &[
    obsolete("nb_get_retry", "retry"),
    works("virtualhost"),
    works("http_protocol"),
    works("enable_sni"),
    works("sni_name"),
    works("fast_recovery"),
    ignored("tls_compliant", "a TLS connection is always closed as it should be"),
    works("url"),
];

pub(super) const URL: &[Keyword] = &[
    works("path"),
    works("digest"),
    works("status_code"),
    works("virtualhost"),
    differs("regex", "it is one of Rust's regular expressions: without back references and look-around"),
    works("regex_no_match"),
    differs("regex_options", "caseless, multiline, dotall, extended and ungreedy act, others do nothing"),
    ignored("regex_min_offset", "the whole body is searched"),
    ignored("regex_max_offset", "the whole body is searched"),
    ignored("regex_stack", "a search takes no stack"),
    ignored("tls_compliant", "a TLS connection is always closed as it should be"),
];

pub(super) const SMTP: &[Keyword] = &[works("helo_name"), works("host"), RETRY];

pub(super) const DNS: &[Keyword] = &[works("type"), works("name"), RETRY];

pub(super) const UDP: &[Keyword] = &[
    differs("payload", "without one, an empty datagram is sent, not a random one"),
    works("require_reply"),
    works("min_reply_length"),
    works("max_reply_length"),
    RETRY,
];

pub(super) const MISC: &[Keyword] = &[
    works("misc_path"),
    works("misc_timeout"),
    works("misc_dynamic"),
    works("user"),
    works("log_all_failures"),
    RETRY,
];

pub(super) const FILE: &[Keyword] = &[works("track_file"), works("weight"), works("dynamic")];

pub(super) const BFD: &[Keyword] = &[ignored("name", why::BFD), ignored("alpha", why::BFD)];

pub(super) const SSL: &[Keyword] = &[
    ignored("password", "a key with a password is not read; take it off with `openssl pkey`"),
    works("ca"),
    works("certificate"),
    works("key"),
];
