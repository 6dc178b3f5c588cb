//! gRPC health checks of a server by hyper.

use crate::ask::{ask, down, runtime, up};
use http_body_util::{Full, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use relvs_model::health::{GrpcProbe, Probe};
use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, thread};
use tokio::net::TcpListener;

type Body = http_body_util::combinators::UnsyncBoxBody<VecDeque<u8>, Infallible>;

/// What the server says about a service: a status of the protocol, or an error in its head or in its trailers.
fn health(service: &[u8]) -> Response<Body> {
    use http_body_util::BodyExt as _;
    let (message, trailers): (&[u8], &[(&'static str, &'static str)]) = match service {
        b"" | b"up" => (&[8, 1], &[("grpc-status", "0")]),
        b"down" => (&[8, 2], &[("grpc-status", "0")]),
        b"late" => (&[], &[("grpc-status", "13"), ("grpc-message", "it broke")]),
        _ => {
            let empty = Full::new(VecDeque::new()).boxed_unsync();
            return Response::builder().header("grpc-status", "5").body(empty).unwrap();
        }
    };
    let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    framed.extend(message);
    let mut end = HeaderMap::new();
    for (name, value) in trailers {
        end.insert(*name, value.parse().unwrap());
    }
    let frames = [Frame::data(VecDeque::from(framed)), Frame::trailers(end)].map(Ok::<_, Infallible>);
    let body = StreamBody::new(Frames(VecDeque::from(frames)));
    Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
}

struct Frames(VecDeque<Result<Frame<VecDeque<u8>>, Infallible>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<VecDeque<u8>>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

fn server() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                    use http_body_util::BodyExt as _;
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    let asked = request.into_body().collect().await.unwrap().to_bytes();
                    // A frame's head, then the field's tag and length.
                    Ok::<_, Infallible>(health(asked.get(7..).unwrap_or_default()))
                });
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
    });
    address
}

#[test]
fn the_server_says_how_it_is() {
    let server = server();
    let about =
        |service: &str| ask(&Probe::Grpc(GrpcProbe { service: service.to_owned(), ..GrpcProbe::default() }), server);
    assert_eq!((about(""), about("up")), (up(), up()));
    assert_eq!(about("down"), down("the server says NOT_SERVING, expected SERVING"));
    assert_eq!(about("late"), down("gRPC status 13: it broke"));
    assert_eq!(about("nobody"), down("gRPC status 5: the server does not know the service"));
}
