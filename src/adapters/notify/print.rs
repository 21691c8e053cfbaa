//! Appends messages to a file, one line each: for rehearsals, and for shops that copy them into a phone by hand.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::adapters::notify::{Notify, Parcel, Receipt};

/// The file.
pub struct Print {
    path: PathBuf,
}

impl Print {
    /// Messages go to the end of `path`.
    pub fn new(path: PathBuf) -> Print {
        Print { path }
    }

    fn append(&self, parcels: &[Parcel]) -> std::io::Result<()> {
        let mut lines = String::new();
        for parcel in parcels {
            let text = parcel.text.replace(['\n', '\r'], " ");
            lines.push_str(&format!("{}{text}\n", head(parcel)));
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&self.path)?;
        if !ends_whole(&mut file)? {
            // A crash left half a line: it stays visible as one, and the next message begins on its own.
            lines.insert(0, '\n');
        }
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }
}

impl Notify for Print {
    fn name(&self) -> &str {
        "print"
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let receipt = match self.append(parcels) {
            Ok(()) => Receipt::Sent { said: String::new() },
            Err(error) => Receipt::Later { said: error.to_string() },
        };
        vec![receipt; parcels.len()]
    }

    fn took(&self, parcels: &[Parcel]) -> Option<Vec<bool>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(vec![false; parcels.len()]),
            Err(_) => return None,
        };
        let heads: Vec<String> = parcels.iter().map(head).collect();
        let mut found = vec![false; parcels.len()];
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

/// What a message's line begins with.
fn head(parcel: &Parcel) -> String {
    format!("{}\t{}\t{}\t", parcel.id, parcel.audience, parcel.phone)
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
    use super::{Notify, Parcel, Print};

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
        };
        let print = Print::new(path.clone());
        assert_eq!(print.took(&[parcel(1)]), Some(vec![false]));
        print.send(&[parcel(1), parcel(2)]);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(print.took(&[parcel(1), parcel(2), parcel(12)]), Some(vec![true, false, false]));
        print.send(&[parcel(2)]);
        assert_eq!(print.took(&[parcel(2)]), Some(vec![true]));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
