//! Walking over the frames of one file, the part that recovery, reading and scanning share.

use std::io;

use crate::{
    Damage, Disk, DiskFile, Flaw, Place,
    format::{
        self, FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, FileName, FrameHeader, JournalId,
        ParsedFileHeader, SECTOR_BYTES, aligned,
    },
};

/// How much is read at once where a frame does not need more.
const READ_BYTES: usize = 256 << 10;

/// The first places of a journal's files, in order.
///
/// The inner error names a file that no journal writes.
pub(crate) fn list(disk: &dyn Disk) -> io::Result<Result<Vec<Place>, Damage>> {
    let mut firsts = Vec::new();
    for file in disk.list()? {
        match format::parse_file_name(&file) {
            FileName::Journal(first) => firsts.push(first),
            FileName::Other => {}
            FileName::Wrong => return Ok(Err(Damage { file, offset: 0, place: None, flaw: Flaw::Name })),
        }
    }
    firsts.sort_unstable();
    Ok(Ok(firsts))
}

/// What the next bytes of a file are.
#[derive(Debug)]
pub(crate) enum Step {
    Frame(Frame),
    /// The file ends after the last frame, apart from zeros up to the next group.
    End,
    /// No valid frame. The walk stays there.
    Bad(Flaw),
}

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) place: Place,
    /// Where the frame starts.
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

/// The place of a group's first batch, and where its frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupStart {
    pub(crate) place: Place,
    pub(crate) offset: u64,
}

/// A position in one file, between two frames.
#[derive(Debug)]
pub(crate) struct Walk {
    window: Window,
    id: JournalId,
    /// Bytes behind this are none of our business: not written by us, or not flushed yet.
    limit: u64,
    offset: u64,
    /// End of the last whole frame, or of the file header.
    good_end: u64,
    expected: Place,
    /// The group of the frame that ends at `offset`, while it may go on there.
    group: Option<GroupStart>,
    last_group: Option<GroupStart>,
}

/// What the start of a file says.
#[derive(Debug)]
pub(crate) enum Start {
    Walk(Walk),
    Version(u8),
    Invalid { file_bytes: u64 },
    Bad(Flaw),
}

impl Walk {
    /// Reads the header of the file that starts with `first`. Without `id` any journal's file will do; without `limit`
    /// the whole file is walked.
    pub(crate) fn start(
        file: Box<dyn DiskFile>,
        first: Place,
        id: Option<JournalId>,
        limit: Option<u64>,
    ) -> io::Result<Start> {
        let file_bytes = file.bytes()?;
        let limit = limit.unwrap_or(file_bytes);
        let mut window = Window::new(file);
        let header = match FileHeader::parse(window.bytes(0, FILE_HEADER_BYTES)?) {
            ParsedFileHeader::Header(header) => header,
            ParsedFileHeader::Version(version) => return Ok(Start::Version(version)),
            ParsedFileHeader::Invalid => return Ok(Start::Invalid { file_bytes }),
        };
        if id.is_some_and(|id| id != header.id) {
            return Ok(Start::Bad(Flaw::Foreign));
        }
        if header.first != first {
            return Ok(Start::Bad(Flaw::FirstPlace));
        }
        let offset = FILE_HEADER_BYTES as u64;
        Ok(Start::Walk(Self {
            window,
            id: header.id,
            limit,
            offset,
            good_end: offset,
            expected: first,
            group: None,
            last_group: None,
        }))
    }

    pub(crate) fn id(&self) -> JournalId {
        self.id
    }

    /// Where the next frame is expected to start, or the bad one does.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The place that the next frame must have.
    pub(crate) fn expected(&self) -> Place {
        self.expected
    }

    /// End of the last whole frame, or of the file header when there is none yet.
    pub(crate) fn good_end(&self) -> u64 {
        self.good_end
    }

    /// Where the group of the last whole frame starts, or the file when there is no frame yet.
    pub(crate) fn last_group_offset(&self) -> u64 {
        self.last_group.map_or(0, |group| group.offset)
    }

