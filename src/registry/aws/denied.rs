//! Reads what AWS says when it denies access.

/// "User: ARN is not authorized to perform: ACTION on resource: ARN because REASON" (IAM user guide, "Access denied error
/// messages"), in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denied {
    /// `ecr:PutImage`.
    pub action: Option<String>,
    /// ARN of what it was to be done to; `*` is no particular one.
    pub resource: Option<String>,
    /// ARN of who asked.
    pub identity: Option<String>,
    /// `because no identity-based policy allows the ecr:PutImage action`.
    pub reason: Option<String>,
}

impl Denied {
    pub fn parse(message: &str) -> Self {
        let after = |label: &str| {
            let (_, rest) = message.split_once(label)?;
            let word = rest.split_whitespace().next()?.trim_end_matches([',', '.']);
            (!word.is_empty()).then(|| word.to_owned())
        };
        let at = [" because ", " with an explicit deny"].into_iter().find_map(|start| message.find(start));
        Self {
            action: after("to perform: ").or_else(|| after("to perform ")).filter(|action| action.contains(':')),
            resource: after("on resource: "),
            identity: after("User: "),
            reason: at.map(|at| message[at..].trim().trim_end_matches('.').to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wordings_of_a_denial_are_read() {
        let user = "arn:aws:iam::012345678901:user/ci";
        let repository = "arn:aws:ecr:eu-central-1:012345678901:repository/shop";
        for (message, resource, reason) in [
            (
                format!(
                    "User: {user} is not authorized to perform: ecr:PutImage on resource: {repository} because no identity-based policy allows the ecr:PutImage action"
                ),
                Some(repository),
                Some("because no identity-based policy allows the ecr:PutImage action"),
            ),
            (
                format!(
                    "User: {user} is not authorized to perform: ecr:PutImage on resource: {repository} with an explicit deny in a service control policy"
                ),
                Some(repository),
                Some("with an explicit deny in a service control policy"),
            ),
            (format!("User: {user} is not authorized to perform: ecr:PutImage on resource: *."), Some("*"), None),
            (format!("User: {user} is not authorized to perform: ecr:PutImage"), None, None),
        ] {
            let denied = Denied::parse(&message);
            assert_eq!(denied.action.as_deref(), Some("ecr:PutImage"), "{message}");
            assert_eq!(denied.identity.as_deref(), Some(user), "{message}");
            assert_eq!((denied.resource.as_deref(), denied.reason.as_deref()), (resource, reason), "{message}");
        }
        let role = Denied::parse("Not authorized to perform sts:AssumeRoleWithWebIdentity");
        assert_eq!(role.action.as_deref(), Some("sts:AssumeRoleWithWebIdentity"));
        assert_eq!(Denied::parse("no"), Denied::default());
    }
}
