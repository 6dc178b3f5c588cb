//! A generator of UDP datagrams in the kernel: a small XDP program that BPF_PROG_RUN lets run on live frames, which it sends out of an
//! interface by `bpf_redirect`.
//!
//! The program is put together here, instruction by instruction, since addresses are constants of it: it writes the headers of every
//! frame anew (frames are used again, and whoever had one before may have changed it), with client address and port of one of N
//! flows, all N in turn, in no order. The IPv4 checksum stays right: what the address gains the identification loses.
//! Sources: RFC 9669 (instructions), the kernel's Documentation/bpf/bpf_prog_run.rst (live frames).

use super::program::{
    ADD, AND, CONSTANT_64, EXIT, JUMP_IF_GREATER, LOAD_32, MODULO, MOVE, MOVE_REGISTER, MULTIPLY, Program, SHIFT_RIGHT,
    STORE_8, STORE_16, STORE_64, SUB_REGISTER, TO_BIG_ENDIAN, count, instruction, redirect,
};
use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions};
use std::net::Ipv4Addr;

/// Bytes of a frame without its checksum: the shortest of Ethernet.
pub(super) const LENGTH: usize = 60;
/// Frames that the kernel makes at once.
const BATCH: u32 = 64;
/// The first client port; each address has 2^15 of them.
const CLIENT_PORT: u16 = 1024;
const PORT_BITS: i32 = 15;
/// Flows at the most: 64 client addresses.
const FLOWS_MAX: u32 = 64 << PORT_BITS;
/// The first client's identification, from which all is taken that addresses have more.
const IDENTIFICATION: u16 = 0xffff;
/// An odd step, so that a power of two of flows is gone through whole.
const SPREAD: i32 = 0x1e37_79b1;

/// What is sent, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// The interface that frames are sent out of, in the caller's namespace.
    pub(super) interface: u32,
    /// Who they are for.
    pub(super) to: To,
    /// Receiver's and sender's MAC.
    pub(super) macs: [[u8; 6]; 2],
    /// The first client's address; others follow it.
    pub(super) client: Ipv4Addr,
    /// Where to.
    pub(super) destination: (Ipv4Addr, u16),
    /// Different flows, a power of two.
    pub(super) flows: u32,
}

/// Who gets the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The destination.
    One,
    /// By turns so many interfaces with numbers one after the other, the stream's first.
    Interfaces(u8),
    /// By turns so many destinations, the stream's first; the third bytes of their addresses are numbers one after the other.
    Networks(u8),
    /// So many destinations with addresses one after the other, the stream's first; a flow has always the same.
    Services(u16),
}

/// How flows follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One frame of each, then the next of each.
    Once,
    /// Two frames of each at a time: for a director, what has come twice is no flood.
    Twice,
}

/// A loaded generator.
pub(super) struct Generator {
    program: Program,
    frame: Vec<u8>,
}

impl Generator {
    /// Loads the program for this stream.
    pub(super) fn load(stream: &Stream, order: Order) -> Result<Self> {
        let frame = frame(stream)?;
        let program = Program::load(&program(stream, order, &frame)).context("the generator")?;
        Ok(Generator { program, frame })
    }

    /// Sends so many frames from the calling thread's namespace.
    pub(super) fn send(&self, frames: u32) -> Result<()> {
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        };
        self.program
            .xdp()?
            .test_run(options)
            .context("the kernel does not run a program on live frames (Linux 5.18 does)")?;
        Ok(())
    }
}

