//! A frame in ordinary memory.

use relvs_core::Frame;

/// A frame in a vector.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The interface it came in on.
    pub ingress: u32,
}

/// Room that a driver leaves in front of a frame.
const HEADROOM: usize = 256;

impl Frame for Bytes {
    fn length(&self) -> usize {
        self.bytes.len()
    }
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.bytes.get(at..at + N)?.try_into().ok()
    }
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.bytes.get_mut(at..at + N)?.try_into().ok()
    }
    fn grow_front(&mut self, by: i32) -> Option<()> {
        if by < 0 {
            // A frame keeps at least an Ethernet header, as the kernel's helper has it.
            let by = by.unsigned_abs() as usize;
            if self.bytes.len() < by + relvs_core::wire::ETHERNET {
                return None;
            }
            self.bytes.drain(..by);
        } else {
            let by = by as usize;
            if by > HEADROOM {
                return None;
            }
            self.bytes.splice(0..0, std::iter::repeat_n(0, by));
        }
        Some(())
    }
    fn truncate(&mut self, length: usize) -> Option<()> {
        if length > self.bytes.len() || length < relvs_core::wire::ETHERNET {
            return None;
        }
        self.bytes.truncate(length);
        Some(())
    }
    fn ingress(&self) -> u32 {
        self.ingress
    }
}
