//! The floor: a server that reads whole frames and answers each with bytes it was given.
//!
//! It runs in a process of its own, on the same runtime with the same settings as the server. No
//! server that answers one frame by one write can cost less on this runtime.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What makes this program the echo server.
pub const ARGUMENT: &str = "--serve-echo";

const READ_BYTES: usize = 4 * 1024;

/// Reads the replies from standard input, serves, and writes the port to standard output.
pub fn serve() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let replies: Arc<[Vec<u8>]> = split(&input).map(<[u8]>::to_vec).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        io::stdout().write_all(&port.to_le_bytes())?;
        io::stdout().flush()?;
        // As the server does: connections are accepted by a task of the pool.
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&replies)));
            }
        });
        accepting.await.map_err(io::Error::other)
    })
}

async fn answer(mut stream: TcpStream, replies: Arc<[Vec<u8>]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut turn = 0;
    while stream.read_buf(&mut buffer).await? > 0 {
        let mut taken = 0;
        while let Some(length) = frame_length(&buffer[taken..]) {
            taken += length;
            stream.write_all(&replies[turn % replies.len()]).await?;
            turn += 1;
        }
        buffer.drain(..taken);
    }
    Ok(())
}

/// The length of the frame at the start of `bytes`, if all of it is there.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    (length <= bytes.len()).then_some(length)
}

fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (frame, rest) = bytes.split_at(frame_length(bytes)?);
        bytes = rest;
        Some(frame)
    })
}
