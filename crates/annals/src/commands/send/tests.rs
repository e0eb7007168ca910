use std::path::Path;

use super::split::Form;
use super::*;

fn event(bytes: usize) -> Event {
    Event {
        text: vec![b' '; bytes],
        too_long: None,
        input: 0,
        line: 1,
        index: 0,
        form: Form::Lines,
        read_bytes: 0,
    }
}

/// The sizes of the batches that these events come in.
async fn batches(groups: &[&[usize]], batch_max: usize) -> Vec<usize> {
    let (tell, told) = tokio::sync::mpsc::channel(64);
    for sizes in groups {
        tell.send(Told::Events(sizes.iter().map(|bytes| event(*bytes)).collect())).await.unwrap();
    }
    tell.send(Told::End(Ok(()))).await.unwrap();
    let output = Output::new(true);
    let report = Report::begin(&[Origin::StandardInput], None, None, output).unwrap();
    let mut waiting = Waiting { told, events: VecDeque::new(), end: None };
    let mut sizes = Vec::new();
    loop {
        let batch = waiting.batch(batch_max, &report).await;
        if batch.is_empty() {
            return sizes;
        }
        sizes.push(batch.len());
    }
}

#[tokio::test]
async fn what_was_read_goes_in_as_few_requests_as_the_limits_allow() {
    assert_eq!(batches(&[], 10).await, Vec::<usize>::new());
    assert_eq!(batches(&[&[1; 7], &[1; 7], &[1; 7]], 10).await, [10, 10, 1]);
    assert_eq!(batches(&[&[1; 30]], 10).await, [10, 10, 10]);
    let half = REQUEST_BYTES_MAX / 2 - 1;
    assert_eq!(batches(&[&[half, half, half]], 10).await, [2, 1]);
    assert_eq!(batches(&[&[1, REQUEST_BYTES_MAX + 1, 1]], 10).await, [1, 1, 1]);
}

/// All events of a file, as they would be sent.
fn read(path: &Path, tenant: Option<&str>) -> (Vec<String>, Result<(), Failure>) {
    let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
    let mut told = reading::start(vec![Origin::File(path.to_owned())], tenant).unwrap();
    let mut texts = Vec::new();
    loop {
        match told.blocking_recv().unwrap() {
            Told::Events(events) => {
                texts.extend(events.into_iter().map(|event| String::from_utf8(event.text).unwrap()));
            }
            Told::Surveying(_) => {}
            Told::End(outcome) => return (texts, outcome),
        }
    }
}

#[test]
fn ids_come_from_the_content_and_the_number_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = "{\"a\":1}\n\n{\"id\":\"x\",\"a\":1}\n{\"a\":1}\n";
    std::fs::write(path("plain"), text).unwrap();
    std::fs::write(path("packed"), zstd::bulk::compress(text.as_bytes(), 1).unwrap()).unwrap();
    std::fs::write(path("other"), format!("{text}{{}}")).unwrap();
    let (plain, outcome) = read(&path("plain"), None);
    assert_eq!(outcome, Ok(()));
    assert_eq!(read(&path("packed"), None), (plain.clone(), Ok(())));
    assert_eq!(plain[1], "{\"id\":\"x\",\"a\":1}");
    assert_ne!(plain[0], plain[2], "two events that say the same are two");
    assert_ne!(read(&path("other"), None).0[0], plain[0]);
    // Hash of the content, and the number that counts no blank line.
    let hash: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(text).into();
    assert_eq!(plain[2], format!("{{\"id\":\"{}\",\"a\":1}}", gaps::event_id(&hash, 2)));
}

#[test]
fn of_an_input_that_breaks_off_nothing_without_an_id_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    let with_ids: Vec<_> = (0..20_000).map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
    std::fs::write(&path, format!("[{}", with_ids.join(","))).unwrap();
    let (texts, outcome) = read(&path, None);
    assert_eq!(texts.len(), 19_999, "the last one may go on");
    assert_eq!(outcome.unwrap_err().exit, Exit::Invalid);
    std::fs::write(&path, format!("[{{\"a\":1}},{}", with_ids.join(","))).unwrap();
    let (texts, outcome) = read(&path, None);
    assert_eq!((texts.len(), outcome.unwrap_err().exit), (0, Exit::Invalid));
}

#[test]
fn a_tenant_is_added_where_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    std::fs::write(
        &path,
        "{\"id\":\"1\"}\n{\"id\":\"2\",\"tenant\":\"other\"}\n{\"id\":\"3\",\"tenant\":null}",
    )
    .unwrap();
    let (texts, _) = read(&path, Some("acme"));
    assert_eq!(
        texts,
        [r#"{"tenant":"acme","id":"1"}"#, r#"{"id":"2","tenant":"other"}"#, r#"{"id":"3","tenant":"acme"}"#]
    );
}
