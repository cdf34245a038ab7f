//! From a message to an answer: which command, on which database, for whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::raw::RawDocument;
use tokio::sync::Notify;
use uuid::Uuid;

use super::auditing::{are_allowed_audited, audit_end};
use super::context::{ConnectionGuard, ConnectionState, Context};
use super::generic::Generic;
use super::handshake::hello;
use super::member::{complete_error, label_write_concern_error};
use super::registry;
use super::reply::{Reply, error_document, too_large};
use super::services::Services;
use super::spec::{Access, Spec};
use super::unserved::{self, Asked};
use crate::auth::session::Session;
use crate::authz::Authority;
use crate::error::{CommandError, ErrorCode};
use crate::model::restriction::Endpoints;
use crate::net::{Answer, Handler, Peer, Service};
use crate::telemetry::events;
use crate::wire::{DOCUMENT_BYTES_MAX, MESSAGE_BYTES_MAX, OpMsg, OpQuery, Request, WireError};

/// Serves MongoDB's commands to every connection.
#[derive(Clone)]
pub struct Commands(pub Arc<Services>);

/// Serves one connection.
pub struct Connection {
    services: Arc<Services>,
    state: ConnectionState,
}

/// A request, whichever way it came.
struct Invocation<'a> {
    db: &'a str,
    body: &'a RawDocument,
    exhaust_allowed: bool,
    by_op_query: bool,
    /// The message, where its document sequences belong to the command.
    message: Option<&'a OpMsg>,
}

impl Service for Commands {
    type Handler = Connection;

    fn connect(&self, peer: Peer) -> Option<Connection> {
        let endpoints = Endpoints {
            client: peer.remote.ip(),
            server: peer.local.ip(),
        };
        let mut state = ConnectionState {
            session: Session::new(endpoints),
            audit_id: self.0.audit.is_on().then(Uuid::new_v4),
            peer,
            departure: self.0.replica_set.is_some().then(Arc::default),
            is_greeted: false,
            supports_hello: false,
            stream: None,
            guard: ConnectionGuard {
                connected_at: tokio::time::Instant::now(),
                unauthenticated: None,
                open_sign_in: None,
                guess: None,
            },
        };
        let parameters = &self.0.parameters;
        let max = parameters
            .sign_in_limits()
            .unauthenticated_per_address_max();
        if let (Some(from), Some(max), true) = (
            state.limited_origin(parameters),
            max,
            self.0.is_authorization_enabled,
        ) {
            let place = self.0.unauthenticated.admit(from, max);
            if place.is_none() {
                let counters = &self.0.connections;
                counters.add_unauthenticated_refused(&state.peer.remote);
                return None;
            }
            state.guard.unauthenticated = place;
        }
        events::connection_accepted(state.client(), self.0.connections.current());
        Some(Connection {
            services: Arc::clone(&self.0),
            state,
        })
    }
}

/// Longest message of somebody who has yet to sign in: enough for every handshake. What strangers
/// send costs memory and, compressed, time.
const STRANGER_MESSAGE_BYTES_MAX: usize = 64 * 1024;

impl Handler for Connection {
    fn message_bytes_max(&self) -> usize {
        match self.state.authority(&self.services) {
            Authority::Nobody => STRANGER_MESSAGE_BYTES_MAX,
            _ => MESSAGE_BYTES_MAX,
        }
    }

    fn ends_when_idle_at(&self) -> Option<tokio::time::Instant> {
        let limit = self.services.parameters.sign_in_limits();
        let limit = limit.unauthenticated_timeout()?;
        match self.state.authority(&self.services) {
            Authority::Nobody => self.state.guard.connected_at.checked_add(limit),
            _ => None,
        }
    }

    fn departure(&self) -> Option<Arc<Notify>> {
        self.state.departure.clone()
    }

    async fn handle(&mut self, request: Result<&Request, &WireError>) -> Answer {
        let result = match request {
            Ok(Request::Msg(message)) => self.op_msg(message).await,
            Ok(Request::Query(query)) => self.op_query(query).await,
            Err(error) => Err(CommandError::new(error.code(), error.to_string())),
        };
        self.answer(result)
    }

