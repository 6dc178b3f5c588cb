//! Drops from a BPF object what only a debugger reads, the same way on every machine.
//!
//! Keeps BTF and the line information beside it. Its relocations go: aya, like libbpf, fixes BTF's offsets by itself.

use anyhow::{Context as _, Result, ensure};
use object::build::elf::{Builder, SectionData};
use object::read::elf::FileHeader as _;
use object::{Endianness, elf};

/// The stripped object.
pub(crate) fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let header = elf::FileHeader64::<Endianness>::parse(object).context("the linker's output is no 64-bit ELF file")?;
    ensure!(header.e_machine(header.endian()?) == elf::EM_BPF, "the linker's output is no BPF object");
    let mut builder = Builder::read64(object)?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        section.delete = name.starts_with(".debug_") || name.starts_with(".rel.debug_") || name.starts_with(".rel.BTF");
    }
    // Symbols of the sections that are gone, and the name of the module that was linked.
    builder.delete_orphan_symbols();
    for symbol in &mut builder.symbols {
        symbol.delete |= symbol.st_type() == elf::STT_FILE;
    }
    // LLVM keeps the names of sections and symbols in one table, which the builder cannot write.
    if !builder.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        let names = builder.sections.add();
        names.name = ".shstrtab".into();
        names.sh_type = elf::SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    builder.set_section_sizes();
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("cannot write the stripped object")?;
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::elf::ElfFile64;
    use object::{Object as _, ObjectSection as _};

    fn elf_of(machine: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Endianness::Little, true);
        builder.header.e_type = elf::ET_REL;
        builder.header.e_machine = machine;
        for (name, content) in sections {
            let section = builder.sections.add();
            section.name = (*name).into();
            section.sh_type = elf::SHT_PROGBITS;
            section.sh_addralign = 1;
            section.data = SectionData::Data(content.to_vec().into());
            let id = section.id();
            let symbol = builder.symbols.add();
            symbol.name = format!("in{name}").into_bytes().into();
            symbol.section = Some(id);
            symbol.set_st_info(elf::STB_GLOBAL, elf::STT_OBJECT);
        }
        for (name, kind, data) in [
            (".shstrtab", elf::SHT_STRTAB, SectionData::SectionString),
            (".strtab", elf::SHT_STRTAB, SectionData::String),
            (".symtab", elf::SHT_SYMTAB, SectionData::Symbol),
        ] {
            let section = builder.sections.add();
            section.name = name.into();
            section.sh_type = kind;
            section.sh_addralign = 8;
            section.data = data;
        }
        builder.set_section_sizes();
        let mut bytes = Vec::new();
        builder.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_debugger_loses_and_the_loader_keeps() {
        let sections: [(&str, &[u8]); 7] = [
            ("xdp", b"code"),
            (".maps", b"maps"),
            (".debug_info", b"debug"),
            (".debug_str", b"names"),
            (".BTF", b"types"),
            (".BTF.ext", b"lines"),
            (".rel.BTF.ext", b"relocations"),
        ];
        let whole = elf_of(elf::EM_BPF, &sections);
        let stripped = strip(&whole).unwrap();
        assert_eq!(stripped, strip(&whole).unwrap(), "the same bytes each time");
        let file = ElfFile64::<Endianness>::parse(&*stripped).unwrap();
        for (name, content) in sections {
            let kept = file.section_by_name(name).map(|section| section.data().unwrap().to_vec());
            let wanted = !name.starts_with(".debug") && !name.starts_with(".rel.BTF");
            assert_eq!(kept, wanted.then(|| content.to_vec()), "{name}");
            assert_eq!(file.symbol_by_name(&format!("in{name}")).is_some(), wanted, "{name}'s symbol");
        }
    }

    #[test]
    fn another_machine_is_refused() {
        let error = strip(&elf_of(elf::EM_X86_64, &[("xdp", b"code")])).unwrap_err();
        assert!(error.to_string().contains("no BPF object"), "{error}");
        assert!(strip(b"\x7fELF").is_err());
    }
}
