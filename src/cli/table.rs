//! Tables in columns, as kubectl prints them; pure.

use crate::config::text::sanitise;

/// Rows below a head, each column as wide as its widest cell; cells are made harmless.
pub fn render(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let clean = |cell: &str| sanitise(&cell.replace(['\n', '\t'], " "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|cell| clean(cell)).collect()),
        )
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("   ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_cells_can_not_break_out() {
        let rows = [
            vec!["a".to_owned(), "x\ny\x1b[1m".to_owned()],
            vec!["longer".to_owned(), "z".to_owned()],
        ];
        let lines = render(&["NAME", "B"], &rows);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("NAME     B"), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains('\x1b')));
    }
}
