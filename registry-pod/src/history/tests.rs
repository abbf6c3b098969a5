use super::*;

fn row(id: u64, device: &str, operation: Operation) -> Row {
    let digest = operation.is_change().then(|| format!("digest-{id}"));
    Row { id, row: NewRow { digest, ..NewRow::new(device, operation, None) } }
}

fn log(rows: &[(u64, &str, Operation)]) -> Log {
    Log::new(Snapshot::default(), rows.iter().map(|(id, device, op)| row(*id, device, *op)))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_feed_names_each_device_once_with_its_last_change() {
    use Operation::*;
    let log =
        log(&[(1, "a", Seed), (2, "b", Add), (3, "a", Lock), (4, "b", Delete), (5, "a", Update)]);
    let existing = names(&["a"]);
    let changes = log.changes(0, existing.iter());
    assert_eq!(changes.devices, [(4, "b".to_owned()), (5, "a".to_owned())]);
    assert!(!changes.reset_occurred);
    assert!(log.changes(5, existing.iter()).devices.is_empty());
    assert!(log.changes(99, existing.iter()).devices.is_empty());
    assert_eq!(log.version(), 5);
    assert_eq!((log.recorded("a"), log.recorded("b")), (Some("digest-5"), None));
}

#[test]
fn a_reset_is_announced_and_forgets_what_was_recorded() {
    use Operation::*;
    let log = log(&[(1, "a", Add), (2, ALL_DEVICES, Reset), (3, "b", Add)]);
    assert!(log.changes(1, names(&["b"]).iter()).reset_occurred);
    assert!(!log.changes(2, names(&["b"]).iter()).reset_occurred);
    assert_eq!(log.recorded("a"), None);
    assert_eq!(
        log.changes(0, names(&["b"]).iter()).devices,
        [(1, "a".to_owned()), (3, "b".to_owned()),]
    );
}

#[test]
fn folded_rows_keep_their_devices_in_the_feed() {
    use Operation::*;
    let all = [(1, "a", Add), (2, "b", Add), (3, "b", Delete), (4, "c", Add)];
    let mut snapshot = Snapshot::default();
    for (id, device, op) in &all[..3] {
        snapshot.fold(&row(*id, device, *op));
    }
    assert_eq!(snapshot.base, 3);
    let folded = Log::new(snapshot, [row(2, "b", Add), row(4, "c", Add)]);
    let mut forgetting = log(&all);
    forgetting.forget(3);
    for log in [folded, forgetting] {
        assert_eq!(log.version(), 4);
        assert_eq!((log.recorded("a"), log.recorded("b")), (Some("digest-1"), None));
        let existing = names(&["a", "c"]);
        let fresh = log.changes(0, existing.iter());
        assert_eq!(fresh.devices, [(3, "a".to_owned()), (4, "c".to_owned())]);
        assert!(!fresh.reset_occurred);
        assert!(log.changes(1, existing.iter()).reset_occurred, "a deletion may have been missed");
        assert!(!log.changes(3, existing.iter()).reset_occurred);
        assert_eq!(log.newest(None, 10).map(|(id, _)| id).collect::<Vec<_>>(), [4]);
    }
}

#[test]
fn rows_survive_the_way_through_the_store() {
    let before = Row {
        id: 7,
        row: NewRow::new("a", Operation::ForceUnlock, Some(&details::force_unlock("r\n\"x\""))),
    };
    let text = serde_json::to_string(&before).unwrap();
    assert!(!text.contains('\n'));
    assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), before);
    assert_eq!(before.row.details.as_deref(), Some(r#"{"reason": "r\n\"x\"", "admin": true}"#));
}
