//! The native side: the same front and greeter, each a process of its own, gRPC between them over loopback HTTP/2.
//!
//! They are what somebody would write without Hostel, with the libraries' defaults, on as many threads as there are
//! cores for them. Only the allocator is the host's, so that the comparison is not one of allocators.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::time::sleep as pause;
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};

use crate::tls;

#[path = "../../guests/bench-greeter/src/greeter.rs"]
mod greeter;
#[path = "../../guests/bench-front/src/routes.rs"]
mod routes;

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub(crate) mod pb {
    tonic::include_proto!("hostel.bench.v1");
}

/// What carries calls to the greeter: one HTTP/2 connection.
type Transport = Channel;

/// The native servers, as subcommands of this program.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Serve {
    /// The axum server
    NativeFront {
        #[arg(long)]
        greeter: SocketAddr,
        /// Call it over mutual TLS, with the certificate in this folder
        #[arg(long)]
        tls: Option<PathBuf>,
        #[arg(long)]
        announce: PathBuf,
    },
    /// The tonic server
    NativeGreeter {
        /// Serve over mutual TLS, with the certificate in this folder
        #[arg(long)]
        tls: Option<PathBuf>,
        #[arg(long)]
        announce: PathBuf,
    },
}

/// Serves until the process is killed.
pub(crate) fn serve(serve: Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        match serve {
            Serve::NativeFront { greeter, tls, announce } => {
                let endpoint = match tls {
                    None => Endpoint::from_shared(format!("http://{greeter}"))?,
                    Some(dir) => Endpoint::from_shared(format!("https://{greeter}"))?.tls_config(tls::client(&dir)?)?,
                };
                let channel = endpoint.connect_lazy();
                write_announcement(&announce, listener.local_addr()?)?;
                let listener = listener.tap_io(|stream| {
                    // What fails here shows in the latencies.
                    let _ = stream.set_nodelay(true);
                });
                let app = routes::app(routes::Greeter::new(channel));
                axum::serve(listener, app).await?;
            }
            Serve::NativeGreeter { tls, announce } => {
                write_announcement(&announce, listener.local_addr()?)?;
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let mut server = Server::builder();
                if let Some(dir) = tls {
                    server = server.tls_config(tls::server(&dir)?)?;
                }
                server.add_service(greeter::service()).serve_with_incoming(incoming).await?;
            }
        }
        Ok(())
    })
}

/// Says where the server listens, as `hostel up --announce` does.
fn write_announcement(path: &Path, edge: SocketAddr) -> anyhow::Result<()> {
    let unfinished = path.with_extension("tmp");
    let text = serde_json::json!({ "edge": edge }).to_string();
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| path.display().to_string())
}
