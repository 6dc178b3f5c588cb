//! How much is read at most, whatever a file says.

/// Bounds of one reading. What goes over one is an error, and reading ends there or goes on without it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: usize,
    /// Bytes of one line, after definitions are filled in.
    pub line: usize,
    /// Lines after sequences, lists and definitions of several lines are filled in.
    pub lines: usize,
    /// Bytes of those lines.
    pub expanded: usize,
    /// Words and braces of all statements together.
    pub words: usize,
    /// Bytes of definitions of several lines.
    pub defined: usize,
    /// Bytes of lines, counted each time that a definition is filled in on them.
    pub filled: usize,
    /// Files, and matches of one `include`.
    pub files: usize,
    /// Files that include each other, definitions and sequences within each other.
    pub depth: usize,
    /// Blocks within each other.
    pub blocks: usize,
    /// Definitions.
    pub definitions: usize,
    /// Definitions filled in on one line.
    pub substitutions: usize,
    /// Problems that are told.
    pub problems: usize,
    /// Keywords of which it is told what becomes of them.
    pub remarks: usize,
    /// Services, with every address of a group for itself.
    pub services: usize,
    /// Servers of all services.
    pub servers: usize,
}

impl Default for Limits {
    /// Far more than any configuration needs: the manual page's largest example makes a million lines.
    fn default() -> Self {
        Limits {
            bytes: 64 << 20,
            line: 64 << 10,
            lines: 1_500_000,
            expanded: 128 << 20,
            words: 4_000_000,
            defined: 8 << 20,
            filled: 1 << 30,
            files: 4_096,
            depth: 32,
            blocks: 32,
            definitions: 65_536,
            substitutions: 4_096,
            problems: 1_000,
            remarks: 10_000,
            services: 65_536,
            servers: 262_144,
        }
    }
}
