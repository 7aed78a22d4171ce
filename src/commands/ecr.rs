//! `nextdeploy ecr`.

use super::{Session, pretty, to_json};
use crate::config::cli::{
    CliSettings, EcrArgs, EcrCommand, EnsureRepository, PolicyArgs, PolicyDocument, ProvisionUser,
};
use crate::config::metadata::ConfigFiles;
use crate::config::settings::{self, Resolved};
use crate::diagnostic::ExitCode;
use crate::error::{CommandError, Error};
use crate::host;
use crate::net::Network;
use crate::registry::ecr::{
    EcrError, EcrService, Freshness, GitHubWorkflows, KeyFile, Permissions, PrivateRepository, ProvisionedUser,
    RepositoryAddress, RepositorySpec, RepositoryTarget, UserName, UserRequest, UserStatus, planned_user_calls,
    push_policy, trust_policy,
};
use crate::report::{Policies, key_document, render_planned_calls, render_repository, user_document};
use crate::secret::Secret;

pub fn run(session: &Session, verb: &EcrArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let target = RepositoryTarget::parse(&verb.target().repository)?;
    let run = EcrRun { session, resolved: &resolved };
    let work = async {
        match &verb.command {
            EcrCommand::EnsureRepository(verb) => run.ensure(verb, target).await,
            EcrCommand::Policy(verb) => run.policy(verb, target).await,
            EcrCommand::ProvisionUser(verb) => run.provision(verb, target).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(CommandError::Runtime)?.block_on(work)
}

struct EcrRun<'a> {
    session: &'a Session,
    resolved: &'a Resolved,
}

impl EcrRun<'_> {
    /// AWS in the region of `target`. Sends no request.
    async fn service(&self, target: &RepositoryTarget) -> Result<EcrService, EcrError> {
        let bundle = self.resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
        let network = Network::new(&self.session.environment, bundle);
        let region = match target {
            RepositoryTarget::Full(address) => Some(address.region()),
            RepositoryTarget::OfCaller(_) => {
                self.resolved.publish.aws_region.as_ref().map(|region| region.value.as_str())
            }
        };
        EcrService::new(&network, &self.session.environment, region).await
    }

    /// Where the repository is. A dry run does not ask for the account.
    async fn address(&self, target: RepositoryTarget, service: &EcrService) -> Result<RepositoryAddress, EcrError> {
        match target {
            RepositoryTarget::OfCaller(name) if self.resolved.run.dry_run => {
                Ok(RepositoryAddress::Private(PrivateRepository::new("ACCOUNT", service.region()?, name)))
            }
            target => service.locate(target).await,
        }
    }

    async fn ensure(&self, verb: &EnsureRepository, target: RepositoryTarget) -> Result<ExitCode, Error> {
        let service = self.service(&target).await?;
        let address = self.address(target, &service).await?;
        let spec = RepositorySpec { address, settings: self.resolved.publish.ecr.clone() };
        if self.resolved.run.dry_run {
            let calls = spec.planned_calls();
            self.session.data(&if verb.json { to_json(&calls) } else { render_planned_calls(&calls) })?;
            return Ok(ExitCode::Ok);
        }
        let outcome = service.ensure_repository(&spec).await?;
        self.session.warn(&outcome.warnings);
        self.session.tell(&render_repository(&outcome));
        self.session.data(&if verb.json { to_json(&outcome) } else { outcome.uri })?;
        Ok(ExitCode::Ok)
    }

    async fn policy(&self, verb: &PolicyArgs, target: RepositoryTarget) -> Result<ExitCode, Error> {
        let workflows = self.workflows(verb)?;
        let (address, account) = match target {
            RepositoryTarget::Full(RepositoryAddress::Private(repository)) => {
                let account = repository.account.clone();
                (RepositoryAddress::Private(repository), account)
            }
            target => {
                let service = self.service(&target).await?;
                let account = service.caller_account().await?;
                (service.locate(target).await?, account)
            }
        };
        let push = push_policy(&address, &account, self.permissions(verb.kms_key.as_deref()));
        let trust = workflows.map(|workflows| trust_policy(&account, address.region(), &workflows));
        let text = match (trust, verb.document) {
            (Some(trust), None) => to_json(&Policies { push, trust }),
            (Some(trust), Some(PolicyDocument::Trust)) => to_json(&trust),
            (_, _) => to_json(&push),
        };
        self.session.data(&text)?;
        Ok(ExitCode::Ok)
    }

    fn workflows(&self, verb: &PolicyArgs) -> Result<Option<GitHubWorkflows>, EcrError> {
        let Some(repository) = &verb.github_repository else { return Ok(None) };
        if verb.any_ref {
            return GitHubWorkflows::any(repository).map(Some);
        }
        let mut branches = verb.branch.clone();
        if branches.is_empty() && verb.git_tag.is_empty() && verb.environment.is_empty() {
            self.session.tell(
                "only workflows on the branch `main` may push; `--branch`, `--git-tag`, `--environment` and `--any-ref` choose others",
            );
            branches.push("main".to_owned());
        }
        GitHubWorkflows::of(repository, &branches, &verb.git_tag, &verb.environment).map(Some)
    }

    fn permissions<'a>(&self, kms_key: Option<&'a str>) -> Permissions<'a> {
        if self.resolved.publish.create_repository { Permissions::PushAndCreate { kms_key } } else { Permissions::Push }
    }

    async fn provision(&self, verb: &ProvisionUser, target: RepositoryTarget) -> Result<ExitCode, Error> {
        let service = self.service(&target).await?;
        let RepositoryAddress::Private(repository) = self.address(target, &service).await? else {
            return Err(EcrError::PublicUser.into());
        };
        let name = match &verb.user {
            Some(name) => UserName::parse(name)?,
            None => UserName::for_repository(&repository)?,
        };
        let freshness = if verb.fresh { Freshness::Remake } else { Freshness::Keep };
        let request =
            UserRequest { name: &name, repository: &repository, permissions: self.permissions(None), freshness };
        if self.resolved.run.dry_run {
            self.session.data(&render_planned_calls(&planned_user_calls(&request)))?;
            return Ok(ExitCode::Ok);
        }
        // Before anything is made: a key that cannot be handed over is lost.
        let file = verb.output.as_deref().map(KeyFile::create).transpose()?;
        let signal = tokio::spawn(host::ended());
        // Signals are registered when the task runs for the first time.
        tokio::task::yield_now().await;
        let made = service.provision_user(&request).await?;
        self.session.warn(&made.warnings);
        if signal.is_finished()
            && let Ok(Ok(code)) = signal.await
        {
            service.withdraw(&request, &made).await?;
            self.session.log.message("interrupted: what was made is removed again");
            return Ok(code);
        }
        let handed_over = self.hand_over(&made, &repository, file);
        if handed_over.is_err() {
            service.withdraw(&request, &made).await?;
        }
        handed_over.map(|()| ExitCode::Ok)
    }

    fn hand_over(
        &self,
        made: &ProvisionedUser,
        repository: &PrivateRepository,
        file: Option<KeyFile>,
    ) -> Result<(), Error> {
        let (uri, region) = (repository.uri(), &repository.region);
        let key = Secret::compound(pretty(&key_document(made, &uri, region)));
        let did = match made.status {
            UserStatus::Created => "made",
            UserStatus::Existed => "given a key",
            UserStatus::Remade => "made again",
        };
        if let Some(file) = file {
            file.write(&key)?;
            self.session.data(&to_json(&user_document(made, &uri, region)))?;
        } else {
            self.session.data(key.expose())?;
        }
        self.session.tell(&format!("the IAM user `{}` is {did}; its key is not shown again", made.name));
        Ok(())
    }
}
