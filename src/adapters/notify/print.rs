//! Appends messages to a file, one line each: for rehearsals, and for shops that copy them into a phone by hand.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Deserialize;

use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace};
use crate::fault::io_reason;
use crate::t;

/// Messages written at once.
const BATCH: usize = 200;

/// The file.
pub struct Print {
    name: String,
    path: PathBuf,
}

/// The channel's settings in `shop.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The file, relative to the shop folder.
    #[serde(default = "file")]
    pub file: PathBuf,
}

impl Print {
    /// Messages go to the end of `path`.
    pub fn new(name: &str, path: PathBuf) -> Print {
        Print { name: name.to_owned(), path }
    }

    fn open(&self) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(&self.path)
    }
}

impl Notify for Print {
    fn name(&self) -> &str {
        &self.name
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let receipt = match self.open() {
            Err(error) => Receipt::Down { said: io_reason(&error) },
            Ok(file) => match append(file, parcels) {
                Ok(()) => Receipt::Sent { said: String::new() },
                // A part may be there; the look-up tells which.
                Err(error) => Receipt::Unknown { said: io_reason(&error) },
            },
        };
        vec![receipt; parcels.len()]
    }

    fn look_up(&self, handed: &[Handed]) -> Vec<Trace> {
        match self.took(handed) {
            Some(took) => took.into_iter().map(trace).collect(),
            None => vec![Trace::NotYet { said: t!("the file cannot be read") }; handed.len()],
        }
    }
}

impl Print {
    /// Which of these messages the file has, in order; `None` when it cannot be read.
    fn took(&self, handed: &[Handed]) -> Option<Vec<bool>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(vec![false; handed.len()]),
            Err(_) => return None,
        };
        let heads: Vec<String> = handed.iter().map(|it| head(&it.parcel)).collect();
        let mut found = vec![false; handed.len()];
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).ok()? > 0 {
            // Half a line at the end was not told.
            let whole = line.ends_with(b"\n");
            for (found, head) in found.iter_mut().zip(&heads) {
                *found |= whole && line.starts_with(head.as_bytes());
            }
            line.clear();
        }
        Some(found)
    }
}

fn append(mut file: File, parcels: &[Parcel]) -> std::io::Result<()> {
    let mut lines = String::new();
    for parcel in parcels {
        let text = parcel.text.replace(['\n', '\r'], " ");
        lines.push_str(&format!("{}{text}\n", head(parcel)));
    }
    if !ends_whole(&mut file)? {
        // A crash left half a line: it stays visible as one, and the next message begins on its own.
        lines.insert(0, '\n');
    }
    let before = file.metadata()?.len();
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // On a full disk a part of the lines may stand there, and a later line break would make half a message look like a whole one.
        // Should it not go away, the look-up still knows half a line at the end.
        drop(file.set_len(before));
    }
    written
}

/// What a message's line begins with.
fn head(parcel: &Parcel) -> String {
    format!("{}\t{}\t{}\t", parcel.id, parcel.audience, parcel.phone)
}

fn trace(took: bool) -> Trace {
    match took {
        true => Trace::Took { said: String::new() },
        false => Trace::Again { said: t!("a delivery was interrupted before it was sent") },
    }
}

fn file() -> PathBuf {
    "messages.txt".into()
}

fn ends_whole(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::{Handed, Notify, Parcel, Print, Trace};

    #[test]
    fn the_file_can_tell_what_it_has_and_half_a_line_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.txt");
        let parcel = |number: u32| Parcel {
            id: format!("n-{number}"),
            template: "x".into(),
            audience: "customer".into(),
            phone: "19900000001".into(),
            lang: "en".into(),
            text: "two\nlines".into(),
            ..Parcel::default()
        };
        let at = "2026-11-05T01:00:00Z".parse().unwrap();
        let took = |print: &Print, numbers: &[u32]| -> Vec<bool> {
            let handed: Vec<Handed> = numbers.iter().map(|number| Handed { parcel: parcel(*number), at }).collect();
            print.look_up(&handed).iter().map(|it| matches!(it, Trace::Took { .. })).collect()
        };
        let print = Print::new("print", path.clone());
        assert_eq!(took(&print, &[1]), [false]);
        print.send(&[parcel(1), parcel(2)]);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(took(&print, &[1, 2, 12]), [true, false, false]);
        print.send(&[parcel(2)]);
        assert_eq!(took(&print, &[2]), [true]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
