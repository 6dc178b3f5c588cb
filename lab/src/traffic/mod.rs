//! Traffic with known content: servers that say who they are, clients that count who answered and check every byte.

mod connection;
mod content;
mod curl;
mod flood;
mod http_server;
mod load;
mod nginx;
mod pattern;
mod report;
mod serve;
mod transfer;
mod udp_exchange;
mod udp_server;

pub use curl::{CurlReply, curl};
pub use flood::{Flood, Packets, RunningFlood};
pub use load::{Amount, Load, RunningLoad};
pub use nginx::{nginx_ill, nginx_server};
pub use pattern::Pattern;
pub use report::Report;
pub use serve::{Serve, Server, serve_forever};
pub use transfer::{RunningTransfer, Transfer, Transferred};
pub use udp_exchange::UdpExchange;

/// The response header that carries the server's name.
pub const SERVER_HEADER: &str = "x-server";