    async fn next(&mut self) -> Answer {
        let result = match self.state.stream {
            Some(stream) => hello::next_of_stream(&self.services, &mut self.state, stream).await,
            None => Ok(Reply::new()),
        };
        self.answer(result)
    }

    fn closed(&mut self) {
        audit_end(&self.services, &self.state);
        events::connection_ended(self.state.client(), self.services.connections.current());
    }
}

impl Connection {
    async fn op_msg(&mut self, message: &OpMsg) -> Result<Reply, CommandError> {
        let body = message.body();
        let db = match body.get("$db") {
            Ok(Some(bson::RawBsonRef::String(db))) => db,
            Ok(Some(other)) => {
                let path = super::arguments::Path::root("$db");
                return Err(super::arguments::wrong_type(&path, other, &["string"]));
            }
            _ => {
                return Err(CommandError::new(
                    ErrorCode(40_571),
                    "OP_MSG requests require a $db argument",
                ));
            }
        };
        self.invoke(Invocation {
            db,
            body,
            exhaust_allowed: message.exhaust_allowed(),
            by_op_query: false,
            message: message.has_sequences().then_some(message),
        })
        .await
    }

    async fn op_query(&mut self, query: &OpQuery) -> Result<Reply, CommandError> {
        self.invoke(Invocation {
            db: query.database(),
            body: query.command(),
            exhaust_allowed: false,
            by_op_query: true,
            message: None,
        })
        .await
    }

    async fn invoke(&mut self, request: Invocation<'_>) -> Result<Reply, CommandError> {
        self.state.stream = None;
        self.state
            .refresh_session(self.services.directory.catalog());
        let name = command_name(request.body)?;
        let mut result = self.find_and_run(name, &request).await;
        if self.services.replica_set.is_some() {
            match &mut result {
                Ok(reply) => label_write_concern_error(reply, request.body),
                Err(error) => {
                    let version = self.services.topology_version();
                    complete_error(error, version, self.state.supports_hello, request.body);
                }
            }
        }
        if let Err(error) = &result
            && error.code == ErrorCode::UNAUTHORIZED
            && self.services.audit.is_on()
        {
            let (services, db, body) = (&self.services, request.db, request.body);
            Box::pin(self.state.audit_refused(services, name, db, body)).await;
        }
        result
    }

    async fn find_and_run(
        &mut self,
        name: &str,
        request: &Invocation<'_>,
    ) -> Result<Reply, CommandError> {
        let found = registry::find(name);
        if request.by_op_query && !found.is_some_and(|(_, entry)| entry.spec.by_op_query) {
            return Err(unsupported_op_query(name));
        }
        let Some((place, entry)) = found else {
            return self.not_served(name, request).await;
        };
        if request.message.is_some() && !entry.spec.takes_sequences {
            return Err(no_sequences(name));
        }
        let started = events::are_commands_logged().then(Instant::now);
        let parsed = Generic::parse(entry.spec.name, request.db, request.body)
            .and_then(|generic| self.hear_cluster_time(&generic).map(|()| generic));
        let result = match parsed {
            // Whoever has to sign in first is told that and nothing else.
            Err(_) if self.must_sign_in(entry.spec) => {
                Err(CommandError::requires_authentication(entry.spec.name))
            }
            Err(error) => Err(error),
            Ok(generic) => {
                let limit = Duration::from_millis(generic.max_time_ms.into());
                let context = Context {
                    commit_note: None,
                    deadline: (!limit.is_zero()).then(|| tokio::time::Instant::now() + limit),
                    services: &self.services,
                    connection: &mut self.state,
                    generic,
                    body: request.body,
                    fields: entry.fields,
                    invoked_as: name,
                    exhaust_allowed: request.exhaust_allowed,
                    message: request.message,
                };
                (entry.execute)(context).await
            }
        };
        let code = result.as_ref().err().map_or(0, |error| error.code.0);
        self.services.metrics.ran(place, code != 0);
        if let Some(started) = started {
            let took = started.elapsed();
            events::command_finished(entry.spec.name, code, took, self.state.client());
        }
        result
    }

