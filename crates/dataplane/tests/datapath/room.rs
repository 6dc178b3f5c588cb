//! A frame with no room in front of it: what would have to grow is dropped, on both sides.
#![allow(unsafe_code, reason = "a test run with metadata, which takes up the room, is no call that aya gives a Kernel")]

use crate::{
    packet::{Packet, SYN},
    world::{DIRECTOR, LO, client, client_mac, plan, port, small, vip, within},
};
use relvs_core::{Frame, Reason, Verdict, director};
use relvs_dataplane::{Bytes, Kernel, Side as _};
use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

/// A frame that cannot be moved.
struct Tight(Bytes);

impl Frame for Tight {
    fn length(&self) -> usize {
        self.0.length()
    }
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.0.view(at)
    }
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.0.view_mut(at)
    }
    fn grow_front(&mut self, _: i32) -> Option<()> {
        None
    }
    fn truncate(&mut self, length: usize) -> Option<()> {
        self.0.truncate(length)
    }
    fn ingress(&self) -> u32 {
        self.0.ingress()
    }
}

/// BPF_PROG_TEST_RUN.
const TEST_RUN: u32 = 10;

/// Its part of bpf(2)'s argument.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    in_bytes: u32,
    out_bytes: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_in_bytes: u32,
    context_out_bytes: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    unused: u32,
}

/// The action on a frame with as much metadata before it as the kernel takes: no room is left in front.
fn run(kernel: &Kernel, frame: &[u8]) -> u32 {
    (0..64).rev().find_map(|words| run_behind(kernel, frame, words * 4).ok()).unwrap()
}

fn run_behind(kernel: &Kernel, frame: &[u8], metadata: usize) -> io::Result<u32> {
    let input = [vec![0; metadata], frame.to_vec()].concat();
    let context = [metadata as u32, input.len() as u32, 0, 0, 0, 0];
    let mut run = TestRun {
        program: kernel.program_fd("director").unwrap().as_fd().as_raw_fd() as u32,
        in_bytes: input.len() as u32,
        input: input.as_ptr() as u64,
        repeat: 1,
        context_in_bytes: size_of_val(&context) as u32,
        context_in: context.as_ptr() as u64,
        ..TestRun::default()
    };
    // SAFETY: the structure is bpf(2)'s, and what it points to lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, TEST_RUN, &raw mut run, size_of::<TestRun>()) };
    if result == 0 { Ok(run.result) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn no_room_in_front() {
    within(small(), plan(), |world| {
        let mut dropped = 0;
        for six in [false, true] {
            for (at, ttl) in [(port::TUN, 64), (port::TWICE, 64), (port::TAGGED, 64), (port::DR, 1), (port::EMPTY, 64)]
            {
                let packet = Packet::tcp((client(six, 0), 5000), (vip(six), at), SYN).ttl(ttl);
                let frame = packet.link(DIRECTOR, client_mac(0)).frame();
                let mut tight = Tight(Bytes { bytes: frame.clone(), ingress: LO });
                let cpu = world.memory.cpu(0);
                let mut verdict = director::fast(&mut tight, &cpu);
                while let Verdict::Next(stage) = verdict {
                    verdict = director::stage(&mut tight, &cpu, stage);
                }
                assert_eq!(verdict, Verdict::Drop(Reason::NoRoom), "port {at}");
                dropped += 1;
                if let Some(kernel) = &world.kernel {
                    assert_eq!(run(kernel, &frame), 1, "port {at}");
                    assert_eq!(kernel.reason(Reason::NoRoom).unwrap(), dropped, "port {at}");
                }
            }
        }
    });
}
