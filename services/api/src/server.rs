//! How the API is put together, and how serving starts and ends.
//!
//! Called by the scheduler's binary: build a [`Server`], wrap it in the binary's own layer (tracing), serve a listener.
//! Tests serve the same over in-process pipes.

mod ending;
mod exposure;
mod tls;

pub use tls::{ClientCa, Tls};

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use baton_domain::services::Services;
use baton_proto::v1::{
    flash_sales_service_server::FlashSalesServiceServer, jobs_service_server::JobsServiceServer,
    plans_service_server::PlansServiceServer, runs_service_server::RunsServiceServer,
};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    service::Routes,
    transport::server::{Connected, TcpIncoming},
};
use tonic_health::server::{HealthReporter, HealthService};
use tower::{Layer, Service, util::BoxCloneService};

use crate::{
    caller::{Authentication, Guard},
    feed::{FeedOptions, RunFeed},
    handlers::{FlashSales, Jobs, Plans, Runs},
    health::Health,
    layers::{self, Bounds, Stacked},
    pace::Pace,
    reflection,
};

/// The largest message that is accepted.
pub const MESSAGE_BYTES: usize = 4 * 1_024 * 1_024;

/// What an operator may decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Unary calls under way; further ones are turned away.
    pub max_calls: usize,
    /// Open streams; further ones are turned away.
    pub max_streams: usize,
    /// For unary calls whose caller gives no deadline.
    pub deadline: Duration,
    /// Of a server's time, what planners may take when they call without end: above 0 and at most 1.
    pub planner_share: f64,
    /// How often a watch looks for changes that no wake told it of.
    pub watch_poll: Duration,
    /// How watches of runs are served.
    pub feed: FeedOptions,
    /// Silence after which a connection is asked whether it is still there, and how long it may take to answer.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// How old a connection may become: its caller is then told to make another, so that callers spread over servers that
    /// came later. What is under way on it has the grace to end.
    pub connection_age: Duration,
    pub connection_grace: Duration,
    /// How long calls may take to finish after the shutdown.
    pub drain: Duration,
    /// Whether callers must prove who they are.
    pub authentication: Authentication,
    pub tls: Option<Tls>,
    /// Tokens may cross a network in clear text, as where something in front of the server does TLS.
    pub allow_plaintext: bool,
}

impl Options {
    /// Fails where an address would be served to others than those who should be.
    ///
    /// # Errors
    /// Without authentication, anything but loopback; without TLS too, unless that is allowed.
    pub fn check_exposure(&self, address: SocketAddr) -> Result<(), ServeError> {
        let authenticated = self.authentication != Authentication::None;
        let sealed = self.tls.is_some() || self.allow_plaintext;
        exposure::check(address, authenticated, sealed)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_calls: 1_024,
            max_streams: 4_096,
            deadline: Duration::from_secs(30),
            planner_share: 0.1,
            watch_poll: Duration::from_secs(5),
            feed: FeedOptions::default(),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            connection_age: Duration::from_secs(60 * 60),
            connection_grace: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            authentication: Authentication::None,
            tls: None,
            allow_plaintext: false,
        }
    }
}

impl Options {
    /// More than is taken of all connections together, so that a caller is turned away with a status and does not wait for
    /// a stream of its own connection to end.
    fn streams_of_a_connection(&self) -> u32 {
        let taken = self.max_calls.saturating_add(self.max_streams);
        u32::try_from(taken.saturating_add(1_024)).unwrap_or(u32::MAX)
    }
}

/// Why the server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("reflection cannot be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the listener's address is unknown: {0}")]
    Address(#[source] io::Error),
    #[error("refusing to listen on {0}: callers are not authenticated, so only loopback addresses are served")]
    NotLoopback(SocketAddr),
    #[error("refusing to listen on {0}: tokens would cross the network in clear text without TLS")]
    ClearText(SocketAddr),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] tonic::transport::Error),
    #[error("serving failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// The API, ready to serve.
pub struct Server {
    options: Options,
    services: Services,
    feed: Arc<RunFeed>,
    service: Stacked,
    reporter: HealthReporter,
    /// Ends open streams.
    stop_streams: CancellationToken,
}