    /// A command that is known but has no engine behind it, or one that nobody knows.
    async fn not_served(
        &self,
        name: &str,
        request: &Invocation<'_>,
    ) -> Result<Reply, CommandError> {
        let Some(command) = unserved::find(name) else {
            self.services.metrics.unknown_commands.increment();
            return Err(CommandError::command_not_found(name));
        };
        if request.message.is_some() && !command.takes_sequences() {
            return Err(no_sequences(name));
        }
        let authority = self.state.authority(&self.services);
        let generic = match Generic::parse(command.name(), request.db, request.body) {
            Err(_) if matches!(authority, Authority::Nobody) => {
                return Err(CommandError::requires_authentication(command.name()));
            }
            parsed => parsed?,
        };
        let caller = authority.user_name();
        let asked = Asked {
            name: command.name(),
            db: &generic.db,
            body: request.body,
            message: request.message,
            caller,
        };
        let mut error = command.refuse(&asked, &authority);
        if error.code == ErrorCode::COMMAND_NOT_SUPPORTED
            && let Err(refused) = self
                .services
                .check_member(command.runs_on(), generic.read_preference)
        {
            error = refused;
        }
        if error.code == ErrorCode::UNAUTHORIZED && caller.is_some() {
            let db = generic.db.as_str();
            events::access_denied(command.name(), db, caller, self.state.client());
        }
        if error.code != ErrorCode::UNAUTHORIZED && are_allowed_audited(&self.services) {
            let (services, db, body) = (&self.services, request.db, request.body);
            Box::pin(self.state.audit_allowed(services, name, db, body)).await?;
        }
        Err(error)
    }

    fn must_sign_in(&self, spec: &Spec) -> bool {
        spec.access == Access::SignedIn
            && matches!(self.state.authority(&self.services), Authority::Nobody)
    }

    fn hear_cluster_time(&self, generic: &Generic<'_>) -> Result<(), CommandError> {
        match (&self.services.replica_set, generic.cluster_time) {
            (Some(set), Some(document)) => {
                let authority = self.state.authority(&self.services);
                self.services.cluster_clock.hear(document, set, &authority)
            }
            _ => Ok(()),
        }
    }

    fn answer(&self, result: Result<Reply, CommandError>) -> Answer {
        let (mut document, stream) = match result {
            Ok(reply) => {
                let stream = reply.stream;
                let document = reply.into_document();
                // Lists are bounded while they are made; this is for everything else.
                if document.as_bytes().len() > DOCUMENT_BYTES_MAX {
                    (error_document(&too_large()), false)
                } else {
                    (document, stream)
                }
            }
            Err(error) => (error_document(&error), false),
        };
        if let Some(set) = &self.services.replica_set {
            self.services.cluster_clock.append_to(&mut document, set);
        }
        Answer {
            document,
            stream,
            close: false,
        }
    }
}

fn command_name(body: &RawDocument) -> Result<&str, CommandError> {
    match body.iter().next() {
        Some(Ok((name, _))) => Ok(name.as_str()),
        Some(Err(error)) => Err(super::arguments::invalid_bson(&error)),
        None => Err(CommandError::command_not_found("")),
    }
}

fn no_sequences(name: &str) -> CommandError {
    CommandError::new(
        ErrorCode(40_472),
        format!("The {name} command does not support document sequences."),
    )
}

fn unsupported_op_query(name: &str) -> CommandError {
    CommandError::new(
        ErrorCode::UNSUPPORTED_OP_QUERY_COMMAND,
        format!(
            "Unsupported OP_QUERY command: {name}. The client driver may require an upgrade. For \
             more details see https://dochub.mongodb.org/core/legacy-opcode-removal"
        ),
    )
}
