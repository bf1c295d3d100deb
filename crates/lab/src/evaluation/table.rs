//! Rows with named columns.

/// Rows under a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each as long as the heading.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A cell; empty where there is none.
    pub fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        let cell = self.column(name).and_then(|at| row.get(at));
        cell.map_or("", String::as_str)
    }

    /// A number; `None` where the cell is empty or none.
    pub fn number(&self, row: &[String], name: &str) -> Option<f64> {
        self.cell(row, name).parse().ok()
    }

    /// The mean of a column over the rows that fit and have a number there; `None` where there is none.
    pub fn mean(&self, name: &str, fits: impl Fn(&[String]) -> bool) -> Option<f64> {
        let numbers = self
            .rows
            .iter()
            .filter(|row| fits(row))
            .filter_map(|row| self.number(row, name));
        let (count, sum) = numbers.fold((0_u64, 0.0), |(n, sum), v| (n + 1, sum + v));
        (count > 0).then(|| sum / count as f64)
    }

    /// How many rows fit.
    pub fn count(&self, fits: impl Fn(&[String]) -> bool) -> usize {
        self.rows.iter().filter(|row| fits(row)).count()
    }

    /// The different words of a column, in order.
    pub fn words(&self, name: &str) -> Vec<&str> {
        let mut words: Vec<&str> = self.rows.iter().map(|row| self.cell(row, name)).collect();
        words.sort_unstable();
        words.dedup();
        words.retain(|word| !word.is_empty());
        words
    }
}
