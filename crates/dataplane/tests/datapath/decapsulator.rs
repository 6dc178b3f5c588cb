//! The real server's program, loaded by itself.

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData, PerCpuArray},
    programs::{TestRun as _, TestRunOptions, Xdp},
};
use relvs_core::Reason;

pub(crate) struct Loaded {
    bpf: Ebpf,
}

impl Loaded {
    pub(crate) fn new(object: &[u8]) -> Self {
        let mut loader = EbpfLoader::new();
        for name in ["HOPS_BY_MAC", "FRAGMENTS"] {
            loader.map_max_entries(name, 1);
        }
        let mut bpf = loader.load(object).unwrap();
        let program: &mut Xdp = bpf.program_mut("decapsulator").unwrap().try_into().unwrap();
        program.load().unwrap();
        Loaded { bpf }
    }

    /// Takes the outer headers of these tunnels off packets for this VIP.
    pub(crate) fn add(&mut self, vip: [u64; 2], ends: u32) {
        let mut vips: HashMap<&mut MapData, [u64; 2], u32> =
            HashMap::try_from(self.bpf.map_mut("VIPS").unwrap()).unwrap();
        vips.insert(vip, ends, 0).unwrap();
    }

    /// How often there was this reason.
    pub(crate) fn reason(&self, reason: Reason) -> u64 {
        let reasons: PerCpuArray<&MapData, u64> = PerCpuArray::try_from(self.bpf.map("REASONS").unwrap()).unwrap();
        reasons.get(&(reason as u32), 0).unwrap().iter().sum()
    }

    /// The action, and the frame afterwards.
    pub(crate) fn run(&self, frame: &[u8]) -> (u32, Vec<u8>) {
        let program: &Xdp = self.bpf.program("decapsulator").unwrap().try_into().unwrap();
        let mut out = vec![0; frame.len() + 256];
        let options = TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let result = program.test_run(options).unwrap();
        out.truncate(result.data_size_out as usize);
        (result.return_value, out)
    }
}
