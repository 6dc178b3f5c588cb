//! One case, loaded and warm, and its rounds.
//!
//! Nothing is believed: every packet must be left as the first was, be counted by its destination or its reason, and
//! leave the flow tables as they were.

use crate::{
    case::{Case, Kind, Method, SETTLED},
    frame::{self, ACK, ATTACKER, CLIENT, IDENTIFICATION, IDLE, SYN},
    tables,
    wrapper::{Mode, Run, Stream, Wrapper, cpu_time},
};
use anyhow::{Context as _, Result, ensure};
use relvs_core::{Reason, state::tcp};
use relvs_dataplane::{Area, Kernel, Side as _, Timeouts, scan};
use std::{thread::sleep, time::Duration};

const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
/// Packets before a measurement: every flow's at least once.
const WARM: u32 = 20_000;
/// New flows of one measurement, opened in as many turns as it takes.
const NEW: u32 = 1 << 16;
/// A reply's way back is asked for anew when these low bits of the time have gone through: see core's `reply`.
const FRESH: u16 = 7;
/// How often a measurement is made anew for want of time.
const TRIES: u32 = 5;

/// A case that is ready to be measured.
pub(crate) struct Bench<'a> {
    case: &'a Case,
    wrapper: Wrapper,
    /// None for a floor.
    kernel: Option<Kernel>,
    /// The first packet, as the program gets it.
    frame: Vec<u8>,
    /// What the program leaves of it.
    left: Vec<u8>,
    /// The clients' next hop.
    way_back: u32,
    /// Nanoseconds per packet, one for each round.
    times: Vec<f64>,
    /// Live records, settled and young.
    live: [u64; 2],
    /// Flows whose replies go the slow way and are dropped there, since no route leads to their clients.
    strays: u64,
}

impl<'a> Bench<'a> {
    /// Loads the programs, writes the tables and opens the flows.
    pub(crate) fn prepare(case: &'a Case, object: &[u8]) -> Result<Self> {
        let wrapper = Wrapper::load()?;
        let frame = frame::of(case, if matches!(case.kind, Kind::Known | Kind::Reply) { ACK } else { SYN });
        let (wrapper, kernel, way_back) = match case.kind {
            Kind::Empty => (wrapper.around_floor("empty")?, None, 0),
            Kind::Encapsulate => (wrapper.around_floor("encapsulate")?, None, 0),
            Kind::Known | Kind::Reply | Kind::New | Kind::Handshake | Kind::Flood | Kind::Pass(_) => {
                let kernel = Kernel::load(object, tables::sizes(case), tables::MULTIPLIERS)?;
                let way_back = tables::fill(&kernel, case)?;
                (wrapper.around(kernel.program_fd("director")?)?, Some(kernel), way_back)
            }
        };
        let mut bench = Bench {
            case,
            wrapper,
            kernel,
            frame,
            left: Vec::new(),
            way_back,
            times: Vec::new(),
            live: [0; 2],
            strays: 0,
        };
        match case.kind {
            Kind::Known | Kind::Reply => {
                bench.settle(&frame::opening(case), case.flows, CLIENT)?;
                if case.idle > 0 {
                    bench.settle(&frame::idle(case), case.idle, IDLE)?;
                }
            }
            Kind::Flood => bench.settle(&frame::before_flood(case), SETTLED, CLIENT)?,
            Kind::Empty | Kind::Encapsulate | Kind::New | Kind::Handshake | Kind::Pass(_) => {}
        }
        bench.freshen()?;
        let frame = bench.frame.clone();
        bench.left = bench.probe(&frame)?;
        bench.live = bench.count();
        if case.kind == Kind::Reply {
            // At half load, one flow in some thousands has no room to settle.
            bench.strays = bench.live[1] / 2;
        }
        Ok(bench)
    }

    /// The case.
    pub(crate) fn case(&self) -> &Case {
        self.case
    }

    /// Nanoseconds per packet, one for each round.
    pub(crate) fn times(&self) -> &[f64] {
        &self.times
    }

    /// Live records: settled, young.
    pub(crate) fn live(&self) -> [u64; 2] {
        self.live
    }

