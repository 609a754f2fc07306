//! `provisioner init`: writes a configuration from answers and from what the directory says about itself, or an example.

mod answers;
mod configuration;
mod prompt;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use directory::{ServerDescription, ServerKind};
use runtime::{SecretRef, Secrets};

use self::answers::{DirectoryAnswers, TargetAnswers, directory_answers, target_answers};
use self::configuration::{InitialConfiguration, SOURCES};
use self::prompt::Prompt;
use crate::args::InitAnswers;
use crate::exit::{Exit, UsageError, explain};
use crate::output::Output;

const EXAMPLE: &str = include_str!("init/example.toml");

/// Writes a configuration. An existing file is not overwritten.
pub async fn run(file: &Path, given: &InitAnswers) -> Result<Exit> {
    if file.exists() {
        return Err(exists_already(file));
    }
    let mut prompt = Prompt::new(Output::new(false));
    if given.is_empty() && !prompt.can_ask() {
        write_new(file, EXAMPLE)?;
        return end(&mut prompt, file, "an example; edit it, then run");
    }
    let name = connection_name(file, given);
    let Some(directory) = directory_answers(&mut prompt, given, (&name, file))? else {
        write_new(file, EXAMPLE)?;
        return end(&mut prompt, file, "an example; edit it, then run");
    };
    let description = describe(&mut prompt, (&directory, file)).await?;
    let kind = match (&given.kind, &description) {
        (Some(kind), _) => kind.parse().map_err(|error: directory::UnknownServerKind| usage(&error))?,
        (None, Some(description)) => description.kind,
        (None, None) => prompt.kind()?,
    };
    let base_dn = answers::base_dn(&mut prompt, given, description.as_ref())?;
    let scope = answers::scope(&mut prompt, given)?;
    let target = target_answers(&mut prompt, given, (&name, file))?;
    let configuration = InitialConfiguration { name, kind, directory, base_dn, scope, target, description };
    let text = configuration.text();
    let connection = runtime::config::parse(&text, file)?;
    write_new(file, &text)?;
    if let SecretRef::File(secret) = connection.target.secret()
        && !secret.exists()
    {
        let content = "{\"access_token\": \"…\"}";
        prompt.say(format!("Store the access token of the target in {}: {content}", secret.display()))?;
    }
    end(&mut prompt, file, "test it with")
}

fn end(prompt: &mut Prompt, file: &Path, advice: &str) -> Result<Exit> {
    prompt.say(format!("{} written: {advice}: provisioner check --config {0}", file.display()))?;
    Ok(Exit::Done)
}

/// The given name, or that of the file.
fn connection_name(file: &Path, given: &InitAnswers) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let of_file = || -> String {
        file.file_stem().unwrap_or_default().to_string_lossy().chars().filter(is_plain).take(64).collect()
    };
    let name = given.name.clone().unwrap_or_else(of_file);
    if name.is_empty() { "corp".to_owned() } else { name }
}

/// What the server says about itself; `None`, with the reason shown, where it can't be asked.
async fn describe(
    prompt: &mut Prompt,
    (answers, file): (&DirectoryAnswers, &Path),
) -> Result<Option<ServerDescription>> {
    // The sections that decide nothing about the connection are placeholders.
    let draft = InitialConfiguration {
        name: "draft".to_owned(),
        kind: ServerKind::Generic,
        directory: answers.clone(),
        base_dn: "dc=draft".to_owned(),
        scope: "filter = \"(objectClass=*)\"".to_owned(),
        target: TargetAnswers::placeholder(),
        description: None,
    };
    let connection = runtime::config::parse(&draft.text(), file)?;
    let asked = async {
        let mut directory = connection.directory.open(&Secrets::default()).await?;
        anyhow::Ok(directory.describe(&SOURCES).await?)
    };
    match asked.await {
        Ok(description) => {
            let base_dn = description.base_dn.as_deref().unwrap_or("no naming context");
            prompt
                .say(format!("The directory is of the kind {}, with {base_dn}", description.kind.name()))?;
            Ok(Some(description))
        }
        Err(error) => {
            prompt.say(format!("The directory can't be asked: {}", explain(&error)))?;
            Ok(None)
        }
    }
}

fn usage(error: &impl std::fmt::Display) -> anyhow::Error {
    UsageError(error.to_string()).into()
}

fn exists_already(file: &Path) -> anyhow::Error {
    usage(&format!("{} exists already; name another file: provisioner init FILE", file.display()))
}

/// Creates a file. An existing one is not overwritten.
fn write_new(file: &Path, text: &str) -> Result<()> {
    write_with(file, text, OpenOptions::new())
}

/// Creates a file that its owner alone can read.
fn write_new_private(file: &Path, text: &str) -> Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "other systems have no such mode"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_with(file, text, options)
}

fn write_with(file: &Path, text: &str, mut options: OpenOptions) -> Result<()> {
    let created = options.write(true).create_new(true).open(file);
    let mut created = created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists_already(file),
        _ => anyhow::Error::from(error).context(format!("can't create {}", file.display())),
    })?;
    created.write_all(text.as_bytes()).with_context(|| format!("can't write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_valid_configuration() {
        let connection = runtime::config::parse(EXAMPLE, Path::new("provisioner.toml")).unwrap();
        assert_eq!(connection.policy.name, "corp");
    }

    #[tokio::test]
    async fn existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corp.toml");
        write_new(&file, "mine").unwrap();
        let error = run(&file, &InitAnswers::default()).await.unwrap_err();
        assert_eq!(Exit::of_error(&error), Exit::BadUsage, "{error}");
        assert!(write_new(&file, EXAMPLE).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }
}
