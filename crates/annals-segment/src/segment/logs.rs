//! Whose rows are where.

use std::ops::Range;

use annals_event::{Position, TenantId};

use super::Segment;
use crate::Damaged;
use crate::build::LogName;
use crate::numbers::UNIT;

/// The rows of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRows {
    /// Which of the segment's logs.
    pub index: u32,
    /// Its rows, by position.
    pub rows: Range<u32>,
    /// Its runs: stretches of rows whose positions follow each other.
    pub runs: Range<u32>,
}

/// Bytes of a log's id.
const LOG_ID_BYTES: u64 = 16;

impl Segment {
    /// Logs with rows in here.
    #[must_use]
    pub fn logs(&self) -> u32 {
        self.footer.logs.n
    }

    /// The rows of a tenant's log; `None` if there are none in here.
    ///
    /// # Errors
    ///
    /// [`Damaged`], as of every question to a segment, when what must be read for it is not what was written.
    pub fn find_log(&self, tenant: &TenantId, access: bool) -> Result<Option<LogRows>, Damaged> {
        let logs = &self.footer.logs;
        let Some(tenant) = self.find_tenant(tenant.as_str().as_bytes())? else { return Ok(None) };
        let name = 2 * tenant + u64::from(access);
        // Each tenant has a log or two.
        let (low, high) = (tenant.min(logs.names.len()), (2 * tenant + 2).min(logs.names.len()));
        let index = logs.names.partition_point(&self.body, low..high, |other| other < name)?;
        if index == logs.names.len() || logs.names.get(&self.body, index)? != name {
            return Ok(None);
        }
        self.log_rows(self.small(index)?).map(Some)
    }

