//! Running the loaded programs on a frame, through BPF_PROG_TEST_RUN; and the time as they see it.

use super::{Error, Kernel, load::xdp};
use aya::{
    EbpfLoader,
    programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp},
};
use std::time::{Duration, Instant};

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The XDP action.
    pub action: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

impl Kernel {
    /// Runs a program on a frame that comes in on the namespace's loopback interface.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn run(&self, program: &str, frame: &[u8]) -> Result<Run, Error> {
        let mut out = vec![0; frame.len() + 256];
        let options = TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let result = self.program(program)?.test_run(options).map_err(|e| Error::Run(Error::chain(&e)))?;
        out.truncate(result.data_size_out as usize);
        Ok(Run { action: result.return_value, frame: out })
    }

    /// Runs the director on a frame that comes in on the interface of this index, in the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// The kernel refused: it may have no such interface.
    pub fn run_on(&self, ingress: u32, frame: &[u8]) -> Result<Run, Error> {
        run_on(self.program("director")?, ingress, frame)
    }

    /// Runs a program on a frame again and again, each time on what the time before left of it.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn repeat(&self, program: &str, frame: &[u8], times: u32) -> Result<Duration, Error> {
        let options = TestRunOptions { data_in: Some(frame), repeat: times, ..TestRunOptions::new() };
        let result = self.program(program)?.test_run(options).map_err(|e| Error::Run(Error::chain(&e)))?;
        Ok(result.duration)
    }

    /// A loaded program, for a table of another program's tail calls.
    ///
    /// # Errors
    ///
    /// There is none of this name.
    pub fn program_fd(&self, program: &str) -> Result<&ProgramFd, Error> {
        self.program(program)?.fd().map_err(|e| Error::Run(Error::chain(&e)))
    }

    /// How many instructions the verifier walked through, for each program.
    pub fn verified(&self) -> Vec<(String, u32)> {
        let counted = self.bpf.programs().filter_map(|(name, program)| {
            let info = program.info().ok()?;
            Some((name.to_owned(), info.verified_instruction_count()?))
        });
        counted.collect()
    }

    fn program(&self, name: &str) -> Result<&Xdp, Error> {
        let program = self.bpf.program(name).ok_or_else(|| Error::Missing(format!("program {name}")))?;
        program.try_into().map_err(|_| Error::Missing(format!("XDP program {name}")))
    }

    /// The kernel's ticks, the lower 32 bits.
    pub(super) fn jiffies(&self) -> Result<u32, Error> {
        ticks(self.program("clock")?)
    }
}

/// Runs a program on a frame that comes in on this interface.
pub(super) fn run_on(program: &Xdp, ingress: u32, frame: &[u8]) -> Result<Run, Error> {
    let mut out = vec![0; frame.len() + 256];
    // xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let fields = [0, frame.len() as u32, 0, ingress, 0, 0];
    let context: Vec<u8> = fields.iter().flat_map(|field| field.to_ne_bytes()).collect();
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: Some(&context),
        ..TestRunOptions::new()
    };
    let result = program.test_run(options).map_err(|e| Error::Run(Error::chain(&e)))?;
    out.truncate(result.data_size_out as usize);
    Ok(Run { action: result.return_value, frame: out })
}

fn ticks(clock: &Xdp) -> Result<u32, Error> {
    let options = TestRunOptions { data_in: Some(&[0; 64]), ..TestRunOptions::new() };
    Ok(clock.test_run(options).map_err(|e| Error::Run(Error::chain(&e)))?.return_value)
}

/// Ticks a second: what the kernel was configured with, found by counting.
pub(super) fn measure_hz(object: &[u8]) -> Result<u32, Error> {
    const WAIT: Duration = Duration::from_millis(120);
    let mut bpf = EbpfLoader::new().load(object).map_err(|e| Error::Load(Error::chain(&e)))?;
    let clock = xdp(&mut bpf, "clock")?;
    clock.load().map_err(|e| Error::Load(Error::chain(&e)))?;
    let (before, begin) = (ticks(clock)?, Instant::now());
    std::thread::sleep(WAIT);
    let (after, passed) = (ticks(clock)?, begin.elapsed());
    let seen = f64::from(after.wrapping_sub(before)) / passed.as_secs_f64();
    let nearest = [100, 250, 300, 1000].into_iter().min_by(|a, b| {
        let far = |hz: &u32| (f64::from(*hz) / seen).ln().abs();
        far(a).total_cmp(&far(b))
    });
    Ok(nearest.unwrap_or(250))
}

/// By how many bits ticks are shifted to be about seconds, and how long such a second is.
pub(super) fn second(hz: u32) -> (u32, f64) {
    let near = |shift: &u32| (f64::from(1u32 << shift) / f64::from(hz)).ln().abs();
    let shift = (5..12).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(8);
    (shift, f64::from(1u32 << shift) / f64::from(hz))
}
