//! The built-in servers of one node, on a thread of this process or as this process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{http_server, udp_server};
use crate::node::Node;

/// Connections that wait for being accepted.
const BACKLOG: i32 = 4096;

/// What to serve: the name, and the sockets to serve it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Said in every answer.
    pub name: String,
    /// HTTP.
    pub http: Vec<SocketAddr>,
    /// UDP echo.
    pub udp: Vec<SocketAddr>,
}

impl Serve {
    /// Nothing yet, under that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), http: Vec::new(), udp: Vec::new() }
    }

    /// HTTP on that port of every address, those that come later (a VIP on lo) included.
    #[must_use]
    pub fn http(mut self, port: u16) -> Self {
        self.http.extend(everywhere(port));
        self
    }

    /// UDP echo on that port of every address.
    #[must_use]
    pub fn udp(mut self, port: u16) -> Self {
        self.udp.extend(everywhere(port));
        self
    }

    fn bind(&self, runtime: &Runtime) -> Result<Bound> {
        let _inside = runtime.enter();
        let http = self.http.iter().map(|address| listen(*address)).collect::<Result<_>>()?;
        let udp = self.udp.iter().map(|address| udp_server::bind(*address)).collect::<Result<_>>()?;
        Ok(Bound { http, udp })
    }
}

struct Bound {
    http: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Bound {
    async fn run(self, name: &str) -> Result<()> {
        let name: Arc<str> = name.into();
        let mut tasks = JoinSet::new();
        for listener in self.http {
            let name = Arc::clone(&name);
            tasks.spawn(async move {
                http_server::serve(listener, name).await;
                Ok(())
            });
        }
        for socket in self.udp {
            tasks.spawn(udp_server::serve(socket, Arc::clone(&name)));
        }
        match tasks.join_next().await {
            Some(ended) => ended.context("a server task failed")?.context("UDP server"),
            None => Err(anyhow!("nothing to serve: give --http or --udp")),
        }
    }
}

fn everywhere(port: u16) -> [SocketAddr; 2] {
    [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()].map(|address| SocketAddr::new(address, port))
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let context = || format!("HTTP {address}");
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).with_context(context)?;
    if address.is_ipv6() {
        socket.set_only_v6(true).with_context(context)?;
    }
    socket.set_reuse_address(true).with_context(context)?;
    socket.set_nonblocking(true).with_context(context)?;
    socket.bind(&address.into()).with_context(context)?;
    socket.listen(BACKLOG).with_context(context)?;
    TcpListener::from_std(socket.into()).with_context(context)
}

pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start an async runtime")
}

/// Serves in the calling process until it is killed.
///
/// # Errors
/// A socket cannot be bound, or nothing is to be served.
pub fn serve_forever(serve: &Serve) -> Result<()> {
    let runtime = runtime()?;
    let bound = serve.bind(&runtime)?;
    runtime.block_on(bound.run(&serve.name))
}

/// Servers on a thread inside a node; dropping it closes every socket, as the end of a server process does.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Server {
    /// Starts, and returns when every socket is bound.
    ///
    /// # Errors
    /// A socket cannot be bound, or the namespace is gone.
    pub fn start(node: &Node, serve: Serve) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, readiness) = mpsc::channel();
        let thread = node.thread("serve", move || {
            let runtime = runtime()?;
            let bound = serve.bind(&runtime)?;
            // The starter waits for this, unless it is gone itself.
            let _ = ready.send(());
            runtime.block_on(async {
                tokio::select! {
                    ended = bound.run(&serve.name) => ended,
                    _ = stopped => Ok(()),
                }
            })
        })?;
        let mut server = Self { stop: Some(stop), thread: Some(thread) };
        if readiness.recv().is_err() {
            server.end().with_context(|| format!("{}: servers did not start", node.name()))?;
        }
        Ok(server)
    }

    /// Starts the usual one on a node: its name, HTTP on 80, UDP echo on 53.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn usual(node: &Node) -> Result<Self> {
        Self::start(node, Serve::new(node.name()).http(80).udp(53))
    }

    /// Stops and says how the thread ended.
    ///
    /// # Errors
    /// What ended it before.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(anyhow!("the server's thread panicked")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
