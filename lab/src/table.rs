//! Results as a table of text: columns as wide as their widest cell.

use std::io::{self, Write};

/// Writes a heading, a rule and the rows; a row that is shorter than the heading is filled up, what is longer is left out.
///
/// # Errors
/// `out` cannot be written.
pub fn write_table(out: &mut dyn Write, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let cells = rows.iter().map(|row| cell(row, column).chars().count());
            cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(heading.iter().map(|&text| text.to_owned()).collect()))?;
    writeln!(out, "{}", line(widths.iter().map(|width| "-".repeat(*width)).collect()))?;
    for row in rows {
        writeln!(out, "{}", line((0..heading.len()).map(|column| cell(row, column)).collect()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let rows = [vec!["NAT".to_owned(), "300".to_owned()], vec!["tunnel".to_owned()]];
        write_table(&mut out, &["method", "ok"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "method  ok\n------  ---\nNAT     300\ntunnel\n");
    }
}