impl Server {
    /// The API over the use cases.
    ///
    /// # Errors
    /// When the compiled-in descriptors cannot be read.
    pub fn new(services: Services, options: Options) -> Result<Self, ServeError> {
        let reporter = HealthReporter::new();
        let stop_streams = CancellationToken::new();
        let bounds = Bounds {
            max_calls: options.max_calls,
            max_streams: options.max_streams,
            deadline: options.deadline,
            stop: stop_streams.clone(),
        };
        let guard = Guard::new(services.clone(), options.authentication.clone());
        let feed = RunFeed::new(services.clone(), options.feed.clone());
        let runs = Runs::new(services.clone(), Arc::clone(&feed), stop_streams.clone());
        let routes = routes(&services, runs, &options, &reporter)?;
        Ok(Self {
            service: layers::stack(routes, guard, &bounds),
            options,
            services,
            feed,
            reporter,
            stop_streams,
        })
    }

    /// Puts a layer around everything that the server does for a call, such as one that opens its trace span.
    #[must_use]
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Stacked>,
        L::Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send + 'static,
    {
        Self {
            service: BoxCloneService::new(layer.layer(self.service)),
            ..self
        }
    }

    /// Serves until `shutdown`, then drains: health says NOT_SERVING, nothing new is accepted, streams end, and calls
    /// under way may finish.
    ///
    /// # Errors
    /// When others than those who should could reach the listener, or when TLS cannot be set up.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
        self.options
            .check_exposure(listener.local_addr().map_err(ServeError::Address)?)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        self.serve_on(incoming, shutdown).await
    }

    /// Like [`Server::serve`], over any connections, such as in-process pipes. Nothing is checked of where they come
    /// from.
    ///
    /// # Errors
    /// When the transport fails as a whole; a single connection's failure is its own.
    pub async fn serve_on<I, C>(self, incoming: I, shutdown: CancellationToken) -> Result<(), ServeError>
    where
        I: Stream<Item = io::Result<C>>,
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let health = Health::new(self.reporter, self.services.store().clone()).await;
        let stop_accepting = CancellationToken::new();
        let mut builder = tonic::transport::Server::builder();
        if let Some(tls) = &self.options.tls {
            builder = builder.tls_config(tls.to_config()).map_err(ServeError::Tls)?;
        }
        let serving = builder
            .http2_keepalive_interval(Some(self.options.keepalive_interval))
            .http2_keepalive_timeout(Some(self.options.keepalive_timeout))
            .max_connection_age(self.options.connection_age)
            .max_connection_age_grace(self.options.connection_grace)
            .max_concurrent_streams(self.options.streams_of_a_connection())
            .serve_with_incoming_shutdown(self.service, incoming, stop_accepting.clone().cancelled_owned());
        let stopping = async {
            // Health first, so that callers learn of it while everything still works.
            health.watch(&shutdown).await;
            stop_accepting.cancel();
            self.stop_streams.cancel();
        };
        let drained = ending::drain(serving, stopping, self.options.drain);
        tokio::select! {
            drained = drained => Ok(drained?),
            never = self.feed.run() => match never {},
        }
    }
}

fn routes(services: &Services, runs: Runs, options: &Options, reporter: &HealthReporter) -> Result<Routes, ServeError> {
    let jobs = JobsServiceServer::new(Jobs::new(services.clone()));
    let runs = RunsServiceServer::new(runs);
    let sales = FlashSalesServiceServer::new(FlashSales::new(services.clone()));
    let plans = PlansServiceServer::new(Plans::new(
        services.clone(),
        options.watch_poll,
        Pace::new(options.planner_share),
    ));
    let health = HealthService::from_health_reporter(reporter.clone());
    let mut routes = Routes::builder();
    routes
        .add_service(jobs.max_decoding_message_size(MESSAGE_BYTES))
        .add_service(runs.max_decoding_message_size(MESSAGE_BYTES))
        .add_service(sales.max_decoding_message_size(MESSAGE_BYTES))
        .add_service(plans.max_decoding_message_size(MESSAGE_BYTES))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(reflection::v1()?)
        .add_service(reflection::v1alpha()?);
    Ok(routes.routes())
}
