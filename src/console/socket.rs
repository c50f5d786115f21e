//! Turns lines on a Unix socket into requests and answers: one request per connection.

use super::{Answer, Request};
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// Octets of one request.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// A release takes the whole walk; longer than that, something hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// No gate answers at the socket.
#[derive(Debug, thiserror::Error)]
pub enum NotRunning {
    #[error("no gate is running on {0}: start it with `postern serve`, then try again")]
    Nobody(PathBuf),
    #[error("the gate did not answer on {0}: {1}")]
    Broken(PathBuf, String),
}

/// Binds the socket (mode 0600, so that only the gate's own user and root can ask) and answers until the task is dropped.
pub async fn listen<F, Fut>(path: &Path, answer: F) -> std::io::Result<impl Future<Output = ()> + use<F, Fut>>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    // The data folder is locked by now: a socket that is still there belongs to a gate that died.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let answer = Arc::new(answer);
    Ok(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors: the mail goes first, officers can wait a moment.
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let answer = answer.clone();
            tokio::spawn(async move {
                if let Err(error) = serve_one(stream, &*answer).await {
                    tracing::debug!(%error, "a control connection ended early");
                }
            });
        }
    })
}

async fn serve_one<F, Fut>(stream: tokio::net::UnixStream, answer: &F) -> std::io::Result<()>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Answer>,
{
    let (reader, mut writer) = stream.into_split();
    let mut line = zeroize::Zeroizing::new(String::new());
    let mut reader = tokio::io::BufReader::new(reader.take(REQUEST_LIMIT));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let said = match serde_json::from_str(&line) {
        Ok(request) => answer(request).await,
        Err(error) => Answer::No(format!("the request is not understood: {error}")),
    };
    let mut text = serde_json::to_vec(&said)?;
    text.push(b'\n');
    writer.write_all(&text).await?;
    writer.shutdown().await
}

/// Asks the running gate; blocking, for commands.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, NotRunning> {
    let broken = |error: std::io::Error| NotRunning::Broken(path.to_owned(), error.to_string());
    let mut stream = std::os::unix::net::UnixStream::connect(path).map_err(|_| NotRunning::Nobody(path.to_owned()))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(broken)?;
    let mut text = zeroize::Zeroizing::new(serde_json::to_string(request).map_err(|e| broken(e.into()))?);
    text.push('\n');
    stream.write_all(text.as_bytes()).map_err(broken)?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).map_err(broken)?;
    serde_json::from_str(&line).map_err(|error| NotRunning::Broken(path.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_and_the_socket_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        assert!(matches!(ask(&path, &Request::UserList {}), Err(NotRunning::Nobody(_))));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let serving = runtime
            .block_on(listen(&path, |request| async move {
                match request {
                    Request::UserList {} => Answer::Rows(vec![serde_json::json!({"login": "alice@example.org"})]),
                    other => Answer::No(format!("{other:?}")),
                }
            }))
            .unwrap();
        runtime.spawn(serving);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            ask(&path, &Request::UserList {}).unwrap(),
            Answer::Rows(vec![serde_json::json!({"login": "alice@example.org"})])
        );
        assert_eq!(ask(&path, &Request::SpoolList {}).unwrap(), Answer::No("spool-list".into()));
    }

    #[test]
    fn a_field_that_a_request_does_not_have_is_refused() {
        for line in [
            r#"{"do":"user-list","as":"root"}"#,
            r#"{"do":"spool-list","from":1}"#,
            r#"{"do":"spool-retry","id":1,"force":true}"#,
            r#"{"do":"user-list","do":"spool-list"}"#,
        ] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
        assert!(serde_json::from_str::<Request>(r#"{"do":"user-list"}"#).is_ok());
    }

    #[test]
    fn a_password_is_never_printed() {
        let request = Request::UserPassword {
            login: "alice@example.org".parse().unwrap(),
            password: crate::console::Secret(zeroize::Zeroizing::new("correct horse".into())),
        };
        assert!(!format!("{request:?}").contains("horse"));
    }
}
