//! The wrapper around a program under test: loading it, configuring it, running it.
//!
//! Its BPF side, and what the words of its configuration mean, is crates/ebpf/src/bin/bench.rs.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map, MapData, ProgramArray},
    programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp},
};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of a frame's beginning that the wrapper restores.
const TEMPLATE: usize = 78;
const WORDS: usize = 18;
/// Steps between flows that are sent one after the other; odd, so that a power of two of them is gone through whole.
const SPREAD: u64 = 0x9e37_79b1;

/// What the wrapper does with a frame before the program gets it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// IPv6.
    pub(crate) six: bool,
    /// The client is the packet's destination.
    pub(crate) reply: bool,
    /// Each flow has two packets, the second with ACK instead of the template's flags.
    pub(crate) handshake: bool,
    /// Flows come in no order, not one after the other.
    pub(crate) spread: bool,
}

/// What a run sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'a> {
    /// The first packet, as the program gets it.
    pub(crate) frame: &'a [u8],
    /// What the program leaves of it.
    pub(crate) left: &'a [u8],
    /// The first client's address, the last four bytes of it.
    pub(crate) client: u32,
    /// Identification of the first client's packets.
    pub(crate) identification: u16,
    /// Different flows, a power of two.
    pub(crate) flows: u32,
    /// How the packets differ.
    pub(crate) mode: Mode,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The last packet's XDP action.
    pub(crate) action: u32,
    /// The last frame, as the program left it.
    pub(crate) frame: Vec<u8>,
    /// Nanoseconds per packet.
    pub(crate) nanoseconds: f64,
    /// Packets that were left with another length or beginning than `left`; the last one is not looked at.
    pub(crate) odd: u64,
}

/// A loaded wrapper.
pub(crate) struct Wrapper {
    bpf: Ebpf,
    config: Array<MapData, [u64; WORDS]>,
    seen: Array<MapData, [u64; 2]>,
    target: ProgramArray<MapData>,
}

impl Wrapper {
    /// Around nothing yet.
    pub(crate) fn load() -> Result<Self> {
        let object = aya::include_bytes_aligned!("../bpf/bench.bpf.o");
        let mut bpf = EbpfLoader::new().load(object).context("the kernel refused the wrapper's maps")?;
        for name in ["bench", "empty", "encapsulate"] {
            let program: &mut Xdp = bpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?;
            program.load().with_context(|| format!("the kernel refused {name}"))?;
        }
        let config = Array::try_from(take(&mut bpf, "CONFIG")?)?;
        let seen = Array::try_from(take(&mut bpf, "SEEN")?)?;
        let target = ProgramArray::try_from(take(&mut bpf, "TARGET")?)?;
        Ok(Wrapper { bpf, config, seen, target })
    }

    /// Around this program.
    pub(crate) fn around(mut self, target: &ProgramFd) -> Result<Self> {
        self.target.set(0, target, 0).context("the wrapper cannot call the program")?;
        Ok(self)
    }

    /// Around one of its own object.
    pub(crate) fn around_floor(mut self, name: &str) -> Result<Self> {
        let target: &Xdp = self.bpf.program(name).with_context(|| format!("no program {name}"))?.try_into()?;
        self.target.set(0, target.fd()?, 0).context("the wrapper cannot call the floor")?;
        Ok(self)
    }

    /// Sends `packets` packets.
    pub(crate) fn run(&mut self, stream: &Stream<'_>, packets: u32) -> Result<Run> {
        self.config.set(0, configuration(stream)?, 0).context("configuring the wrapper")?;
        self.seen.set(0, [0; 2], 0).context("configuring the wrapper")?;
        let mut out = vec![0; stream.left.len() + 256];
        let program: &Xdp = self.bpf.program("bench").context("no program bench")?.try_into()?;
        // What goes in is what a run before would have left.
        let options = TestRunOptions {
            data_in: Some(stream.left),
            data_out: Some(&mut out),
            repeat: packets,
            ..TestRunOptions::new()
        };
        let begin = cpu_time();
        let result = program.test_run(options).context("the run failed")?;
        let passed = cpu_time() - begin;
        out.truncate(result.data_size_out as usize);
        let [sent, odd] = self.seen.get(&0, 0).context("reading the wrapper's counters")?;
        ensure!(sent == u64::from(packets), "{sent} packets were sent, not {packets}");
        // The kernel counts whole nanoseconds: too coarse for a long run, but all there is for a short one, whose
        // time on the CPU is mostly the call's.
        let nanoseconds =
            if packets < 200_000 { result.duration.as_nanos() as f64 } else { passed / f64::from(packets) };
        Ok(Run { action: result.return_value, frame: out, nanoseconds, odd })
    }
}

fn take(bpf: &mut Ebpf, name: &str) -> Result<Map> {
    bpf.take_map(name).with_context(|| format!("the wrapper has no map {name}"))
}

/// Nanoseconds that this thread has run.
pub(crate) fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The configuration's words.
fn configuration(stream: &Stream<'_>) -> Result<[u64; WORDS]> {
    let Stream { frame, left, client, identification, flows, mode } = *stream;
    ensure!(flows.is_power_of_two() && frame.len() >= TEMPLATE && left.len() >= 8, "no stream that can be sent");
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    let bits = u64::from(mode.six) | u64::from(mode.reply) << 1 | u64::from(mode.handshake) << 2;
    let mut words = [0; WORDS];
    words[0] = frame.len() as u64 | (left.len() as u64) << 32;
    words[1] = word(&left[..8]);
    words[2] = u64::from(flows - 1) | bits << 32;
    words[3] = if mode.spread { SPREAD } else { 1 };
    words[4] = u64::from(client) | u64::from(identification) << 32;
    words[8] = word(&frame[..8]);
    words[9] = word(&frame[8..14]);
    for (eight, bytes) in words[10..].iter_mut().zip(frame[14..TEMPLATE].chunks(8)) {
        *eight = word(bytes);
    }
    Ok(words)
}
