//! Small XDP programs that are put together here, instruction by instruction: what they are about is known only when they are made.
//!
//! Nothing of them is part of the product. Sources: RFC 9669 (instructions), elf(5), the kernel's bpf-helpers(7).

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    programs::{Xdp, XdpMode},
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
    write::{Object, Relocation, StandardSection, Symbol, SymbolSection},
};

const NAME: &str = "beside";

/// One instruction: operation, destination and source register, offset, constant.
pub(super) const fn instruction(operation: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
    operation as u64
        | (to as u64) << 8
        | (from as u64) << 12
        | (offset as u16 as u64) << 16
        | (constant as u32 as u64) << 32
}

// RFC 9669: class in the low three bits, then source or size, then operation.
pub(super) const ADD: u8 = 0x07;
pub(super) const SUB_REGISTER: u8 = 0x1f;
pub(super) const MULTIPLY: u8 = 0x27;
pub(super) const AND: u8 = 0x57;
pub(super) const SHIFT_RIGHT: u8 = 0x77;
pub(super) const MODULO: u8 = 0x97;
pub(super) const MOVE: u8 = 0xb7;
pub(super) const MOVE_REGISTER: u8 = 0xbf;
pub(super) const TO_BIG_ENDIAN: u8 = 0xdc;
pub(super) const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
pub(super) const STORE_8: u8 = 0x73;
pub(super) const STORE_16: u8 = 0x6b;
pub(super) const STORE_64: u8 = 0x7b;
pub(super) const CONSTANT_64: u8 = 0x18;
pub(super) const JUMP_IF_GREATER: u8 = 0x2d;
const CALL: u8 = 0x85;
pub(super) const EXIT: u8 = 0x95;
/// The helper bpf_redirect.
const REDIRECT: i32 = 23;

/// Begins a program: 1 more in the counter, and its number in register 8.
pub(super) const fn count() -> [u64; 5] {
    [
        // The counter's address: see `Program::load`.
        instruction(CONSTANT_64, 7, 0, 0, 0),
        0,
        instruction(LOAD_64, 8, 7, 0, 0),
        instruction(ADD, 8, 0, 0, 1),
        instruction(STORE_64, 7, 8, 0, 0),
    ]
}

/// Lets the frame go out of the interface whose number is this and what is in register 9.
pub(super) const fn redirect(interface: u32) -> [u64; 4] {
    [
        instruction(MOVE_REGISTER, 1, 9, 0, 0),
        instruction(ADD, 1, 0, 0, interface as i32),
        instruction(MOVE, 2, 0, 0, 0),
        instruction(CALL, 0, 0, 0, REDIRECT),
    ]
}

/// A loaded program.
pub(super) struct Program(Ebpf);

impl Program {
    /// Loads it. If its first instruction is [`CONSTANT_64`], that gets the address of a counter of its own.
    pub(super) fn load(code: &[u64]) -> Result<Self> {
        let mut bpf = EbpfLoader::new().load(&object_of(code)?).context("the kernel refused the program's map")?;
        let program: &mut Xdp = bpf.program_mut(NAME).context("no program")?.try_into()?;
        program.load().context("the kernel refused the program")?;
        Ok(Program(bpf))
    }

    /// The program.
    pub(super) fn xdp(&self) -> Result<&Xdp> {
        Ok(self.0.program(NAME).context("no program")?.try_into()?)
    }
}

/// A program on an interface that sends what comes in, as it is, by turns out of several others; it goes when this is dropped.
pub(super) struct Redirect {
    _attached: Program,
}

impl Redirect {
    /// Puts it on an interface of the calling thread's namespace; `out` is the first number of the others.
    pub(super) fn attach(interface: &str, out: u32, outs: u8) -> Result<Self> {
        let mut code = count().to_vec();
        code.extend([instruction(MOVE_REGISTER, 9, 8, 0, 0), instruction(MODULO, 9, 0, 0, i32::from(outs))]);
        code.extend(redirect(out));
        code.push(instruction(EXIT, 0, 0, 0, 0));
        let mut program = Program::load(&code)?;
        let xdp: &mut Xdp = program.0.program_mut(NAME).context("no program")?.try_into()?;
        xdp.attach(interface, XdpMode::Driver).with_context(|| format!("no XDP program can be put on {interface}"))?;
        Ok(Redirect { _attached: program })
    }
}

/// The program as an object that aya loads: one function, and a counter in `.bss`.
fn object_of(code: &[u64]) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let text = object.add_section(Vec::new(), b"xdp".to_vec(), SectionKind::Text);
    object.append_section_data(text, &bytes, 8);
    let bss = object.section_id(StandardSection::UninitializedData);
    object.append_section_bss(bss, 8, 8);
    let symbol = |name: &str, kind, section, size| Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    };
    object.add_symbol(symbol(NAME, SymbolKind::Text, text, bytes.len() as u64));
    if code.first().is_some_and(|word| *word as u8 == CONSTANT_64) {
        let counter = object.add_symbol(symbol("counter", SymbolKind::Data, bss, 8));
        let flags = RelocationFlags::Elf { r_type: elf::R_BPF_64_64 };
        object.add_relocation(text, Relocation { offset: 0, symbol: counter, addend: 0, flags })?;
    }
    object.write().context("the generator's object cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_a_counter_if_the_program_begins_with_one() {
        let exit = instruction(EXIT, 0, 0, 0, 0);
        let counts = [instruction(CONSTANT_64, 7, 0, 0, 0), 0, instruction(MOVE, 0, 0, 0, 2), exit];
        for (code, expected) in [(&counts[..], true), (&counts[2..], false)] {
            let bytes = object_of(code).unwrap();
            assert_eq!(&bytes[..4], b"\x7fELF");
            assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), elf::EM_BPF);
            assert_eq!(bytes.windows(8).any(|name| name == b".relxdp\0"), expected);
        }
    }

    #[test]
    fn an_instruction_s_fields_are_where_rfc_9669_has_them() {
        assert_eq!(instruction(STORE_8, 2, 5, 29, 0).to_le_bytes(), [0x73, 0x52, 29, 0, 0, 0, 0, 0]);
        assert_eq!(instruction(MOVE, 1, 0, 0, -2).to_le_bytes(), [0xb7, 0x01, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
    }
}
