//! Where logs come from, and their lines, in bounded memory.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use nopipe_core::event::{MESSAGE_ID_EVENT, MESSAGE_ID_NOTICE};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::time::SECOND;

/// The longest line that is read, in bytes. Ours have at most 2 KiB; journalctl leaves long fields out of its JSON.
pub const LONGEST_LINE: usize = 1 << 20;
/// As much is read at once.
const BLOCK: usize = 1 << 17;

/// One place that lines come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    Stdin,
    File(PathBuf),
    Journal(Journal),
}

/// What is asked of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Journal {
    /// Microseconds since the epoch.
    pub since: Option<i64>,
    pub until: Option<i64>,
    pub units: Vec<String>,
}

impl Input {
    /// From a command line's FILE: `-` is standard input.
    pub fn named(name: &Path) -> Input {
        match name.as_os_str() == "-" {
            true => Input::Stdin,
            false => Input::File(name.to_owned()),
        }
    }

    /// How many bytes there are to be read, of a file as it is stored; `None` if that is not known.
    pub fn size(&self) -> Option<u64> {
        let Input::File(path) = self else { return None };
        let data = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(data.len())
    }

    /// Opens it. The bytes read are added to `count` as they are stored: compressed, if they are.
    pub fn open(&self, count: Rc<Cell<u64>>) -> io::Result<Box<dyn Read>> {
        match self {
            Input::Stdin => Ok(Box::new(Counted {
                reader: io::stdin().lock(),
                count,
            })),
            Input::Journal(journal) => Ok(Box::new(Counted {
                reader: journal.start()?,
                count,
            })),
            Input::File(path) => {
                let reader = File::open(path)?;
                let file = Counted { reader, count };
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("gz") => Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK, file)))),
                    Some("zst") => Ok(Box::new(Zstd::new(BufReader::with_capacity(BLOCK, file)))),
                    _ => Ok(Box::new(file)),
                }
            }
        }
    }
}

impl Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => f.write_str("standard input"),
            Input::File(path) => write!(f, "{}", path.display()),
            Input::Journal(_) => f.write_str("the journal"),
        }
    }
}

impl Journal {
    /// journalctl's arguments: the library's entries alone, and of these the fields that count.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            "--output=export",
            "--no-pager",
            "--output-fields=MESSAGE,MESSAGE_ID,NOPIPE_PEER_ADDR,NOPIPE_CAUSE,NOPIPE_ENDED,NOPIPE_UNDELIVERED,NOPIPE_SAVED,\
             NOPIPE_FOLDED,NOPIPE_SUPPRESSED,NOPIPE_DROPPED,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT",
        ]
        .map(OsString::from)
        .into();
        let mut push = |argument: String| arguments.push(argument.into());
        if let Some(since) = self.since {
            push(format!("--since=@{}", since.div_euclid(SECOND).max(0)));
        }
        if let Some(until) = self.until {
            push(format!("--until=@{}", (until.div_euclid(SECOND) + 1).max(0)));
        }
        for unit in &self.units {
            push(format!("--unit={unit}"));
        }
        for id in [MESSAGE_ID_EVENT, MESSAGE_ID_NOTICE] {
            push(format!("MESSAGE_ID={id}"));
        }
        arguments
    }

    fn start(&self) -> io::Result<Journalctl> {
        let mut child = Command::new("journalctl")
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("journalctl: {error}")))?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Journalctl { child, stdout })
    }
}

/// journalctl at work. Its end is an error if it says so.
struct Journalctl {
    child: Child,
    stdout: ChildStdout,
}

impl Read for Journalctl {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stdout.read(buffer)?;
        if read == 0 {
            let status = self.child.wait()?;
            if !status.success() {
                return Err(io::Error::other(format!("journalctl failed: {status}")));
            }
        }
        Ok(read)
    }
}

impl Drop for Journalctl {
    fn drop(&mut self) {
        // It has ended, unless reading was given up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// zstd, also several frames one after another, as appending makes them.
struct Zstd<R: BufRead> {
    /// Between two frames.
    source: Option<R>,
    /// Within one.
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Zstd {
            source: Some(source),
            frame: None,
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.source = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(mut source) = self.source.take() else {
                return Ok(0);
            };
            let head = source.fill_buf()?;
            if head.is_empty() {
                return Ok(0);
            }
            // A frame of other data is passed over: RFC 8878, 3.1.2. (pzstd writes them.)
            if let Some(&[0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d]) = head.first_chunk::<8>() {
                source.consume(8);
                let length = u64::from(u32::from_le_bytes([a, b, c, d]));
                io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
                self.source = Some(source);
                continue;
            }
            let frame = StreamingDecoder::new(source);
            self.frame = Some(frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?);
        }
    }
}

/// A line, without its line feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// It is longer than [`LONGEST_LINE`], or has bytes that no log has: NUL, which a file has after a power failure.
    Damaged,
}

