//! All that the core knows of the world: a frame, blocks of shared memory, and the tables made of them.

use crate::{
    director,
    family::{V4, V6},
    flow,
    verdict::Reason,
};

/// A frame, with bounded access at an offset.
///
/// A view of `N` bytes costs one comparison however many fields are read from it.
pub trait Frame {
    /// Bytes, from the Ethernet header on.
    fn length(&self) -> usize;
    /// `N` bytes at `at`, if they are within the frame.
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]>;
    /// The same, to write.
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]>;
    /// The sum of `length` bytes at `at`, as 16-bit words in memory order, not folded; a last odd byte is the first of its
    /// word. None if the frame has not so many.
    fn sum(&self, at: usize, length: usize) -> Option<u64> {
        let mut sum = 0;
        let mut done = 0;
        while done + 2 <= length {
            sum += u64::from(u16::from_ne_bytes(*self.view(at + done)?));
            done += 2;
        }
        if done < length {
            let [last] = *self.view(at + done)?;
            sum += u64::from(u16::from_ne_bytes([last, 0]));
        }
        Some(sum)
    }
    /// Moves the beginning: `by` bytes more room in front, or less if negative. Their content is undefined.
    fn grow_front(&mut self, by: i32) -> Option<()>;
    /// Cuts the frame to `length` bytes; it is not made longer.
    fn truncate(&mut self, length: usize) -> Option<()>;
    /// Index of the interface it came in on.
    fn ingress(&self) -> u32;
}

/// 64-bit words of memory shared with other CPUs and with user space.
///
/// `word` is within the block; an implementation ignores one that is not.
pub trait Block: Copy {
    /// One word, read at once.
    fn load(self, word: usize) -> u64;
    /// One word, written at once.
    fn store(self, word: usize, value: u64);
    /// Replaces `old` by `new`, or gives what is there instead. A full barrier either way.
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64>;
    /// Adds, and gives what was there before.
    fn fetch_add(self, word: usize, value: u64) -> u64;
}

/// Which flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Flows that both sides have agreed to.
    Settled,
    /// Flows that have not yet shown it: the only ones that a flood displaces.
    Young,
}

/// What is fixed when the program is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// Odd random multipliers of the flow hash.
    pub multipliers: [u64; 6],
    /// Buckets - 1 of the settled and of the young table, a power of two less one, for IPv4.
    pub masks4: [u32; 2],
    /// The same for IPv6.
    pub masks6: [u32; 2],
    /// Sets - 1 of one half of a service table, a power of two less one; sets of both families.
    pub set_mask: u32,
    /// Match rules of one half.
    pub rules: u32,
}

/// The way to an address, by the kernel's routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Out of `interface`, to `destination` from `source`.
    Found {
        /// Its index.
        interface: u32,
        /// The next hop's MAC, in the low 48 bits.
        destination: u64,
        /// The interface's own, likewise.
        source: u64,
    },
    /// The neighbour's MAC is not known.
    NoNeighbour,
    /// There is none, or forwarding is off.
    None,
}

/// The tables. [`crate::table`] says how their records are laid out.
pub trait Tables: Sized {
    /// Eight words: a service set of IPv4, a service, a destination.
    type Line: Block;
    /// Sixteen words: a bucket of IPv4 flows, a service set of IPv6, or an interface.
    type Double: Block;
    /// Thirty-two words: a bucket of IPv6 flows, or the request line.
    type Quadruple: Block;
    /// Four words: a next hop.
    type Half: Block;