    /// Measures once.
    pub(crate) fn round(&mut self, repeat: u32) -> Result<()> {
        let time = match self.case.kind {
            Kind::New | Kind::Handshake => self.open()?,
            Kind::Flood => self.measured(self.case.flows)?,
            Kind::Known | Kind::Reply | Kind::Empty | Kind::Encapsulate | Kind::Pass(_) => self.steady(repeat)?,
        };
        self.times.push(time);
        let live = self.count();
        match self.case.kind {
            Kind::Flood => {
                ensure!(live[0] == self.live[0], "the flood displaced settled flows: {live:?}");
                let displaced = self.kernel.as_ref().map_or(Ok(0), |kernel| kernel.reason(Reason::Displaced))?;
                ensure!(displaced > 0, "the flood was no flood: the young table had room for it");
            }
            Kind::Known | Kind::Reply | Kind::Pass(_) => {
                ensure!(live == self.live, "flows came or went: {live:?}, not {:?}", self.live);
            }
            Kind::Empty | Kind::Encapsulate | Kind::New | Kind::Handshake => {}
        }
        self.live = live;
        Ok(())
    }

    /// One pass over all flows, and then the packets that count.
    fn steady(&mut self, repeat: u32) -> Result<f64> {
        let mut tries = 1;
        loop {
            let fresh = self.freshen()?;
            let warm = self.measured(self.case.flows.max(WARM));
            let time = warm.and_then(|_| self.measured(repeat));
            // Other work on this CPU may have taken longer than a way back stays known.
            let stale = self.period()? != fresh;
            if !stale || tries == TRIES {
                return time;
            }
            tries += 1;
        }
    }

    /// The time for which a way back stays known; always the same where there is none.
    fn period(&self) -> Result<u16> {
        match (self.case.kind, &self.kernel) {
            (Kind::Reply, Some(kernel)) => Ok(kernel.now()? & !FRESH),
            _ => Ok(0),
        }
    }

    /// Opens flows over and over, in empty tables.
    fn open(&mut self) -> Result<f64> {
        let flows = self.case.flows;
        let handshake = self.case.kind == Kind::Handshake;
        let records = u64::from(flows) * if self.case.method == Method::Nat { 2 } else { 1 };
        let turns = (NEW / flows).max(1);
        let mut sum = 0.0;
        for _ in 0..turns {
            if let Some(kernel) = &self.kernel {
                tables::clear(kernel, self.case.six);
            }
            sum += self.measured(if handshake { 2 * flows } else { flows })?;
            let live = self.count();
            // A settled table at half load has no slot for one flow in some thousands: that one stays young.
            let opened = live[usize::from(!handshake)];
            ensure!(
                opened <= records && opened >= records - records / 500,
                "{live:?} records of {records} were opened"
            );
        }
        Ok(sum / f64::from(turns))
    }

    /// Sends packets of the case, and checks where they went.
    fn measured(&mut self, packets: u32) -> Result<f64> {
        let case = self.case;
        let before = self.counted()?;
        let mode = Mode {
            six: case.six,
            reply: case.kind == Kind::Reply,
            handshake: case.kind == Kind::Handshake,
            spread: matches!(case.kind, Kind::Known | Kind::Reply),
        };
        let stream = Stream { frame: &self.frame, left: &self.left, mode, ..self.stream(case.flows) };
        let run = self.wrapper.run(&stream, packets)?;
        self.check(&run)?;
        let strays = self.strays * u64::from(packets.div_ceil(case.flows));
        ensure!(
            run.odd <= strays,
            "{} of {packets} packets were left with another length or beginning than the first",
            run.odd
        );
        let counted = self.counted()? - before;
        ensure!(
            self.kernel.is_none() || counted + strays >= u64::from(packets) && counted <= u64::from(packets),
            "{counted} of {packets} packets were counted where they should be"
        );
        Ok(run.nanoseconds)
    }

    /// Opens and settles flows with the packets of a handshake.
    fn settle(&mut self, opening: &[u8], flows: u32, client: u32) -> Result<()> {
        let forward = Case {
            kind: if self.case.kind == Kind::Flood { Kind::Known } else { self.case.kind },
            ..self.case.clone()
        };
        let [before, _] = self.count();
        let mode = Mode { six: forward.six, handshake: true, ..Mode::default() };
        let first = Stream { frame: opening, left: opening, client, mode, ..self.stream(flows) };
        let left = self.wrapper.run(&first, 1)?;
        ensure!(left.action == XDP_TX, "the first packet's action was {}", left.action);
        let run = self.wrapper.run(&Stream { left: &left.frame, ..first }, 2 * flows)?;
        ensure!(
            run.action == XDP_TX && run.odd == 0,
            "{} packets were odd, and the last one's action {}",
            run.odd,
            run.action
        );
        let [settled, young] = self.count();
        let settled = settled - before;
        let records = u64::from(flows) * if forward.method == Method::Nat { 2 } else { 1 };
        ensure!(
            settled <= records && settled >= records - records / 500,
            "{settled} records of {records} are settled, {young} young"
        );
        Ok(())
    }

