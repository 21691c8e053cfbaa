//! A database's write-ahead log as bytes: where its commits end. Knows SQLite's file format, and nothing of what is in the pages.

/// Length of the log's head.
pub const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

/// The log's frames, each with the place of its end and whether it ends a commit; and whether half a frame follows.
pub struct Log {
    /// Ends of frames, and which of them end a commit.
    pub frames: Vec<(usize, bool)>,
    half: bool,
}

impl Log {
    /// Reads a log. What an older log left behind the last frame does not count.
    pub fn read(log: &[u8]) -> Log {
        let Some((head, body)) = log.split_at_checked(HEAD) else {
            return Log { frames: Vec::new(), half: !log.is_empty() };
        };
        let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = FRAME_HEAD + usize::try_from(number(head, 8)).unwrap();
        let mut frames = Vec::new();
        for frame in body.chunks(length) {
            // A frame repeats the salt of its log.
            if frame.len() >= FRAME_HEAD && frame[8..16] != head[16..24] {
                break;
            }
            if frame.len() < length {
                return Log { frames, half: true };
            }
            // The last frame of a commit says how large the database is then.
            frames.push((HEAD + (frames.len() + 1) * length, number(frame, 4) != 0));
        }
        Log { frames, half: false }
    }

    /// How many commits are whole in its first `length` bytes.
    pub fn commits_in(&self, length: usize) -> usize {
        self.frames.iter().filter(|(end, commits)| *commits && *end <= length).count()
    }

    /// Whether it ends with pages of a commit whose last page is not there.
    pub fn ends_inside_a_commit(&self) -> bool {
        self.half || self.frames.last().is_some_and(|(_, commits)| !commits)
    }
}