    /// Bytes of the file that the walk covers.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes the next frame.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let mut header = self.frame_header(self.offset)?;
        // Only when there is no frame can the bytes up to the next group be padding. The other way round a frame
        // whose length begins with zeros could pass for padding just before a sector's end.
        if header.is_err() && self.skip_padding()? {
            header = self.frame_header(self.offset)?;
        }
        if self.offset >= self.limit {
            return Ok(Step::End);
        }
        let header = match header {
            Ok(header) => header,
            Err(flaw) => return Ok(Step::Bad(flaw)),
        };
        let Some(group) = self.group_of(header) else { return Ok(Step::Bad(Flaw::Order)) };
        let payload_offset = self.offset + FRAME_HEADER_BYTES as u64;
        let payload = self.bytes(payload_offset, header.bytes as usize)?;
        if !header.fits(self.id, &payload) {
            return Ok(Step::Bad(Flaw::Payload));
        }
        let frame = Frame { place: header.place, offset: self.offset, payload };
        self.pass(header, group);
        Ok(Step::Frame(frame))
    }

    /// Goes behind a frame.
    fn pass(&mut self, header: FrameHeader, group: GroupStart) {
        self.offset += FRAME_HEADER_BYTES as u64 + u64::from(header.bytes);
        self.good_end = self.offset;
        self.expected = header.place.plus(1);
        self.group = Some(group);
        self.last_group = Some(group);
    }

    /// The group that a frame at the present offset belongs to, if it follows from what was before.
    fn group_of(&self, header: FrameHeader) -> Option<GroupStart> {
        if header.place != self.expected {
            return None;
        }
        let opens = header.group == header.place && self.offset.is_multiple_of(SECTOR_BYTES);
        let start = GroupStart { place: header.place, offset: self.offset };
        if opens { Some(start) } else { self.group.filter(|group| group.place == header.group) }
    }

    /// Goes to the start of the next group if only zeros are in between.
    fn skip_padding(&mut self) -> io::Result<bool> {
        let end = aligned(self.offset);
        let gap = usize::try_from(end - self.offset).expect("less than a sector");
        let zeros = self.bytes(self.offset, gap)?.iter().all(|byte| *byte == 0);
        if zeros {
            self.offset = end;
            self.group = None;
        }
        Ok(zeros)
    }

    /// The first header behind the present offset that opens a group of a place not yet passed.
    ///
    /// It was written after what is here was flushed; see the module [`format`](mod@crate::format). With the very place
    /// expected here, what is here is the padding between two groups.
    pub(crate) fn later_group(&mut self) -> io::Result<Option<GroupStart>> {
        let mut offset = aligned(self.offset + 1);
        while offset + FRAME_HEADER_BYTES as u64 <= self.limit {
            if let Ok(header) = self.frame_header(offset)?
                && header.group == header.place
                && header.place >= self.expected
            {
                return Ok(Some(GroupStart { place: header.place, offset }));
            }
            offset += SECTOR_BYTES;
        }
        Ok(None)
    }

    /// Goes on at a group that [`later_group`](Self::later_group) has found.
    pub(crate) fn resume(&mut self, at: GroupStart) {
        self.offset = at.offset;
        self.expected = at.place;
        self.group = None;
    }

    /// For a bad frame whose length is plausible: the bytes that its payload would be, and whether they match the
    /// checksum that its header holds. The walk goes behind them when either the header or the payload vouches for the
    /// length.
    pub(crate) fn salvage(&mut self) -> io::Result<Option<(Vec<u8>, bool)>> {
        let bytes = self.bytes(self.offset, FRAME_HEADER_BYTES)?;
        let Some(header) =
            FrameHeader::parse_unchecked(&bytes).filter(|header| header.has_plausible_length())
        else {
            return Ok(None);
        };
        let payload = self.bytes(self.offset + FRAME_HEADER_BYTES as u64, header.bytes as usize)?;
        if payload.len() < header.bytes as usize {
            return Ok(None);
        }
        let intact = header.fits(self.id, &payload);
        if intact || FrameHeader::parse(self.id, &bytes).is_ok() {
            // Whatever a bad header says, the frame here is the one expected here.
            let start = GroupStart { place: self.expected, offset: self.offset };
            let group = self.group.filter(|_| header.group != self.expected).unwrap_or(start);
            self.pass(FrameHeader { place: self.expected, ..header }, group);
        }
        Ok(Some((payload, intact)))
    }

    fn frame_header(&mut self, offset: u64) -> io::Result<Result<FrameHeader, Flaw>> {
        let id = self.id;
        let bytes = within(self.limit, offset, FRAME_HEADER_BYTES);
        Ok(FrameHeader::parse(id, self.window.bytes(offset, bytes)?))
    }

    /// Up to `bytes` bytes at `offset`, fewer at the limit or the end of the file.
    fn bytes(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let bytes = within(self.limit, offset, bytes);
        Ok(self.window.bytes(offset, bytes)?.to_vec())
    }
}

/// How many of `bytes` at `offset` are before `limit`.
fn within(limit: u64, offset: u64, bytes: usize) -> usize {
    usize::try_from(limit.saturating_sub(offset)).map_or(bytes, |left| left.min(bytes))
}

/// A part of a file in memory, at most as large as the largest frame.
#[derive(Debug)]
struct Window {
    file: Box<dyn DiskFile>,
    offset: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, offset: 0, bytes: Vec::new() }
    }

    /// `wanted` bytes at `offset`; fewer only at the end of the file.
    fn bytes(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        if !self.holds(offset, wanted) {
            self.bytes.resize(wanted.max(READ_BYTES), 0);
            let filled = self.file.read_at(offset, &mut self.bytes);
            self.offset = offset;
            self.bytes.truncate(*filled.as_ref().unwrap_or(&0));
            filled?;
        }
        let start = usize::try_from(offset - self.offset).expect("inside the window");
        Ok(&self.bytes[start..(start + wanted).min(self.bytes.len())])
    }

    fn holds(&self, offset: u64, wanted: usize) -> bool {
        let end = self.offset + self.bytes.len() as u64;
        offset >= self.offset && offset + wanted as u64 <= end
    }
}
