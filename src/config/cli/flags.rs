//! From the table of settings to clap and back: the flags of each verb, and the values that were typed for them.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::config::setting::{CliSettings, Setting, SettingKind};

/// In place of the flags in the struct of a verb: those settings that the table gives to the verb of that name. What was typed for
/// them is read once, by [`typed_settings`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SettingFlags;

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let verb = command.get_name().to_owned();
        let settings = Setting::ALL.iter().filter(|setting| setting.is_flag_of(&verb));
        settings.fold(command, |command, setting| command.arg(flag(*setting, &verb)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

fn flag(setting: Setting, verb: &str) -> Arg {
    let row = setting.row();
    let mut flag = Arg::new(row.flag).help(setting.help(verb)).help_heading(row.heading).action(match row.kind {
        SettingKind::Switch => ArgAction::SetTrue,
        SettingKind::List => ArgAction::Append,
        SettingKind::Single | SettingKind::Secret => ArgAction::Set,
    });
    if let Some(long_help) = setting.long_help(verb) {
        flag = flag.long_help(long_help);
    }
    if let Some(name) = row.value_name.or((row.kind == SettingKind::Secret).then_some("env:NAME|file:PATH")) {
        flag = flag.value_name(name);
    }
    match setting {
        Setting::Directory => return flag.value_parser(value_parser!(PathBuf)),
        // Of all verbs.
        Setting::Ci => flag = flag.global(true),
        _ => {}
    }
    if let Some(short) = row.short {
        flag = flag.short(short);
    }
    if let Some(value) = row.alone {
        flag = flag.num_args(0..=1).require_equals(true).default_missing_value(value);
    }
    // The `ecr` verbs know these flags without the prefix.
    if let Some(alias) = row.name.strip_prefix("ecr-") {
        flag = flag.alias(alias);
    }
    flag.long(row.name)
}

/// What was typed for the settings of the verb.
pub(super) fn typed_settings(matches: &ArgMatches) -> CliSettings {
    let mut matches = matches;
    while let Some((_, verb)) = matches.subcommand() {
        matches = verb;
    }
    let mut typed = CliSettings::default();
    for setting in Setting::ALL.iter().copied() {
        let id = setting.row().flag;
        match setting.kind() {
            // The verb may not have the flag, which is an error here.
            SettingKind::Switch => {
                if let Ok(Some(true)) = matches.try_get_one::<bool>(id) {
                    typed.push(setting, "true");
                }
            }
            _ if setting == Setting::Directory => {
                typed.directory = matches.try_get_one::<PathBuf>(id).ok().flatten().cloned();
            }
            _ => {
                for value in matches.try_get_many::<String>(id).ok().flatten().into_iter().flatten() {
                    typed.push(setting, value);
                }
            }
        }
    }
    typed
}
