use super::*;
use crate::diagnostic::Diagnostic;

fn at(address: &str, reach: Reach, token: Option<&str>) -> ListenOptions {
    ListenOptions { address: address.parse().unwrap(), reach, token: token.map(|token| Secret::new(token.to_owned())) }
}

async fn refused(options: &ListenOptions) -> Option<&'static str> {
    open_listener(Some(options)).await.err().map(|error| error.code())
}

#[tokio::test]
async fn only_this_machine_is_served_unless_asked_for() {
    assert_eq!(refused(&at("127.0.0.1:0", Reach::ThisMachine, None)).await, None);
    assert_eq!(refused(&at("[::1]:0", Reach::ThisMachine, None)).await, None);
    assert_eq!(refused(&at("0.0.0.0:0", Reach::ThisMachine, None)).await, Some("supervise/remote-listen"));
    assert_eq!(refused(&at("0.0.0.0:0", Reach::Anybody, None)).await, None);
    assert_eq!(refused(&at("127.0.0.1:0", Reach::ThisMachine, Some("short"))).await, Some("supervise/token"));
    let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_eq!(refused(&at(&address, Reach::ThisMachine, None)).await, Some("supervise/listen"));
}