/// The lines of a reader.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What is in the buffer and not yet returned.
    start: usize,
    end: usize,
    /// There may be a NUL in it.
    has_nul: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(reader: R) -> Self {
        Lines {
            reader,
            buffer: vec![0; BLOCK],
            start: 0,
            end: 0,
            has_nul: false,
        }
    }

    /// Reads more behind what is there; false at the end. The buffer grows up to the longest line.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    let new = &self.buffer[self.end..self.end + read];
                    self.has_nul = memchr::memchr(0, new).is_some() || (self.has_nul && self.end > 0);
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next line; `None` at the end. `tick` is called at every read.
    pub fn next(&mut self, tick: &mut dyn FnMut()) -> io::Result<Option<Line<'_>>> {
        // How much of the line has been searched for its end.
        let mut searched = 0;
        let mut too_long = false;
        let length = loop {
            let rest = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr::memchr(b'\n', rest) {
                break searched + at;
            }
            searched = self.end - self.start;
            if searched > LONGEST_LINE {
                too_long = true;
                (self.start, searched) = (self.end, 0);
            }
            tick();
            if !self.fill()? {
                if self.start == self.end && !too_long {
                    return Ok(None);
                }
                break self.end - self.start;
            }
        };
        let line = &self.buffer[self.start..self.start + length];
        self.start = self.end.min(self.start + length + 1);
        let damaged = too_long || length > LONGEST_LINE || (self.has_nul && memchr::memchr(0, line).is_some());
        Ok(Some(match damaged {
            true => Line::Damaged,
            false => Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)),
        }))
    }

    /// Passes the next `length` bytes to `take`, in parts; false if the end comes before.
    pub fn bytes(&mut self, mut length: u64, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        while length > 0 {
            if self.start == self.end && !self.fill()? {
                return Ok(false);
            }
            let there = (self.end - self.start) as u64;
            let part = there.min(length) as usize;
            take(&self.buffer[self.start..self.start + part]);
            self.start += part;
            length -= part as u64;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn lines(text: &[u8], at_once: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(Dribble(text, at_once));
        let mut found = Vec::new();
        while let Some(line) = lines.next(&mut || ()).unwrap() {
            found.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::Damaged => None,
            });
        }
        found
    }

    #[test]
    fn ends_of_lines() {
        for at_once in [1, 3, 1 << 20] {
            let found = lines(b"one\ntwo\r\n\nthr\0ee\nfour", at_once);
            let expected = [Some(&b"one"[..]), Some(b"two"), Some(b""), None, Some(b"four")];
            assert_eq!(found, expected.map(|line| line.map(<[u8]>::to_vec)));
            assert!(lines(b"", at_once).is_empty());
        }
    }

    #[test]
    fn long_lines() {
        let long = vec![b'x'; 3 * LONGEST_LINE];
        let text = [&b"a\n"[..], &long, b"\nb\n", &long[..LONGEST_LINE], b"\n", &long].concat();
        let found = lines(&text, 1 << 16);
        assert_eq!(
            found.iter().map(|line| line.as_ref().map(Vec::len)).collect::<Vec<_>>(),
            [Some(1), None, Some(1), Some(LONGEST_LINE), None]
        );
        let mut lines = Lines::new(&text[..]);
        while lines.next(&mut || ()).unwrap().is_some() {}
        assert!(lines.buffer.len() <= 4 * LONGEST_LINE);
    }

    #[test]
    fn frames_of_zstd() {
        let frame = |text: &str| {
            ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
        };
        let both = [frame("one\n"), frame("two\n")].concat();
        let mut text = String::new();
        Zstd::new(&both[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        let torn = &both[..both.len() - 3];
        assert!(Zstd::new(torn).read_to_string(&mut text).is_err());
        assert!(Zstd::new(&b"plain text"[..]).read_to_string(&mut text).is_err());
    }
}
