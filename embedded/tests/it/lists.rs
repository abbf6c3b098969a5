//! Lists: selectors, pages and versions.

use crds::Device;
use kube::api::{ListParams, PostParams, VersionMatch};
use kube::{Api, ResourceExt};

use crate::server::{Server, conformance, device, refusal};

async fn fill(server: &Server, count: usize) -> Api<Device> {
    let api = server.api::<Device>();
    for number in 0..count {
        let mut object = device(&format!("d{number:02}"));
        let tier = if number % 2 == 0 { "even" } else { "odd" };
        object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        if number == 0 {
            object.spec.device_class = "other.Class".into();
        }
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    api
}

async fn names(api: &Api<Device>, params: ListParams) -> Vec<String> {
    api.list(&params).await.unwrap().items.iter().map(ResourceExt::name_any).collect()
}

conformance! {
    async fn selectors_choose_by_labels_and_fields(server: &Server) {
        let api = fill(server, 4).await;
        let labels = |text: &str| ListParams::default().labels(text);
        let fields = |text: &str| ListParams::default().fields(text);
        assert_eq!(names(&api, labels("tier=even")).await, ["d00", "d02"]);
        assert_eq!(names(&api, labels("tier in (odd, none)")).await, ["d01", "d03"]);
        assert_eq!(names(&api, labels("tier notin (odd)")).await, ["d00", "d02"]);
        assert_eq!(names(&api, labels("!tier")).await, Vec::<String>::new());
        assert_eq!(names(&api, fields("metadata.name=d01")).await, ["d01"]);
        assert_eq!(names(&api, fields("metadata.name!=d01")).await, ["d00", "d02", "d03"]);
        assert_eq!(names(&api, fields("spec.deviceClass=other.Class")).await, ["d00"]);
        assert_eq!(names(&api, fields("spec.name=d03").labels("tier=odd")).await, ["d03"]);
        assert_eq!(refusal(api.list(&fields("spec.prefix=x")).await).code, 400);
        assert_eq!(refusal(api.list(&labels("a b c")).await).code, 400);
    }

    async fn the_pages_of_a_list_show_one_moment(server: &Server) {
        let api = fill(server, 7).await;
        let first = api.list(&ListParams::default().limit(3)).await.unwrap();
        assert_eq!(first.items.len(), 3);
        assert_eq!(first.metadata.remaining_item_count, Some(4));
        api.delete("d05", &Default::default()).await.unwrap();
        api.create(&PostParams::default(), &device("d99")).await.unwrap();
        let token = first.metadata.continue_.unwrap();
        let second = api.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
        let again = api.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
        assert_eq!(second.items.len(), again.items.len(), "a page can be asked for again");
        assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
        let token = second.metadata.continue_.unwrap();
        let third = api.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
        assert!(third.metadata.continue_.is_none_or(|token| token.is_empty()));
        let all: Vec<String> = [first.items, second.items, third.items]
            .concat()
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        assert_eq!(all, ["d00", "d01", "d02", "d03", "d04", "d05", "d06"]);
        assert_eq!(names(&api, ListParams::default()).await.last().unwrap(), "d99");
    }

    async fn a_token_that_means_nothing_is_refused(server: &Server) {
        let api = fill(server, 1).await;
        let refused = refusal(api.list(&ListParams::default().limit(1).continue_token("?")).await);
        assert_eq!(refused.code, 400);
    }

    async fn a_list_can_ask_for_a_version(server: &Server) {
        let api = fill(server, 2).await;
        let now = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        let at = |version: &str, matching| {
            ListParams::default().at(version).matching(matching)
        };
        assert_eq!(names(&api, at(&now, VersionMatch::NotOlderThan)).await.len(), 2);
        // After that one: "0" takes whatever a real API server has in its cache.
        assert_eq!(names(&api, at("0", VersionMatch::NotOlderThan)).await.len(), 2);
        assert_eq!(names(&api, at(&now, VersionMatch::Exact)).await.len(), 2);
        if !server.real && server.url.is_none() {
            // A real API server waits a few seconds first, and the network client tries again for minutes.
            let future = format!("{now}9");
            let refused = refusal(api.list(&at(&future, VersionMatch::NotOlderThan)).await);
            assert_eq!((refused.code, refused.reason.as_str()), (504, "Timeout"));
        }
    }

    async fn all_namespaces_are_listed_together(server: &Server) {
        let api = fill(server, 1).await;
        let everywhere: Api<Device> = Api::all(server.client.clone());
        let found = everywhere.list(&ListParams::default()).await.unwrap();
        let here = |object: &&Device| object.namespace().as_deref() == Some(&server.namespace);
        assert_eq!(found.items.iter().filter(here).count(), 1);
        let selector = format!("metadata.namespace={}", server.namespace);
        let found = everywhere.list(&ListParams::default().fields(&selector)).await.unwrap();
        assert_eq!(found.items.len(), 1);
        let elsewhere: Api<Device> = Api::namespaced(server.client.clone(), "default");
        let found = elsewhere.list(&ListParams::default().fields("spec.name=d00")).await.unwrap();
        assert!(found.items.is_empty());
        drop(api);
    }

    async fn metadata_alone_can_be_listed(server: &Server) {
        let api = fill(server, 2).await;
        let found = api.list_metadata(&ListParams::default()).await.unwrap();
        assert_eq!(found.items.len(), 2);
        let one = api.get_metadata("d01").await.unwrap();
        assert_eq!(one.labels()["tier"], "odd");
    }
}