    /// Which of the tenants, which stand in the order of their bytes, this one is.
    fn find_tenant(&self, tenant: &[u8]) -> Result<Option<u64>, Damaged> {
        let (tenants, body) = (&self.footer.logs.tenants, &self.body);
        // The page first: its values cost little more than one of them.
        let (mut low, mut high) = (0, tenants.len().div_ceil(UNIT));
        let mut text = Vec::new();
        while low + 1 < high {
            let middle = low.midpoint(high);
            text.clear();
            tenants.get(body, middle * UNIT, &mut text)?;
            if text.as_slice() <= tenant { low = middle } else { high = middle }
        }
        let mut found = None;
        tenants.each(body, low * UNIT..tenants.len().min((low + 1) * UNIT), |ordinal, other| {
            if other == tenant {
                found = Some(ordinal);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The rows of the `index`-th log.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when there are not so many logs.
    pub fn log_rows(&self, index: u32) -> Result<LogRows, Damaged> {
        let logs = &self.footer.logs;
        let at = u64::from(index);
        let runs = logs.runs.get(&self.body, at)?..logs.runs.get(&self.body, at + 1)?;
        let rows = logs.run_rows.get(&self.body, runs.start)?..logs.run_rows.get(&self.body, runs.end)?;
        if runs.start >= runs.end || rows.start >= rows.end || rows.end > u64::from(self.footer.rows) {
            return Err(self.malformed("rows of a log"));
        }
        Ok(LogRows {
            index,
            rows: self.small(rows.start)?..self.small(rows.end)?,
            runs: self.small(runs.start)?..self.small(runs.end)?,
        })
    }

    /// Whose log it is.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when there are not so many logs.
    pub fn log_name(&self, index: u32) -> Result<LogName, Damaged> {
        let logs = &self.footer.logs;
        let name = logs.names.get(&self.body, u64::from(index))?;
        let mut text = Vec::new();
        logs.tenants.get(&self.body, name / 2, &mut text)?;
        let tenant = std::str::from_utf8(&text).ok().and_then(|text| TenantId::from_stored(text).ok());
        let tenant = tenant.ok_or_else(|| self.malformed("a tenant that cannot be called so"))?;
        let at = u64::from(index) * LOG_ID_BYTES;
        let id = logs.ids.slice(&self.body, at..at + LOG_ID_BYTES)?;
        let id = id.as_ref().try_into().map_err(|_| self.malformed("id of a log"))?;
        Ok(LogName { tenant, access: name % 2 == 1, id })
    }

    /// The log that a row stands in.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when there is no such row.
    pub fn log_of_row(&self, row: u32) -> Result<LogRows, Damaged> {
        let logs = &self.footer.logs;
        let runs = 0..logs.run_rows.len();
        let run = logs.run_rows.partition_point(&self.body, runs, |first| first <= u64::from(row))?;
        let all = 0..logs.runs.len();
        let log = logs.runs.partition_point(&self.body, all, |first| first < run)?;
        let log = log.checked_sub(1).ok_or_else(|| self.malformed("a row without a log"))?;
        let log = self.log_rows(self.small(log)?)?;
        if log.rows.contains(&row) { Ok(log) } else { Err(self.malformed("a row outside its log")) }
    }

    /// The row at a position of a log; `None` if it is not in here.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn row_at(&self, log: &LogRows, position: Position) -> Result<Option<u32>, Damaged> {
        let row = self.row_from(log, position)?;
        Ok((row < log.rows.end && self.position_of(log, row)? == position).then_some(row))
    }

    /// The first row of a log at a position or after it; the end of its rows if there is none.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn row_from(&self, log: &LogRows, position: Position) -> Result<u32, Damaged> {
        let logs = &self.footer.logs;
        let runs = u64::from(log.runs.start)..u64::from(log.runs.end);
        let after =
            logs.run_positions.partition_point(&self.body, runs.clone(), |first| first <= position.0)?;
        if after <= runs.start {
            return Ok(log.rows.start);
        }
        let (first, next) =
            (logs.run_rows.get(&self.body, after - 1)?, logs.run_rows.get(&self.body, after)?);
        let far = position.0 - logs.run_positions.get(&self.body, after - 1)?;
        let row = self.small(first.saturating_add(far).min(next))?;
        Ok(row.clamp(log.rows.start, log.rows.end))
    }

    /// The position of a row of this log.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when the row is not one of the log's.
    pub fn position_of(&self, log: &LogRows, row: u32) -> Result<Position, Damaged> {
        let (_, first, position) = self.run_of(log, row)?;
        Ok(Position(position + u64::from(row - first.start)))
    }

    /// Positions of a log's first and last row.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn positions(&self, log: &LogRows) -> Result<(Position, Position), Damaged> {
        Ok((self.position_of(log, log.rows.start)?, self.position_of(log, log.rows.end - 1)?))
    }

    /// The run that a row of this log stands in: its index, its rows, and the position of its first row.
    pub(crate) fn run_of(&self, log: &LogRows, row: u32) -> Result<(u32, Range<u32>, u64), Damaged> {
        let runs = u64::from(log.runs.start)..u64::from(log.runs.end);
        let rows = &self.footer.logs.run_rows;
        let after = if log.runs.len() == 1 {
            runs.end
        } else {
            rows.partition_point(&self.body, runs.clone(), |first| first <= u64::from(row))?
        };
        if after <= runs.start {
            return Err(self.malformed("a row outside its log"));
        }
        let run = self.run(self.small(after - 1)?)?;
        if run.1.contains(&row) { Ok(run) } else { Err(self.malformed("a row outside its run")) }
    }

    /// A run: its index, its rows, and the position of its first row.
    pub(crate) fn run(&self, run: u32) -> Result<(u32, Range<u32>, u64), Damaged> {
        let logs = &self.footer.logs;
        let at = u64::from(run);
        let rows = logs.run_rows.get(&self.body, at)?..logs.run_rows.get(&self.body, at + 1)?;
        let position = logs.run_positions.get(&self.body, at)?;
        let far = rows.end.checked_sub(rows.start).and_then(|rows| position.checked_add(rows));
        if far.is_none() {
            return Err(self.malformed("a run without an end"));
        }
        Ok((run, self.small(rows.start)?..self.small(rows.end)?, position))
    }

    /// A number that must be below 2^32.
    pub(crate) fn small(&self, number: u64) -> Result<u32, Damaged> {
        u32::try_from(number).map_err(|_| self.malformed("a number too large for its place"))
    }
}