    /// See [`Constants`].
    fn constants(&self) -> Constants;
    /// Seconds, roughly; wraps after 65,536.
    fn now(&self) -> u16;
    /// The word that says which half of the service tables is in use, and what follows: [`crate::table::active`].
    fn active(&self) -> Option<Self::Line>;
    /// The interface of this index, or another one: [`crate::table::interface`].
    fn interface(&self, index: u32) -> Option<Self::Double>;
    /// A set of IPv4 service entries.
    fn services4(&self, set: u32) -> Option<Self::Line>;
    /// A set of IPv6 service entries.
    fn services6(&self, set: u32) -> Option<Self::Double>;
    /// A service.
    fn service(&self, index: u32) -> Option<Self::Line>;
    /// How many new flows a service takes, where it has a limit: [`crate::table::limit`]. Nothing where there are none.
    fn limit(&self, _index: u32) -> Option<Self::Half> {
        None
    }
    /// A band of a service's round: where it ends, where its ring begins and how long it is.
    fn band(&self, index: u32) -> Option<[u64; 2]>;
    /// A ring slot: the number of a destination (32 low), and its weight (32 high). 0: nobody's.
    fn ring(&self, index: u32) -> u64;
    /// A destination.
    fn destination(&self, number: u32) -> Option<Self::Line>;
    /// How loaded a destination is: [`crate::table::load`].
    fn load_of(&self, number: u32) -> Option<Self::Half>;
    /// A match rule: [`crate::table::rule`].
    fn rule(&self, index: u32) -> Option<Self::Double>;
    /// What is remembered of the destinations near an address: [`crate::schedule`]'s lblc and lblcr.
    fn near(&self, key: &[u64; 4]) -> Option<Self::Double>;
    /// Makes room to remember that, all zero. The one that was not asked for the longest may go.
    fn remember_near(&self, key: &[u64; 4]);
    /// A next hop.
    fn hop(&self, index: u32) -> Option<Self::Half>;
    /// The next hop with this interface and MAC: its reference, or 0.
    fn hop_of(&self, interface: u32, destination: u64) -> u32;
    /// A bucket of IPv4 flows.
    fn flows4(&self, zone: Zone, bucket: u32) -> Option<Self::Double>;
    /// A bucket of IPv6 flows.
    fn flows6(&self, zone: Zone, bucket: u32) -> Option<Self::Quadruple>;

    /// Arguments of the functions that are called out of line, and what stages leave to others; this CPU's own.
    fn request(&self) -> Option<Self::Quadruple>;
    /// Calls [`crate::director::open`] for IPv4. It and those below are what they call, unless the world makes them
    /// functions of their own, out of line, as the kernel's verifier wants them.
    fn open4(&self) -> u64 {
        director::open::<V4, _>(self)
    }
    /// The same for IPv6.
    fn open6(&self) -> u64 {
        director::open::<V6, _>(self)
    }
    /// Calls [`crate::flow::insert`] for IPv4.
    fn insert4(&self) -> u64 {
        flow::insert::<V4, _>(self)
    }
    /// The same for IPv6.
    fn insert6(&self) -> u64 {
        flow::insert::<V6, _>(self)
    }
    /// Calls [`crate::flow::settle`] for IPv4.
    fn settle4(&self) -> u64 {
        flow::settle::<V4, _>(self)
    }
    /// The same for IPv6.
    fn settle6(&self) -> u64 {
        flow::settle::<V6, _>(self)
    }

    /// Calls [`crate::director::persist`] for IPv4.
    fn persist4(&self) -> u64 {
        director::persist::<V4, _>(self)
    }
    /// The same for IPv6.
    fn persist6(&self) -> u64 {
        director::persist::<V6, _>(self)
    }
    /// Calls [`crate::director::schedule`].
    fn schedule(&self) -> u64 {
        director::schedule(self)
    }
    /// Calls [`crate::director::template`] for IPv4.
    fn template4(&self) -> u64 {
        director::template::<V4, _>(self)
    }
    /// The same for IPv6.
    fn template6(&self) -> u64 {
        director::template::<V6, _>(self)
    }
    /// Calls `step` with 0, 1, and so on below `count`, as long as it says true.
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S);
    /// A random number.
    fn random(&self) -> u32;

    /// The way to `destination` for a packet of this family.
    fn route(&self, six: bool, source: [u64; 2], destination: [u64; 2]) -> Route;
    /// Asks user space to have this address's neighbour resolved.
    fn want(&self, address: [u64; 2]);
    /// What is known of a fragmented packet.
    fn fragment(&self, key: &[u64; 5]) -> Option<Self::Half>;
    /// Remembers a fragmented packet.
    fn remember_fragment(&self, key: &[u64; 5], value: &[u64; 4]);
    /// The kinds of tunnels to this VIP that end here ([`crate::decapsulate::ends`]); 0: none.
    fn decapsulates(&self, address: [u64; 2]) -> u32;
    /// A line of this CPU's own, for the limits of answers, events and new flows.
    fn answers(&self) -> Option<Self::Line>;
    /// A filter of events: [`crate::table::trace`].
    fn tracing(&self, slot: u32) -> Option<Self::Line>;
    /// Gives user space the event that stands in the request line from [`crate::director::EVENT`] on. Whether there was
    /// room.
    fn emit(&self) -> bool;
    /// Nanoseconds since the machine started.
    fn nanoseconds(&self) -> u64;

    /// Counts a packet of `bytes` towards a destination, or from it.
    fn count(&self, destination: u32, bytes: u32, reply: bool);
    /// Counts a flow that was opened.
    fn count_flow(&self, destination: u32);
    /// Counts an event.
    fn note(&self, reason: Reason);
}
