//! `postern rules index`: registers internal documents, or the rows of a table, so that a rule can find them in mail.

use super::progress::Progress;
use super::scan::files_below;
use super::{Done, Failure, Format};
use crate::config::{indexes, rules_folder};
use crate::detect::{ColumnReport, ExactBuilder, FingerprintBuilder};
use crate::extract::{self, Limits};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Index {
    /// A folder of documents, one document, or a table as CSV with a first line of names
    #[arg(value_name = "PATH", required_unless_present = "list")]
    path: Option<PathBuf>,
    /// The name that rules use; default: the folder's or the file's own
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of a table: the columns to register, with commas between; default: all that tell rows apart
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// The indexes that are there
    #[arg(long)]
    list: bool,
    /// The folder of rules, below which indexes/ is written
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Octets of a document or table.
const FILE_LIMIT: u64 = 1 << 30;
/// Rows from which it is told what a column holds.
const SAMPLE: usize = 1_000;

impl Index {
    pub fn run(self) -> Done {
        let rules = rules_folder(self.rules.as_deref())?;
        let Some(path) = &self.path else { return self.show(&rules) };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => path
                .canonicalize()
                .ok()
                .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .unwrap_or_default(),
        };
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '"']) {
            return Err(Failure::Wrong(format!("\"{name}\" is no name for an index; write --name registre-hr")));
        }
        let table =
            path.extension().is_some_and(|ending| ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known)));
        if table && path.is_file() {
            return self.table(&rules, path, &name);
        }
        if !self.columns.is_empty() {
            return Err(Failure::Wrong(format!("{}: --columns is for a table; save it as CSV first", path.display())));
        }
        self.documents(&rules, path, &name)
    }

    fn documents(&self, rules: &Path, path: &Path, name: &str) -> Done {
        let key = indexes::key(rules)?;
        let mut builder = FingerprintBuilder::new(&key);
        let files = files_below(path)?;
        let mut progress = Progress::of(files.len() as u64, 20);
        let reader = crate::worker::open(&Limits::default()).map_err(|why| Failure::Wrong(why.to_string()))?;
        let mut left_out = Vec::new();
        let mut names = String::new();
        for (n, file) in files.iter().enumerate() {
            progress.show(n as u64, n as u64);
            let octets = read(file)?;
            let shown = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let extracted = extract::extract_file(&shown, &octets, &Limits::default(), &reader);
            let texts = extracted
                .texts
                .iter()
                .filter(|text| matches!(text.kind, extract::TextKind::Attachment | extract::TextKind::Body));
            match builder.add(texts.map(|text| text.content.as_str())) {
                Ok(number) => names.push_str(&format!("{number}\t{}\n", file.strip_prefix(path).unwrap_or(file).display())),
                Err(why) => left_out.push(format!("{}: {why}", file.display())),
            }
        }
        progress.clear();
        let registered = files.len() - left_out.len();
        left_out.iter().for_each(|sentence| eprintln!("{sentence}"));
        if registered == 0 {
            return Err(Failure::Wrong(format!("{}: no document could be registered", path.display())));
        }
        let octets = builder.finish();
        let file = indexes::file(rules, name, false);
        indexes::write(&file, &octets)?;
        // For officers, beside the index: which document has which number. Findings tell the number only.
        indexes::write(&file.with_extension("names"), names.as_bytes())?;
        let use_it = format!("[find]\nfingerprint = \"{name}\"");
        match self.format {
            Format::Json => println!(
                "{}",
                json!({"index": name, "kind": "fingerprint", "file": file.display().to_string(), "documents": registered,
                    "left_out": left_out.len(), "octets": octets.len()})
            ),
            Format::Text => println!(
                "{registered} documents registered, {} left out, in {} ({} KB). In a rule:\n\n{use_it}",
                left_out.len(),
                file.display(),
                octets.len().div_ceil(1024)
            ),
        }
        Ok(())
    }

    fn table(&self, rules: &Path, path: &Path, name: &str) -> Done {
        let wrong = |sentence: String| Failure::Wrong(format!("{}: {sentence}", path.display()));
        let text = decode(read(path)?);
        let first = text.lines().next().unwrap_or_default();
        let delimiter =
            [b';', b',', b'\t', b'|'].into_iter().max_by_key(|sign| first.bytes().filter(|byte| byte == sign).count());
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes());
        let headers: Vec<String> =
            reader.headers().map_err(|why| wrong(why.to_string()))?.iter().map(|name| name.trim().to_owned()).collect();
        let mut chosen: Vec<usize> = Vec::new();
        for column in &self.columns {
            match headers.iter().position(|header| header.eq_ignore_ascii_case(column.trim())) {
                Some(index) => chosen.push(index),
                None => {
                    let hint = crate::detect::suggestion(column, &headers);
                    return Err(wrong(format!("there is no column \"{column}\"; {hint}")));
                }
            }
        }
        if chosen.is_empty() {
            chosen = (0..headers.len().min(16)).collect();
        }
        let cells = |record: &csv::StringRecord| -> Vec<String> {
            chosen.iter().map(|column| record.get(*column).unwrap_or_default().to_owned()).collect()
        };
        let mut sample = Vec::new();
        for record in reader.records().take(SAMPLE) {
            sample.push(cells(&record.map_err(|why| wrong(why.to_string()))?));
        }
        let key = indexes::key(rules)?;
        let names: Vec<String> = chosen.iter().map(|column| headers[*column].clone()).collect();
        let mut builder = ExactBuilder::new(&key, names, &sample).map_err(|why| wrong(why.to_string()))?;
        let mut rows = 0usize;
        let mut add = |row: &[String]| {
            rows += 1;
            builder.add(row)
        };
        for row in &sample {
            add(row).map_err(|why| wrong(why.to_string()))?;
        }
        for record in reader.records() {
            add(&cells(&record.map_err(|why| wrong(why.to_string()))?)).map_err(|why| wrong(why.to_string()))?;
        }
        let (octets, columns) = builder.finish().map_err(|why| wrong(why.to_string()))?;
        let file = indexes::file(rules, name, true);
        indexes::write(&file, &octets)?;
        match self.format {
            Format::Json => println!(
                "{}",
                json!({"index": name, "kind": "exact", "file": file.display().to_string(), "rows": rows, "octets": octets.len(),
                    "columns": columns.iter().map(|column| json!({"name": column.name, "different": column.different,
                        "searched": column.searched, "refused": column.refused})).collect::<Vec<_>>()})
            ),
            Format::Text => {
                columns.iter().for_each(|column| println!("{}", told(column)));
                println!("{rows} rows registered in {} ({} KB). In a rule:\n", file.display(), octets.len().div_ceil(1024));
                println!("[find]\nexact = \"{name}\"");
            }
        }
        Ok(())
    }

    fn show(&self, rules: &Path) -> Done {
        let indexes = indexes::load(rules)?;
        let fingerprints = indexes
            .fingerprints
            .iter()
            .map(|(name, index)| json!({"index": name, "kind": "fingerprint", "documents": index.documents()}));
        let exact = indexes.exact.iter().map(|(name, index)| {
            json!({"index": name, "kind": "exact", "rows": index.rows(), "columns": index.columns().join(", "), "octets": index.octets()})
        });
        let rows = crate::console::Answer::Rows(fingerprints.chain(exact).collect());
        super::report::rows(rows, self.format, &["index", "kind", "documents", "rows", "columns", "octets"])
    }
}

fn told(column: &ColumnReport) -> String {
    let role = match (column.refused, column.searched) {
        (Some(why), _) => format!("left out: {why}"),
        (None, true) => "looked for in the whole text".to_owned(),
        (None, false) => "looked for around the others".to_owned(),
    };
    format!("{}: {} different values, {role}", column.name, column.different)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |sentence: String| Failure::Wrong(format!("{}: {sentence}", path.display()));
    let size = std::fs::metadata(path).map_err(|why| wrong(why.to_string()))?.len();
    if size > FILE_LIMIT {
        return Err(wrong(format!("is larger than {} MB; split it", FILE_LIMIT >> 20)));
    }
    std::fs::read(path).map_err(|why| wrong(why.to_string()))
}

/// UTF-8 with or without its mark, or else windows-1252, as spreadsheets save.
fn decode(octets: Vec<u8>) -> String {
    match String::from_utf8(octets) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(error) => encoding_rs::WINDOWS_1252.decode(error.as_bytes()).0.into_owned(),
    }
}
