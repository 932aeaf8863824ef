//! Where values come from: flags, the environment, `mainstay.env`, and the files that `…_FILE` names.
//!
//! It finds a value and says where it was found; it does not judge it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use super::{ConfigError, FILE_SUFFIX, PREFIX, Problem, SETTINGS, Secrecy, Setting};

/// Read from the working directory if it is there.
pub const ENV_FILE: &str = "mainstay.env";
/// A file named by `…_FILE` holds one value; whatever is longer is another file.
const VALUE_FILE_MAX_BYTES: u64 = 16 * 1024;
/// A wrong name is answered with the nearest right one if so few letters differ.
const NEAR: usize = 4;

/// The settings given on the command line: a flag for every setting that is no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// These flags and no others, by setting name.
    pub fn of<const N: usize>(flags: [(&'static str, &str); N]) -> Self {
        Self(flags.into_iter().map(|(name, value)| (name, value.to_owned())).collect())
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(given(matches, SETTINGS.iter()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        augment(command, SETTINGS.iter())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flags of a command that only looks at the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasicFlags(Flags);

impl BasicFlags {
    const NAMES: [&'static str; 4] = ["DATABASE_URL", "TIME_ZONE", "LOG", "LOG_FORMAT"];

    /// Whether this setting is given by its flag.
    pub fn gives(&self, name: &str) -> bool {
        self.0.0.contains_key(name)
    }

    fn settings() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| Self::NAMES.contains(&setting.name))
    }
}

impl From<BasicFlags> for Flags {
    fn from(flags: BasicFlags) -> Self {
        flags.0
    }
}

impl clap::FromArgMatches for BasicFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(given(matches, Self::settings())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.0.extend(Self::from_arg_matches(matches)?.0.0);
        Ok(())
    }
}

impl clap::Args for BasicFlags {
    fn augment_args(command: Command) -> Command {
        augment(command, Self::settings())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn given(matches: &ArgMatches, settings: impl Iterator<Item = &'static Setting>) -> Flags {
    let value = |setting: &Setting| {
        setting.flag.and_then(|_| matches.get_one::<String>(setting.name)).map(|value| (setting.name, value.clone()))
    };
    Flags(settings.filter_map(value).collect())
}

fn augment(command: Command, settings: impl Iterator<Item = &'static Setting>) -> Command {
    settings.fold(command, |command, setting| match setting.flag {
        Some(flag) => command.arg(
            Arg::new(setting.name).long(flag).value_name(setting.name).help(help(setting)).help_heading("Settings"),
        ),
        None => command,
    })
}

fn help(setting: &Setting) -> String {
    let default = setting.default.filter(|default| !default.is_empty());
    let default = default.map_or(String::new(), |default| format!(" [default: {default}]"));
    format!("{} [variable: {}]{default}", setting.what, setting.variable())
}

/// All values given, by where they were given.
#[derive(Clone, Default)]
pub struct Sources {
    pub flags: Flags,
    /// Variables that begin with `MAINSTAY_`.
    pub environment: BTreeMap<String, String>,
    /// The variables of `mainstay.env`, each with its line.
    pub env_file: BTreeMap<String, (usize, String)>,
    /// What was wrong with the sources themselves.
    pub problems: Vec<Problem>,
}

/// A value and where it was found.
pub(super) struct Given {
    pub value: String,
    pub place: String,
    pub by_flag: bool,
}

impl Sources {
    /// The flags, this process's environment, and `mainstay.env` in `directory`.
    pub fn of_process(flags: Flags, directory: &Path) -> Result<Self, ConfigError> {
        let (sources, unreadable) = Self::of_process_as_far_as_readable(flags, directory);
        unreadable.map_or(Ok(sources), |problem| Err(ConfigError { problems: vec![problem] }))
    }

    /// The same without `mainstay.env` where that cannot be read, and why it cannot.
    pub fn of_process_as_far_as_readable(flags: Flags, directory: &Path) -> (Self, Option<Problem>) {
        #[expect(clippy::disallowed_methods, reason = "this module is the reader of the environment")]
        let variables = std::env::vars_os();
        let environment = variables
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let path = directory.join(ENV_FILE);
        let (text, unreadable) = match std::fs::read_to_string(&path) {
            Ok(text) => (text, None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (String::new(), None),
            Err(error) => {
                let what = format!("cannot be read: {error}. Make it a readable text file, or move it away.");
                (String::new(), Some(Problem { place: path.display().to_string(), what }))
            }
        };
        (Self::new(flags, environment, &text), unreadable)
    }

    /// The files that variables name, each with the value of a secret.
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let given = |name: String| {
            let in_file = self.env_file.get(&name).map(|(_, path)| path);
            self.environment.get(&name).or(in_file).map(|path| PathBuf::from(path.trim()))
        };
        SETTINGS.iter().filter_map(Setting::file_variable).filter_map(given).collect()
    }

    /// The sources as given; `env_file` is the text of `mainstay.env`.
    pub fn new(flags: Flags, environment: BTreeMap<String, String>, env_file: &str) -> Self {
        let mut sources = Self { flags, environment, ..Self::default() };
        for (line, text) in (1..).zip(env_file.lines()) {
            sources.read_line(line, text.trim());
        }
        sources.check_names();
        sources
    }

    fn read_line(&mut self, line: usize, text: &str) {
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        let place = format!("{ENV_FILE} line {line}");
        // A line that is wrong may hold a secret, so it is never quoted.
        let Some((name, value)) = text.split_once('=') else {
            return self.problem(place, "expected NAME=VALUE, or a comment after #.");
        };
        let (name, value) = (name.trim_end().to_owned(), value.trim_start().to_owned());
        if value.starts_with(['"', '\'']) {
            return self.problem(place, "remove the quotes: the value is taken as it stands.");
        }
        if let Some((first, _)) = self.env_file.get(&name) {
            let what = format!("{name} is given on line {first} already. Keep one of them.");
            return self.problem(place, &what);
        }
        self.env_file.insert(name, (line, value));
    }

    fn problem(&mut self, place: String, what: &str) {
        self.problems.push(Problem { place, what: what.to_owned() });
    }

    fn check_names(&mut self) {
        let in_file = self.env_file.iter().map(|(name, (line, _))| (name, format!("{ENV_FILE} line {line}")));
        let in_environment = self.environment.keys().map(|name| (name, "the environment".to_owned()));
        let mut unknown = Vec::new();
        for (name, place) in in_environment.chain(in_file) {
            if !known_names().any(|known| known == *name) {
                unknown.push(Problem { place: place.clone(), what: unknown_name(name) });
            }
        }
        self.problems.extend(unknown);
    }

    /// The value of a setting; `None` when it is not given. An empty value counts as not given.
    pub(super) fn find(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        if let Some(value) = self.flags.0.get(setting.name).filter(|value| !value.is_empty()) {
            let place = format!("--{}", setting.flag.unwrap_or_default());
            return Ok(Some(Given { value: value.clone(), place, by_flag: true }));
        }
        let environment = |name: &str| self.environment.get(name).map(|value| (name.to_owned(), value.as_str()));
        let env_file = |name: &str| {
            let (line, value) = self.env_file.get(name)?;
            Some((format!("{name} ({ENV_FILE} line {line})"), value.as_str()))
        };
        match in_layer(setting, environment)? {
            Some(given) => Ok(Some(given)),
            None => in_layer(setting, env_file),
        }
    }
}

/// Looks in one place for the value itself and for the file that holds it.
fn in_layer<'a>(setting: &Setting, look: impl Fn(&str) -> Option<(String, &'a str)>) -> Result<Option<Given>, Problem> {
    let look = |name: String| look(&name).map(|(place, value)| (place, value.trim())).filter(|(_, v)| !v.is_empty());
    let (direct, file) = (look(setting.variable()), setting.file_variable().and_then(look));
    match (direct, file) {
        (Some(_), Some((place, _))) => {
            let what = format!("{} is given too. Keep one of the two.", setting.variable());
            Err(Problem { place, what })
        }
        (Some((place, value)), None) => Ok(Some(Given { value: value.to_owned(), place, by_flag: false })),
        (None, Some((place, path))) => {
            let read = value_from_file(Path::new(path));
            let value = read.map_err(|what| Problem { place: place.clone(), what: format!("{path}: {what}") })?;
            Ok(Some(Given { value, place: format!("{place}, {path}"), by_flag: false }))
        }
        (None, None) => Ok(None),
    }
}

fn value_from_file(path: &Path) -> Result<String, String> {
    let unreadable =
        |error: std::io::Error| format!("cannot be read: {error}. Name a readable file with the value in it.");
    if std::fs::metadata(path).map_err(unreadable)?.len() > VALUE_FILE_MAX_BYTES {
        return Err("is too long. Name a file with nothing but the value in it.".to_owned());
    }
    let value = std::fs::read_to_string(path).map_err(unreadable)?.trim().to_owned();
    if value.is_empty() { Err("is empty. Name a file with the value in it.".to_owned()) } else { Ok(value) }
}

fn known_names() -> impl Iterator<Item = String> {
    SETTINGS.iter().flat_map(|setting| [Some(setting.variable()), setting.file_variable()]).flatten()
}

fn unknown_name(name: &str) -> String {
    let is_file_of_open =
        |setting: &&Setting| setting.secrecy == Secrecy::Open && name == format!("{}{FILE_SUFFIX}", setting.variable());
    if let Some(setting) = SETTINGS.iter().find(is_file_of_open) {
        return format!("{name} is not a setting: {} is no secret. Give its value itself.", setting.variable());
    }
    let nearest = known_names().map(|known| (distance(name, &known), known)).min();
    match nearest {
        Some((letters, known)) if letters <= NEAR => format!("{name} is not a setting. Did you mean {known}?"),
        _ => format!("{name} is not a setting. Remove it; `mainstay serve --help` lists the settings."),
    }
}

/// How many letters must be put in, left out or changed to make `one` of `other`.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