    /// Sends one packet, and gives what is left of it.
    fn probe(&mut self, frame: &[u8]) -> Result<Vec<u8>> {
        let mode = Mode { six: self.case.six, reply: self.case.kind == Kind::Reply, ..Mode::default() };
        let run = self.wrapper.run(&Stream { frame, left: frame, mode, ..self.stream(self.case.flows) }, 1)?;
        self.check(&run).context("one packet")?;
        Ok(run.frame)
    }

    fn stream(&self, flows: u32) -> Stream<'static> {
        Stream {
            frame: &[],
            left: &[],
            client: if self.case.kind == Kind::Flood { ATTACKER } else { CLIENT },
            identification: IDENTIFICATION,
            flows,
            mode: Mode::default(),
        }
    }

    fn check(&self, run: &Run) -> Result<()> {
        let (action, right) = match self.case.kind {
            Kind::Empty => (XDP_PASS, run.frame.len() == self.frame.len()),
            Kind::Encapsulate => (XDP_TX, run.frame.len() == self.frame.len() + 20),
            Kind::Pass(_) => (XDP_PASS, run.frame.len() == self.frame.len() && run.frame[..14] == self.frame[..14]),
            Kind::Known | Kind::Reply | Kind::New | Kind::Handshake | Kind::Flood => {
                (XDP_TX, frame::is_forwarded(self.case, &run.frame))
            }
        };
        ensure!(run.action == action, "the action was {}, not {action}", run.action);
        ensure!(right, "the frame that came out is not what it should be: {:02x?}", run.frame);
        Ok(())
    }

    /// Packets counted where the case's should be: by its reason, or by its servers.
    fn counted(&self) -> Result<u64> {
        let Some(kernel) = &self.kernel else { return Ok(0) };
        if let Kind::Pass(reason) = self.case.kind {
            return Ok(kernel.reason(reason)?);
        }
        let mut sum = 0;
        for number in 1..=self.case.servers {
            let counters = kernel.counters(number)?;
            sum += if self.case.kind == Kind::Reply { counters.packets_out } else { counters.packets_in };
        }
        Ok(sum)
    }

    /// Seconds that one pass of user space over all flows takes, on this CPU: it counts them, and none is over.
    pub(crate) fn scan(&self) -> Result<f64> {
        let kernel = self.kernel.as_ref().context("a floor has no tables")?;
        let begin = cpu_time();
        let found = scan(kernel, &Timeouts { tcp_s: [u32::MAX; tcp::State::ALL.len()], ..Timeouts::default() })?;
        let passed = cpu_time() - begin;
        let flows = u64::from(self.case.flows + self.case.idle);
        ensure!(
            found.expired == 0 && found.live <= flows && found.live >= flows - flows / 500,
            "{} of {flows} flows were found, {} expired",
            found.live,
            found.expired
        );
        Ok(passed / 1e9)
    }

    /// Bytes of a case's flow tables, and of all its tables.
    pub(crate) fn bytes(case: &Case) -> [u64; 2] {
        let sizes = tables::sizes(case);
        let flows = if case.six { [Area::Flows6, Area::Young6] } else { [Area::Flows4, Area::Young4] };
        let of = |area: Area| area.words() as u64 * 8 * u64::from(area.records(&sizes));
        [flows.map(of).iter().sum(), sizes.bytes()]
    }

    /// Live records: settled, young.
    fn count(&self) -> [u64; 2] {
        self.kernel.as_ref().map_or([0; 2], |kernel| tables::live(kernel, self.case.six))
    }

    /// Makes the replies' way back known, with enough time left for a measurement. Gives the period that began.
    fn freshen(&self) -> Result<u16> {
        let (Kind::Reply, Some(kernel)) = (self.case.kind, &self.kernel) else { return Ok(0) };
        for _ in 0..100 {
            if kernel.now()? & FRESH < FRESH - 2 {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        Ok(tables::freshen(kernel, self.case.six, self.way_back)? & !FRESH)
    }
}