/// The first flow's frame.
fn frame(stream: &Stream) -> Result<Vec<u8>> {
    ensure!(stream.flows.is_power_of_two() && stream.flows <= FLOWS_MAX, "{} flows cannot be sent", stream.flows);
    let [to, from] = stream.macs;
    let (destination, port) = stream.destination;
    let mut frame = Vec::with_capacity(LENGTH);
    frame.extend(to);
    frame.extend(from);
    frame.extend([8, 0]);
    frame.extend([0x45, 0, 0, (LENGTH - 14) as u8]);
    frame.extend(IDENTIFICATION.to_be_bytes());
    frame.extend([0x40, 0, 64, 17, 0, 0]);
    frame.extend(stream.client.octets());
    frame.extend(destination.octets());
    let mut sum: u32 = frame[14..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[24..26].copy_from_slice(&(!sum as u16).to_be_bytes());
    frame.extend(CLIENT_PORT.to_be_bytes());
    frame.extend(port.to_be_bytes());
    // No checksum, as RFC 768 allows: nobody here looks at the content.
    frame.extend([0, (LENGTH - 34) as u8, 0, 0]);
    frame.resize(LENGTH, b'x');
    Ok(frame)
}

/// Register 8 is the frame's number, 6 its flow, 9 whose turn it is, 2 the frame.
fn program(stream: &Stream, order: Order, frame: &[u8]) -> Vec<u64> {
    let halved = i32::from(order == Order::Twice);
    // Whose turn it is: by which register, among how many, and what one makes of the destination's last two bytes.
    let (by, among, step) = match stream.to {
        To::One => (8, 1, 0),
        To::Interfaces(number) => (8, i32::from(number), 0),
        To::Networks(number) => (8, i32::from(number), 1 << 8),
        To::Services(number) => (6, i32::from(number), 1),
    };
    let mut code = count().to_vec();
    code.extend([
        instruction(MOVE_REGISTER, 6, 8, 0, 0),
        instruction(SHIFT_RIGHT, 6, 0, 0, halved),
        instruction(MULTIPLY, 6, 0, 0, SPREAD),
        instruction(AND, 6, 0, 0, (stream.flows - 1) as i32),
        instruction(MOVE_REGISTER, 9, by, 0, 0),
        instruction(MODULO, 9, 0, 0, among),
        instruction(LOAD_32, 2, 1, 0, 0),
        instruction(LOAD_32, 3, 1, 4, 0),
        instruction(MOVE_REGISTER, 4, 2, 0, 0),
        instruction(ADD, 4, 0, 0, LENGTH as i32),
        instruction(MOVE, 0, 0, 0, 0),
    ]);
    let mut body = Vec::new();
    for (at, bytes) in frame[..40].chunks(8).enumerate() {
        let word = bytes.iter().rev().fold(0, |word: u64, &byte| word << 8 | u64::from(byte));
        body.push(instruction(CONSTANT_64, 5, 0, 0, word as u32 as i32));
        body.push(instruction(0, 0, 0, 0, (word >> 32) as u32 as i32));
        body.push(instruction(STORE_64, 2, 5, 8 * at as i16, 0));
    }
    body.extend([
        // The client's address, and what keeps the checksum right.
        instruction(MOVE_REGISTER, 5, 6, 0, 0),
        instruction(SHIFT_RIGHT, 5, 0, 0, PORT_BITS),
        instruction(MOVE, 4, 0, 0, i32::from(IDENTIFICATION)),
        instruction(SUB_REGISTER, 4, 5, 0, 0),
        instruction(ADD, 5, 0, 0, i32::from(stream.client.octets()[3])),
        instruction(STORE_8, 2, 5, 29, 0),
        // Its port.
        instruction(AND, 6, 0, 0, (1 << PORT_BITS) - 1),
        instruction(ADD, 6, 0, 0, i32::from(CLIENT_PORT)),
        instruction(TO_BIG_ENDIAN, 6, 0, 0, 16),
        instruction(STORE_16, 2, 6, 34, 0),
    ]);
    if step > 0 {
        let [_, _, high, low] = stream.destination.0.octets();
        body.extend([
            instruction(MULTIPLY, 9, 0, 0, step),
            instruction(SUB_REGISTER, 4, 9, 0, 0),
            instruction(ADD, 9, 0, 0, i32::from(u16::from_be_bytes([high, low]))),
            instruction(TO_BIG_ENDIAN, 9, 0, 0, 16),
            instruction(STORE_16, 2, 9, 32, 0),
            instruction(MOVE, 9, 0, 0, 0),
        ]);
    }
    body.extend([instruction(TO_BIG_ENDIAN, 4, 0, 0, 16), instruction(STORE_16, 2, 4, 18, 0)]);
    body.extend(redirect(stream.interface));
    code.push(instruction(JUMP_IF_GREATER, 4, 3, body.len() as i16, 0));
    code.extend(body);
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(flows: u32) -> Stream {
        Stream {
            interface: 7,
            to: To::One,
            macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]],
            client: Ipv4Addr::new(198, 18, 0, 10),
            destination: (Ipv4Addr::new(198, 18, 0, 100), 9000),
            flows,
        }
    }

    fn sum(header: &[u8]) -> u32 {
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
    }

    #[test]
    fn the_checksum_holds_for_every_address() {
        let frame = frame(&stream(1 << 16)).unwrap();
        assert_eq!(frame.len(), LENGTH);
        for (address, more) in (0..64).zip([0, 1, 255, 256, 512, 9999].into_iter().cycle()) {
            let mut other = frame.clone();
            other[29] += address;
            let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            other[32..34].copy_from_slice(&(word(32) + more).to_be_bytes());
            other[18..20].copy_from_slice(&(word(18) - u16::from(address) - more).to_be_bytes());
            assert_eq!(sum(&other[14..34]) % 0xffff, 0);
        }
    }

    #[test]
    fn the_jump_over_a_short_frame_ends_at_the_exit() {
        let stream = Stream { to: To::Networks(3), ..stream(1 << 10) };
        let code = program(&stream, Order::Twice, &frame(&stream).unwrap());
        let jump = code.iter().position(|word| *word as u8 == JUMP_IF_GREATER).unwrap();
        let offset = (code[jump] >> 16) as u16 as usize;
        assert_eq!(jump + 1 + offset, code.len() - 1);
        assert_eq!(code[code.len() - 1] as u8, EXIT);
    }

    #[test]
    fn only_powers_of_two_are_sent() {
        assert!(frame(&stream(1000)).is_err());
        assert!(frame(&stream(FLOWS_MAX * 2)).is_err());
    }
}
