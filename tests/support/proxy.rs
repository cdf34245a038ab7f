//! A loopback TCP proxy that can be cut, stalled, delayed and healed: what a broken network looks like.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A proxy in front of one address; it ends when dropped.
pub struct Proxy {
    pub port: u16,
    wire: Arc<Wire>,
}

/// The way to one address, for connections that somebody else has accepted.
pub struct Wire {
    to: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    link: Link,
    delay: Duration,
    /// Both ends of each connection, to be closed by a cut.
    open: Vec<TcpStream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Link {
    #[default]
    Whole,
    /// Connections are closed, new ones too.
    Cut,
    /// Connections stay and carry nothing.
    Stalled,
    /// Connections stay and carry requests, and no answers.
    Mute,
    Ended,
}

impl Proxy {
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Arc::new(Wire::to(to));
        let accepting = Arc::clone(&wire);
        thread::spawn(move || accepting.accept(&listener));
        Self { port, wire }
    }
}

impl Deref for Proxy {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.end();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Wire {
    pub(super) fn to(to: SocketAddr) -> Self {
        Self {
            to,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.change(Link::Cut);
    }

    /// Carries nothing in either direction any more, and closes nothing; what was on its way is kept.
    pub fn stall(&self) {
        self.change(Link::Stalled);
    }

    /// Carries what clients send, and nothing of what the address answers any more; that is kept.
    pub fn mute(&self) {
        self.change(Link::Mute);
    }

    /// Carries everything at once, what was kept while stalled too.
    pub fn heal(&self) {
        self.state.lock().unwrap().delay = Duration::ZERO;
        self.change(Link::Whole);
    }

    /// Every piece of data arrives so much later.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Closes every connection for ever.
    pub(super) fn end(&self) {
        self.change(Link::Ended);
    }

    fn change(&self, link: Link) {
        let mut state = self.state.lock().unwrap();
        state.link = link;
        if matches!(link, Link::Cut | Link::Ended) {
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let link = self.state.lock().unwrap().link;
            match (link, client) {
                (Link::Ended, _) => return,
                (Link::Cut, _) | (_, Err(_)) => {}
                (Link::Whole | Link::Stalled | Link::Mute, Ok(client)) => self.carry(client),
            }
        }
    }

    /// Connects the client with the address, unless the link is cut.
    pub(super) fn carry(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.to) else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut state = self.state.lock().unwrap();
        if matches!(state.link, Link::Cut | Link::Ended) {
            return;
        }
        state.open.push(client.try_clone().unwrap());
        state.open.push(server.try_clone().unwrap());
        drop(state);
        let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || up.copy(client, server, &[Link::Stalled]));
        thread::spawn(move || down.copy(ends.1, ends.0, &[Link::Stalled, Link::Mute]));
    }

    /// Carries one direction, which is held up while the link is one of these.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream, held_by: &[Link]) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if !self.may_pass(held_by) || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits while the link is slow or holds this up; whether the data may go on.
    fn may_pass(&self, held_by: &[Link]) -> bool {
        let state = self.state.lock().unwrap();
        let delay = state.delay;
        drop(state);
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let state = self.state.lock().unwrap();
        let is_held = |state: &mut State| held_by.contains(&state.link);
        let state = self.changed.wait_while(state, is_held).unwrap();
        !matches!(state.link, Link::Cut | Link::Ended)
    }
}
